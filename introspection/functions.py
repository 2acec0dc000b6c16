#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/functions.md, the table of libvirt's functions and the members that stand on them, to standard output.
Its sources are the interface files and the file unserved."""

import collections
import pathlib
import re
import xml.etree.ElementTree as ElementTree

from libvirt_api import functions_of

HERE = pathlib.Path(__file__).resolve().parent
HEAD = """# libvirt's functions

`introspection/functions.py` writes this page from the interface files and from `introspection/unserved`; the unit test
`functions` compares it with them, and both with libvirt's own description of its API. A member is served if the libvirt
that `guestbusd` was built with has the function. The interface files say what each member does.

## Served

| function | member |
|---|---|
"""
REST = """
## Not served

libvirt-admin speaks to another socket than a hypervisor's, and libvirt-lxc changes the process that calls it. Of the
others:

| function | why it has no member |
|---|---|
"""


def served():
    """{function: [members]} of all interface files."""
    found = collections.defaultdict(list)
    for file in sorted(HERE.glob("org.libvirt.*.xml")):
        for interface in ElementTree.parse(file).iter("interface"):
            for element in interface:
                for function in functions_of(element):
                    found[function].append(f"{interface.get('name').rpartition('.')[2]}.{element.get('name')}")
    return dict(found)


def unserved():
    """{function: why it has no member}."""
    lines = (HERE / "unserved").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))


def linked(text):
    return re.sub(r"\bvir[A-Z]\w+", r"`\g<0>`", text)


def page():
    members, reasons = served(), unserved()
    rows = "".join(f"| `{name}` | {', '.join(f'`{one}`' for one in members[name])} |\n" for name in sorted(members))
    rest = "".join(f"| `{name}` | {linked(reasons[name])} |\n" for name in sorted(reasons))
    return HEAD + rows + REST + rest


if __name__ == "__main__":
    print(page(), end="")
