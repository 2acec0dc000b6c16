# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events: how late a signal is, what an event costs the daemon, and how it takes many at once.

guestbusd tells each listener more of an event than libvirt-dbus does: the signal of org.libvirt, the event of
the stream, and what changed. How many signals that is, is a row of its own."""

from stage import GUEST, KINDS, QEMU, counted, turns

LISTENERS = (0, 1, 20)
# What is measured: the kind of event, and how many listeners there are.
COSTS = tuple((what, listeners) for what in ("lifecycle", "metadata-change") for listeners in LISTENERS)


def make_events(stage, daemon, kind, what, listeners, count, pace="single"):
    """(µs of CPU for each, signals for each, seconds until all were told)"""
    process, address = daemon
    cpu, signals, elapsed = map(int, stage.client(
        "events", address, QEMU["QEMU"], GUEST, "QEMU", process.pid, what, listeners, count,
        int(kind == "guestbusd"), pace).split())
    return cpu / count / 1e3, signals / count, elapsed / 1e9


def measure_latency(stage, table, plan):
    """How much later than a libvirt client's callback the signal is there. Where there are some listeners,
    that of each counts."""
    daemons = {kind: stage.start_daemon(kind, QEMU) for kind in KINDS}
    for number in range(plan.rounds):
        for listeners in LISTENERS[1:]:
            for kind in turns(number):
                lines = stage.client("latency", daemons[kind][1], QEMU["QEMU"], GUEST, "QEMU",
                                     plan.latency_events, listeners).split()
                table.add_times(f"DomainEvent, {counted(listeners, 'listener')}", "µs", kind,
                                (int(line) / 1e3 for line in lines))

    for process, _ in daemons.values():
        stage.stop(process)


def measure_cost(stage, table, plan):
    daemons = {kind: stage.start_daemon(kind, QEMU) for kind in KINDS}
    for number in range(plan.rounds):
        for what, listeners in (*COSTS, ("metadata-change", plan.many_listeners)):
            for kind in turns(number):
                cpu, signals, _ = make_events(stage, daemons[kind], kind, what, listeners, plan.events)
                row = f"{what}, {counted(listeners, 'listener')}"
                table.add(row, "µs CPU/event", kind, cpu)
                if listeners == 1:
                    table.add(row, "signals/event", kind, signals)

    for process, _ in daemons.values():
        stage.stop(process)


def measure_burst(stage, table, plan):
    """The daemon is stopped while events pile up before it; then it has them all at once. Events of the kind
    that libvirtd makes most quickly: it gives a client up that it has not heard of for half a minute."""
    daemons = {kind: stage.start_daemon(kind, QEMU) for kind in KINDS}
    for number in range(plan.rounds):
        for kind in turns(number):
            cpu, signals, seconds = make_events(stage, daemons[kind], kind, "metadata-change", 1,
                                                plan.burst, "burst")
            row = f"{plan.burst} events at once"
            table.add(row, "ms until the last is told", kind, seconds * 1e3)
            table.add(row, "µs CPU/event", kind, cpu)
            table.add(row, "signals/event", kind, signals)

    for process, _ in daemons.values():
        stage.stop(process)
