# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that hangs, five of them, and jobs that take long: whoever asks for another guest notices nothing.

A guest hangs when its QEMU stands still: libvirtd then answers nothing that takes a word of QEMU's, for as long as
that lasts, and everything else as ever."""

import contextlib
import os
import signal

import libvirt
import pytest

from support.client import DOMAIN, Client, body_of
from support.hosts.guests import ROOT, stage  # noqa: F401 -- stage is a fixture
from support.hosts.migration import PEER, by_socket, destination, full_of, typed  # noqa: F401 -- destination is a fixture
from support.models.listener import INTERFACES
from support.process import PATIENCE
from support.programs.bystander import assert_served

pytestmark = pytest.mark.alone

CALLERS = 20
HUNG = 5
SECONDS = 8
WITHIN = 60 * PATIENCE


@pytest.fixture(scope="module")
def guests(stage):  # noqa: F811
    """Those that can hang, and one that never does."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(stage.guest(f"hangs{number}")) for number in range(HUNG)], \
            stack.enter_context(stage.guest("other"))


@pytest.fixture
def callers(stage):  # noqa: F811
    clients = [Client(stage.bus.address) for _ in range(CALLERS)]
    yield clients
    for client in clients:
        client.close()


def qemu(stage, guest):  # noqa: F811
    run = stage.libvirtd.root / "runtime" / "libvirt" / "qemu" / "run"
    return int((run / f"{guest.plain.name()}.pid").read_text())


@contextlib.contextmanager
def hanging(stage, guests):  # noqa: F811
    """They stand still meanwhile."""
    pids = [qemu(stage, guest) for guest in guests]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def ask_all(callers, guests, *call):
    """[(client, serial)] of one call by each caller to each guest."""
    return [(client, client.send(guest.path, DOMAIN, *call)) for client in callers for guest in guests]


def answers(asked):
    return [body_of(client.take_reply(serial, WITHIN)) for client, serial in asked]


@pytest.mark.parametrize("number", [1, HUNG])
def test_hung_guests(stage, guests, callers, number):  # noqa: F811
    """Each of twenty callers asks each of them for its statistics, and all are answered when they go on."""
    hung, other = guests
    with hanging(stage, hung[:number]):
        asked = ask_all(callers, hung[:number], "MemoryStats", "u", (0,))
        assert_served(stage.client, ROOT, other.path, SECONDS)
        # What is known of the guest itself is told as well.
        assert stage.client.get(hung[0].path, INTERFACES["domain"], "State") == ("s", "running")
    for body in answers(asked):
        assert body[0]


def test_long_jobs(stage, guests, callers):  # noqa: F811
    """Five guests are saved, which takes as long as their QEMU does; and what has come of it is as ever."""
    hung, other = guests
    with hanging(stage, hung):
        asked = ask_all(callers[:1], hung, "ManagedSave", "u", (0,))
        assert_served(stage.client, ROOT, other.path, SECONDS)
        # Of each, its state as well, which takes no word of QEMU's.
        assert all(stage.client.domain(guest.path, "GetState", "u", 0)[0] in (1, 3) for guest in hung)
    assert answers(asked) == [()] * HUNG
    assert all(guest.plain.hasManagedSaveImage() for guest in hung)
    for guest in hung:
        stage.client.domain(guest.path, "Create", "u", 0)


def jobs(moving):
    return [guest.plain.jobInfo()[0] for guest in moving]


def test_migrations(stage, guests, callers, destination):  # noqa: F811
    """Five guests move to another host, slowly, and arrive there."""
    other, there = destination
    more = full_of(os.path.join(stage.directory("content"), "random"))
    with contextlib.ExitStack() as stack:
        moving = [stack.enter_context(stage.guest(f"moves{number}", more=more)) for number in range(HUNG)]
        asked = []
        for guest in moving:
            values = typed({"migrate_uri": by_socket(other, guest.plain.name()), "bandwidth": 1})
            asked += ask_all(callers[:1], [guest], "MigrateToURI3", "sa{sv}u", (other.uri, values, PEER))
        assert_served(stage.client, ROOT, guests[1].path, SECONDS)
        assert jobs(moving) == [libvirt.VIR_DOMAIN_JOB_UNBOUNDED] * HUNG
        for guest in moving:
            stage.client.domain(guest.path, "MigrateSetMaxSpeed", "tu", 1000, 0)
        assert answers(asked) == [()] * HUNG
        arrived = [there.lookupByUUIDString(guest.number) for guest in moving]
        assert [one.state()[0] for one in arrived] == [libvirt.VIR_DOMAIN_RUNNING] * HUNG
        for one in arrived:
            one.destroy()
