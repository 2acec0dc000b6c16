# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which method of the contract was called on which driver. Tests note() what they checked; when the run ends,
the table is written to the file that GUESTBUS_COVERAGE names, or to build/method-coverage.txt.

A driver is "test" or "qemu": it gave a result; "replaced": a test took the place of libvirt's function, and looked at
what it was given; or "error only": the reply was libvirt's own error."""

import atexit
import collections
import os
import pathlib

from .service import CHECKOUT

CONTRACT = pathlib.Path(__file__).with_name("org.libvirt.tsv")
DRIVERS = ("test", "qemu", "replaced", "error only")

Member = collections.namedtuple("Member", "interface kind name first second in_names out_names")

_rows = collections.defaultdict(set)


def contract(kind=None):
    """The members of the contract, of one kind ("method", "property", "signal") or of all: for a method the
    signatures and names of what goes in and out, for a property its type and access, for a signal its
    signature."""
    with CONTRACT.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    members = [Member(*line) for line in lines]
    return [one for one in members if kind in (None, one.kind)]


def note(interface, method, driver):
    """Says that a test called `interface`.`method` on `driver` and checked the outcome."""
    assert driver in DRIVERS, driver
    _rows[interface, method].add(driver)


def noted():
    """{(interface, method): {driver, ...}} of this run so far."""
    return dict(_rows)


def table():
    """The table as text: a line for each method, and for one that nobody called "-"."""
    lines = []
    for one in contract("method"):
        drivers = [name for name in DRIVERS if name in _rows.get((one.interface, one.name), ())]
        if "error only" in drivers and len(drivers) > 1:
            drivers.remove("error only")
        lines.append(f"{one.interface}.{one.name}\t{', '.join(drivers) or '-'}\n")
    return "".join(lines)


def write():
    """Writes the table, whole or not at all: another run may be writing its own."""
    named = os.environ.get("GUESTBUS_COVERAGE")
    path = pathlib.Path(named) if named else CHECKOUT / "build" / "method-coverage.txt"
    if not _rows or not os.access(path.parent, os.W_OK):
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(table(), encoding="utf-8")
    draft.replace(path)


atexit.register(write)
