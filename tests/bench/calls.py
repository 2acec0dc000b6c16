# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls: how many a second, and what each costs the daemon; by one client with some in flight, and by many.

What is called: Domain.GetState, which asks libvirt, and the property Active. libvirt-dbus reads that from
libvirt each time, as guestbusd does; guestbusd has another of the same meaning, which it knows. With the
driver in the process libvirt takes no time, so that what is measured is the daemon; with the remote one
libvirtd is asked."""

import typing

from stage import BOTH, GUEST, KINDS, PLAIN, QEMU, TEST, TEST_GUEST, counted, turns

IN_FLIGHT = (1, 16, 64)
BOTH_CALL = {call: dict.fromkeys(KINDS, call) for call in ("state", "active", "ping")}
MIRROR = {"libvirt-dbus": "active", "guestbusd": "mirror"}
# More guests than the daemon has threads for a connection, so that all of them have something to do.
MANY = 16
THREADS = 5


class Case(typing.NamedTuple):
    title: str
    driver: str
    calls: dict  # by kind
    in_flight: tuple = IN_FLIGHT
    guests: int = 1  # called in turn
    threads: int = 0  # of the plain program beside; 0: there is none


CALLS = (
    Case("GetState, in process", "Test", BOTH_CALL["state"]),
    # What one client asks of one guest is done in its order: one call after the other.
    Case("GetState of one guest, remote", "QEMU", BOTH_CALL["state"], threads=1),
    Case(f"GetState of {MANY} guests, remote", "QEMU", BOTH_CALL["state"], (16, 64), MANY, THREADS),
)
PROPERTIES = (
    Case("Get of org.libvirt, in process", "Test", BOTH_CALL["active"]),
    Case("Get of org.libvirt, remote", "QEMU", BOTH_CALL["active"], (64,)),
    # libvirt-dbus has no mirror: what it has for the same is put beside.
    Case("Get, mirror to in process", "Test", MIRROR),
    Case("Get, mirror to remote", "QEMU", MIRROR, (64,)),
    # Does nothing. Where this is not much faster, the bus and the client are what limits.
    Case("Peer.Ping", "Test", BOTH_CALL["ping"], (64,)),
)
# What one client has in flight among many.
IN_FLIGHT_EACH = 1


def load(stage, daemon, paths, call, in_flight, clients, milliseconds):
    """(calls a second, µs of CPU for each); @paths with commas between"""
    process, address = daemon
    calls, elapsed, cpu = map(int, stage.client(
        "load", address, paths, call, in_flight, clients, milliseconds, process.pid).split())
    return calls / elapsed * 1e9, cpu / calls / 1e3


def add_load(table, title, kind, figures):
    for unit, value in zip(("calls/s", "µs CPU/call"), figures):
        table.add(title, unit, kind, value)


def plain_load(stage, threads, milliseconds):
    calls, elapsed, cpu = map(int, stage.client(
        "threads", QEMU["QEMU"], GUEST, threads, milliseconds).split())
    return calls / elapsed * 1e9, cpu / calls / 1e3


def measure_case(stage, table, milliseconds, number, case, daemons, paths):
    for in_flight in case.in_flight:
        row = f"{case.title}, {in_flight} in flight"
        for kind in turns(number):
            add_load(table, row, kind, load(stage, daemons[kind], ",".join(paths[:case.guests]),
                                            case.calls[kind], in_flight, 1, milliseconds))
        if case.threads:
            add_load(table, row, PLAIN, plain_load(stage, case.threads, milliseconds))


def measure_cases(stage, table, plan, cases):
    daemons = {kind: stage.start_daemon(kind, BOTH) for kind in KINDS}
    paths = {"Test": [TEST_GUEST], "QEMU": [stage.guest_path(GUEST)]}
    others = [f"other{number}" for number in range(1, max(case.guests for case in cases))]
    paths["QEMU"] += [stage.define_guest(name) for name in others]
    for number in range(plan.rounds):
        for case in cases:
            measure_case(stage, table, plan.milliseconds, number, case, daemons, paths[case.driver])

    for process, _ in daemons.values():
        stage.stop(process)
    for name in others:
        stage.virsh("undefine", name)


def measure_calls(stage, table, plan):
    measure_cases(stage, table, plan, CALLS)


def measure_properties(stage, table, plan):
    measure_cases(stage, table, plan, PROPERTIES)


def measure_clients(stage, table, plan):
    """Many clients at once, each with a connection of its own to the bus and one call in flight."""
    daemons = {kind: stage.start_daemon(kind, TEST) for kind in KINDS}
    for number in range(plan.rounds):
        for clients in plan.clients:
            for title, calls in (("GetState", BOTH_CALL["state"]), ("Get, mirror", MIRROR)):
                for kind in turns(number):
                    add_load(table, f"{title}, {counted(clients, 'client')}", kind,
                             load(stage, daemons[kind], TEST_GUEST, calls[kind], IN_FLIGHT_EACH, clients,
                                  plan.milliseconds))

    for process, _ in daemons.values():
        stage.stop(process)
