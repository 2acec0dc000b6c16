# SPDX-License-Identifier: LGPL-2.1-or-later
"""The promise: who listens on the bus knows what libvirt knows, whatever happens.

GUESTBUS_TRUTH sets the number of operations, GUESTBUS_SEED the seed of all dice but libvirt's."""

import os
import random
import time

import pytest

from support.hosts.manager import Manager
from support.hosts.scene import Scene, kinds
from support.hosts.workload import Load
from support.service import wait_connected

pytestmark = pytest.mark.long

OPERATIONS = int(os.environ.get("GUESTBUS_TRUTH", "400"))
KILLS = 6 if OPERATIONS == 400 else OPERATIONS // 100
RESTARTS = OPERATIONS // 50
SEED = os.environ.get("GUESTBUS_SEED", "1")
# Fewer than happen in the whole run, more than in most absences.
EVENTS_KEPT = 200


@pytest.fixture
def load(home, reaper, libvirtd):
    load = Load(home, SEED, kinds(libvirtd), libvirtd.directory("pools"))
    yield load
    load.stop()


@pytest.fixture
def manager(home):
    one = Manager(home)
    yield one
    one.close()


@pytest.fixture(params=["alone", "managed"])
def options(request):
    """Under a manager, a restart by SIGTERM goes on in the same epoch."""
    if request.param == "alone":
        return {}
    manager = request.getfixturevalue("manager")
    return {"env": {"NOTIFY_SOCKET": manager.path}, "wrap": manager.wrap}


@pytest.fixture
def scene(one_bus, libvirtd, load, run_service, connect, options):
    """Both hypervisors, empty but for what the test driver always has and a guest that nobody undefines."""
    service = run_service(one_bus, {"QEMU": libvirtd.uri, "Test": libvirtd.test_uri},
                          config=f"[limits]\nevents-kept={EVENTS_KEPT}\n", **options)
    for name in ("QEMU", "Test"):
        wait_connected(connect(one_bus), name)
    dice = random.Random(f"{SEED} scene")
    scene = Scene(libvirtd, service, load, dice, sorted(dice.sample(range(OPERATIONS), KILLS)),
                  sorted(dice.sample(range(OPERATIONS), RESTARTS)))
    yield scene
    scene.close()


def test_the_bus_says_what_libvirt_says(scene, capsys):
    print(f"GUESTBUS_SEED={SEED} GUESTBUS_TRUTH={OPERATIONS}")
    began = time.monotonic()
    scene.quiet()
    while scene.load.done < OPERATIONS:
        scene.storm()
        scene.quiet()
    scene.wake()
    scene.check_history()
    scene.check_grammar()
    with capsys.disabled():
        print(f"\nseed {SEED}: {scene.report()}, {time.monotonic() - began:.0f} s")
