# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemons as processes: their start, their memory at rest, and how often they wake up with nothing to do.

The minimal program that they are compared with opens each hypervisor as often as guestbusd does, which has
one connection for calls and one for events; libvirt-dbus opens each once."""

import time

from stage import BOTH, KINDS, PLAIN, TEST, cpu_time, memory, switches, turns

CONNECTIONS_EACH = 2
SETS = (("Test", TEST), ("QEMU + Test", BOTH))


def floor(stage, connections):
    return stage.start_floor([uri for uri in connections.values() for _ in range(CONNECTIONS_EACH)])


def start_all(stage, connections):
    processes = {kind: stage.start_daemon(kind, connections)[0] for kind in KINDS}
    processes[PLAIN] = floor(stage, connections)
    return processes


def measure_start(stage, table, plan):
    """From the start of the process until it has its name on the bus."""
    for number in range(plan.starts):
        for name, connections in SETS:
            for kind in turns(number):
                address = stage.start_bus()
                client, _ = stage.start([stage.directory / "inventory", "owner", address], first_line=True)
                began = time.monotonic_ns()
                process = stage.launch(kind, connections, address)
                table.add(f"start until its name is on the bus, {name}", "ms", kind,
                          (stage.read_number(client, kind) - began) / 1e6)
                stage.wait_still(process)
                table.add(f"start until at rest, {name}", "ms CPU", kind, cpu_time(process.pid) / 1e6)
                stage.stop(process)


def measure_memory(stage, table, plan):
    """Fresh processes each time, after one call for each connection."""
    for name, connections in SETS:
        for _ in range(plan.memory_rounds):
            processes = start_all(stage, connections)
            for kind, process in processes.items():
                rss, pss = memory(process.pid)
                table.add(f"memory idle, {name}, RSS", "MiB", kind, rss / 1024)
                table.add(f"memory idle, {name}, PSS", "MiB", kind, pss / 1024)
            for process in processes.values():
                stage.stop(process)


def measure_idle(stage, table, plan):
    """All of them side by side. Over a socket both ends ask each five seconds whether the other is there."""
    sets = {name: start_all(stage, connections) for name, connections in SETS}
    time.sleep(plan.settle_seconds)
    for _ in range(plan.memory_rounds):
        before = {(name, kind): switches(process.pid) for name, processes in sets.items()
                  for kind, process in processes.items()}
        time.sleep(plan.idle_seconds)
        for (name, kind), counts in before.items():
            after = switches(sets[name][kind].pid)
            table.add(f"idle, {name}", f"wake-ups in {plan.idle_seconds} s", kind,
                      sum(count - counts.get(thread, 0) for thread, count in after.items()))

    for processes in sets.values():
        for process in processes.values():
            stage.stop(process)
