# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_architecture.py CHECKOUT: docs/architecture.md is a map of what is there. Each folder and each .c file of the
service and of its clients is in it, and what it names exists: files, and functions."""

import pathlib
import re
import sys

from tap import tell

PAGE = "docs/architecture.md"
# Made by the build.
GENERATED = {"members.h"}


def named_files(page):
    """Returns the names of files and folders that stand in backquotes."""
    names = re.findall(r"`([\w./-]+(?:/|\.(?:c|h|py|xml|md)))`", page)
    return set(names) - GENERATED


def exists(checkout, name):
    return any((checkout / folder / name).exists() for folder in ("", "service"))


def main(checkout):
    page = (checkout / PAGE).read_text(encoding="utf-8")
    service = checkout / "service"
    sources = sorted(service.rglob("*.c"))
    clients = sorted((checkout / "clients").rglob("*.c"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(service.rglob("*.[ch]")))
    table = {name for name in re.findall(r"^\| `([\w./]+)` \|", page, re.M)}
    headings = set(re.findall(r"^### `service/([\w/]*)`$", page, re.M))
    folders = {str(path.parent.relative_to(service)) for path in sources}
    functions = set(re.findall(r"`(\w+)\(\)`", page))
    print("1..4")
    fine = [
        tell(1, "each file that it names is there",
             {f"{PAGE}: there is no {name}" for name in named_files(page) if not exists(checkout, name)}),
        tell(2, "each file of the service and of the clients is in it",
             {f"{PAGE}: {name} is missing" for name in ({str(path.relative_to(service)) for path in sources} |
              {str(path.relative_to(checkout)) for path in clients}) - table}),
        tell(3, "each folder of the service is in it",
             {f"{PAGE}: {name} is missing" for name in folders - {name.rstrip("/") or "." for name in headings}}),
        tell(4, "each function that it names is there",
             {f"{PAGE}: there is no {name}()" for name in functions if not re.search(rf"\b{name}\(", code)}),
    ]
    return 0 if sources and all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
