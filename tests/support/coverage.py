# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which method of org.libvirt was called on which driver. Tests note() what they checked. At its end each process
of a run adds what it noted to the table in the file that GUESTBUS_COVERAGE names, if there is such a name: so
several processes, and several runs, make one table, in whatever order they end. Who wants a new one removes the old
one first.

A driver is "test" or "qemu": it gave a result; "replaced": a test took the place of libvirt's function, and looked at
what it was given; or "error only": the reply was libvirt's own error."""

import collections
import fcntl
import os
import pathlib

from . import declared

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


def methods():
    """[(interface, name)] of all methods: those of the contract, then those that the service has added."""
    found = [(one.interface, one.name) for one in contract("method")]
    return found + sorted({(interface, name) for interface, name, _ in declared.methods()} - set(found))


def note(interface, method, driver):
    """Says that a test called `interface`.`method` on `driver` and checked the outcome."""
    assert driver in DRIVERS, driver
    _rows[interface, method].add(driver)


def noted():
    """{(interface, method): {driver, ...}} of this run so far."""
    return dict(_rows)


def text_of(rows):
    """The table as text: a line for each method, and for one that nobody called "-"."""
    lines = []
    for one in methods():
        drivers = [name for name in DRIVERS if name in rows.get(one, ())]
        if "error only" in drivers and len(drivers) > 1:
            drivers.remove("error only")
        lines.append(f"{'.'.join(one)}\t{', '.join(drivers) or '-'}\n")
    return "".join(lines)


def rows_of(text):
    """text_of() backwards."""
    rows = {}
    for line in text.splitlines():
        method, drivers = line.split("\t")
        rows[tuple(method.rsplit(".", 1))] = set(drivers.split(", ")) - {"-"}
    return rows


def table():
    """The table of this process so far."""
    return text_of(_rows)


def errors_only(text):
    """The methods of a table that gave nothing but errors."""
    return {".".join(method) for method, drivers in rows_of(text).items() if drivers == {"error only"}}


def missing(text):
    """The methods that a table says nothing about."""
    rows = rows_of(text)
    return {".".join(one) for one in methods() if not rows.get(one)}


def write():
    """Adds what was noted to the file, while nobody else does."""
    named = os.environ.get("GUESTBUS_COVERAGE")
    if not _rows or not named:
        return
    with open(named, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        rows = rows_of(file.read())
        for method, drivers in _rows.items():
            rows.setdefault(method, set()).update(drivers)
        file.truncate(0)
        file.write(text_of(rows))
