# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_layers.py SERVICE: the folders of the service are layers. A file includes what stands in its own folder or
below it, and no unit (x.c and x.h) reaches itself again through what it includes. And a struct's name is one file's."""

import pathlib
import re
import sys

from tap import tell

# From the lowest to the highest. The program itself, in files of service/ alone, stands on top.
PROGRAM = ""
LAYERS = ("base", "bus", "virt", "access", "call", "handlers", "mirror", "connection", "objects", PROGRAM)
# The build makes it from introspection/. It includes bus/member.h alone.
GENERATED = "members.h"


def includes(service):
    """Yields each file with what it includes in quotes, as paths below the service's folder."""
    for path in sorted(service.rglob("*.[ch]")):
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(encoding="utf-8"), re.M):
            if name != GENERATED:
                yield path.relative_to(service), pathlib.PurePath(name)


def unit(path):
    return str(path.with_suffix(""))


def layer(path):
    return LAYERS.index(path.parts[0] if len(path.parts) > 1 else PROGRAM)


def upwards(found):
    """Returns the pairs of units of which the first includes the second, which stands above it."""
    return {(unit(path), unit(other)) for path, other in found if layer(other) > layer(path)}


def reach(graph, start):
    """Returns all that start includes, directly or through others."""
    reached, waiting = set(), [start]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached


def circles(found):
    """Returns the largest sets of units that all reach each other."""
    graph = {}
    for path, other in found:
        if unit(path) != unit(other):
            graph.setdefault(unit(path), set()).add(unit(other))
    reached = {name: reach(graph, name) for name in graph}
    return {frozenset(other for other in reached[name] if name in reached.get(other, ()))
            for name in graph if name in reached[name]}


def namesakes(service):
    """Returns the names of structs that more than one file defines, with those files."""
    files = {}
    for path in sorted(service.rglob("*.[ch]")):
        for name in re.findall(r"^(?:typedef )?struct (\w+) \{", path.read_text(encoding="utf-8"), re.M):
            files.setdefault(name, set()).add(str(path.relative_to(service)))
    return {(name, *sorted(paths)) for name, paths in files.items() if len(paths) > 1}


def main(service):
    found = list(includes(service))
    missing = sorted(str(other) for _, other in found if not (service / other).is_file())
    if not found or missing:
        print(f"Bail out! No file of {service}: {', '.join(missing) or 'includes others'}")
        return 1
    print("1..3")
    fine = [tell(1, "no file includes what stands above it", {" -> ".join(each) for each in upwards(found)}),
            tell(2, "no unit includes itself through others", {", ".join(sorted(each)) for each in circles(found)}),
            tell(3, "no two files have a struct of one name", {", ".join(each) for each in namesakes(service)})]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
