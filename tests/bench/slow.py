# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fast calls beside slow ones: what a client waits whose call has nothing to do with a guest that hangs.

The guest's QEMU is stopped: calls that need it wait until it is let go on. libvirtd serves five requests of
one connection at a time, so the fifth slow one is where another call of the same connection cannot pass."""

import contextlib
import os
import signal

from stage import BOTH, GUEST, KINDS, SLOW_GUEST, TEST_GUEST, turns


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_answered(stage, address, path):
    """Until a call that needs the guest is answered, as those before it are then: a daemon that has no processor looks
    as if it were at rest."""
    stage.run("busctl", "--timeout=300", f"--address={address}", "call", "org.libvirt", path, "org.libvirt.Domain",
              "Reset", "u", "0")


def measure(stage, table, plan):
    slow_path = stage.start_guest(SLOW_GUEST)
    pid = stage.guest_pid(SLOW_GUEST)
    daemons = {kind: stage.start_daemon(kind, BOTH) for kind in KINDS}
    paths = {"same connection": stage.guest_path(GUEST), "another connection": TEST_GUEST}
    for number in range(plan.rounds):
        for slow in plan.slow:
            for where, path in paths.items():
                for kind in turns(number):
                    process, address = daemons[kind]
                    with stopped(pid):
                        lines = stage.client("slow", address, slow_path, path, slow, plan.slow_ms).split()
                    wait_answered(stage, address, slow_path)
                    stage.wait_still(process)
                    table.add_times(f"beside {slow} slow, {where}", "ms", kind,
                                    (int(line) / 1e6 for line in lines))

    for process, _ in daemons.values():
        stage.stop(process)

    stage.virsh("destroy", SLOW_GUEST)
    stage.virsh("undefine", SLOW_GUEST)
