# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many domains: getting to know of all of them, by one GetManagedObjects of guestbusd beside the only way of
libvirt-dbus, which is ListDomains and two calls for each domain; statistics of all at once, by both and by
a plain program; comparing all with libvirt; the time from start until all is known; memory; and what
single calls and events cost while there are so many.

The domains are QEMU's, defined and not started, beside the one guest that runs. They stay: this is to be the
last part."""

import json
import statistics
import time

from calls import MIRROR, load
from events import make_events
from stage import GUEST, KINDS, PLAIN, Failure, cpu_time, memory, turns, wait_for

NAME = "QEMU"
URI = "qemu:///session"
WAYS = {"libvirt-dbus": "each", "guestbusd": "managed"}
# libvirt-dbus takes a minute for one round of this many.
MANY = 10000
IN_FLIGHT = 64


def counters(stage, address):
    text = stage.run("busctl", "--json=short", f"--address={address}", "get-property", "org.libvirt",
                     f"/org/libvirt/{NAME}", "org.guestbus.Connection1", "Counters")
    return json.loads(text)["data"]


def is_filled(stage, address):
    try:
        return counters(stage, address)["resync-us"] > 0
    except Failure:
        return False  # the service has not come yet


def start_filled(stage, kind):
    """A daemon that is at rest and knows what it keeps."""
    process, address = stage.start_daemon(kind, {NAME: URI})
    if kind == "guestbusd":
        wait_for("the mirror", lambda: is_filled(stage, address))
    stage.wait_still(process)
    return process, address


def milliseconds(line):
    return [int(nanoseconds) / 1e6 for nanoseconds in line.split()]


def ask(stage, daemon, way, count, times=1):
    """(milliseconds, milliseconds of CPU) of asking a daemon for all domains."""
    process, address = daemon
    return milliseconds(stage.client("inventory", "ask", address, NAME, way, count, times, process.pid))


def plain(stage, plan, way, count):
    return milliseconds(stage.client("inventory", "plain", URI, way, count, plan.times))


def add_costs(table, title, kind, values):
    for unit, value in zip(("ms", "ms CPU"), values):
        table.add(title, unit, kind, value)


def rounds_of(plan, count, kind):
    """How often a kind can be asked for so many domains, one by one."""
    if count < MANY:
        return plan.rounds

    return 1 if kind == "libvirt-dbus" else min(plan.rounds, 3)


def measure_all(stage, table, plan, count, daemons):
    """The whole picture, by the best way that each has; and guestbusd by the way of the other as well."""
    for number in range(plan.rounds):
        for kind in turns(number):
            if number >= rounds_of(plan, count, kind):
                continue

            best = ask(stage, daemons[kind], WAYS[kind], count, plan.times if WAYS[kind] == "managed" else 1)
            # Its best way is the only one.
            each = best if WAYS[kind] == "each" else ask(stage, daemons[kind], "each", count)
            add_costs(table, f"{count} domains, all that is known", kind, best)
            add_costs(table, f"{count} domains, one by one", kind, each)

        add_costs(table, f"{count} domains, all that is known", PLAIN, plain(stage, plan, "state", count))


def measure_stats(stage, table, plan, count, daemons):
    titles = {"state": "GetAllDomainStats, state", "all": "GetAllDomainStats, all"}
    for number in range(plan.rounds):
        for way, title in titles.items():
            if way == "all" and count != plan.all_stats:
                continue

            for kind in turns(number):
                add_costs(table, f"{count} domains, {title}", kind,
                          ask(stage, daemons[kind], way, count, plan.times))
            add_costs(table, f"{count} domains, {title}", PLAIN, plain(stage, plan, way, count))


def measure_resync(stage, table, plan, count, daemons):
    """All is compared with libvirt, and nothing has changed. Beside it stands what libvirt takes to list all
    states."""
    for _ in range(plan.rounds):
        add_costs(table, f"{count} domains, Resync", "guestbusd",
                  ask(stage, daemons["guestbusd"], "resync", count, plan.times))
        add_costs(table, f"{count} domains, Resync", PLAIN, plain(stage, plan, "state", count))


def measure_single(stage, table, plan, count, daemons):
    """What does not depend on how many there are should cost the same with many. A ping does nothing: if that
    costs more, it is the machine that has become slower since it was measured with fewer."""
    path = stage.guest_path(GUEST)
    calls = {"GetState": dict.fromkeys(KINDS, "state"), "Get, mirror": MIRROR,
             "Peer.Ping": dict.fromkeys(KINDS, "ping")}
    for number in range(plan.growth_rounds):
        for title, call in calls.items():
            for kind in turns(number):
                _, cpu = load(stage, daemons[kind], path, call[kind], IN_FLIGHT, 1, plan.milliseconds)
                table.add(f"{count} domains, {title}", "µs CPU/call", kind, cpu)
        for kind in turns(number):
            cpu, _, _ = make_events(stage, daemons[kind], kind, "lifecycle", 1, plan.events)
            table.add(f"{count} domains, lifecycle, 1 listener", "µs CPU/event", kind, cpu)


def measure_start(stage, table, count, kind):
    """From the start of the process to the reply that completes the picture."""
    address = stage.start_bus()
    client, _ = stage.start([stage.directory / "inventory", "start", address, NAME, WAYS[kind], str(count)],
                            first_line=True)
    began = time.monotonic_ns()
    process = stage.launch(kind, {NAME: URI}, address)
    ended = stage.read_number(client, kind)
    add_costs(table, f"{count} domains, start until all are known", kind,
              ((ended - began) / 1e6, cpu_time(process.pid) / 1e6))
    if kind == "guestbusd":
        table.add(f"{count} domains, opening until the mirror is filled", "ms", kind,
                  counters(stage, address)["resync-us"] / 1e3)

    stage.stop(process)


def footprint(stage, count, kind):
    """(RSS, PSS) in KiB of a fresh process, by moment: when it has come to rest by itself, which libvirt-dbus
    does knowing nothing; and after it was asked for all domains."""
    address = stage.start_bus()
    process = stage.launch(kind, {NAME: URI}, address)
    moments = {}
    if kind == "guestbusd":
        wait_for("the mirror", lambda: is_filled(stage, address))
        stage.wait_still(process)
        moments["at rest"] = memory(process.pid)

    wait_for(kind, lambda: stage.has_objects(address, NAME))
    ask(stage, (process, address), WAYS[kind], count)
    moments["after it was asked"] = memory(process.pid)
    stage.stop(process)
    return moments


def usual_footprint(stage, plan, count, kind):
    """The median of some footprints, with @count, which is that of the domains."""
    prints = [footprint(stage, count, kind) for _ in range(plan.starts)]
    medians = {moment: [statistics.median(values) for values in zip(*(one[moment] for one in prints))]
               for moment in prints[0]}
    return {"count": count, **medians}


def measure_memory(stage, table, count, kind, empty):
    """@empty is the footprint with as good as no domains, @empty["count"] of them. PSS also changes when
    other programs of the machine that share libraries come or go: with few domains it says little."""
    for moment, values in footprint(stage, count, kind).items():
        for title, value, before in zip(("RSS", "PSS"), values, empty[moment]):
            table.add(f"{count} domains, memory {moment}, {title}", "KiB/domain", kind,
                      (value - before) / (count - empty["count"]))


def populate(stage, count):
    stage.client("inventory", "populate", URI, count)


def measure_size(stage, table, plan, count, empty):
    populate(stage, count)
    daemons = {kind: start_filled(stage, kind) for kind in KINDS}
    measure_all(stage, table, plan, count, daemons)
    measure_stats(stage, table, plan, count, daemons)
    measure_resync(stage, table, plan, count, daemons)
    measure_single(stage, table, plan, count, daemons)
    for process, _ in daemons.values():
        stage.stop(process)

    for number in range(plan.starts):
        # A round of libvirt-dbus alone is known from above, and would be a minute each.
        for kind in turns(number) if count < MANY else ("guestbusd",):
            measure_start(stage, table, count, kind)
            measure_memory(stage, table, count, kind, empty[kind])


def measure(stage, table, plan):
    populate(stage, 1)
    empty = {kind: usual_footprint(stage, plan, 1, kind) for kind in KINDS}
    for size in plan.sizes:
        measure_size(stage, table, plan, size, empty)
