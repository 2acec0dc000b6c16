# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers that are forwarded to libvirt, on each kind of bus: signals have one receiver, or few. Any libvirtd
takes the identity of a caller; what one that asks polkit makes of it is in host/test_identity.py."""

import contextlib
import os
import pathlib
import subprocess
import time

import pytest

from support.client import CONNECT
from support.hosts.guarded import DENIED
from support.hosts.native import GUEST, TEST
from support.hosts.people import PersonalClient
from support.models.listener import CONNECTION, MANAGER, ROOT
from support.process import PATIENCE, end, wait_until
from support.service import wait_connected

WITHIN = 20 * PATIENCE
FORWARD = "[identity]\nforward=Test\n[limits]\nview-idle=1\n"


LAST_PID = pathlib.Path("/proc/sys/kernel/ns_last_pid")


@pytest.fixture
def forwarding(bus, libvirtd, run_service):
    return run_service(bus, {"Test": libvirtd.test_uri}, config=FORWARD)


def told(client, member="DomainEvent"):
    return [one for one in client.drain() if one.member == member]


def test_signals_are_for_callers(forwarding, connect):
    """Each name of a process that called hears everything once; who never called hears nothing, whatever it
    asked the bus for. Without a match, too: such a signal has an address."""
    bus = forwarding.bus
    first, second, silent = connect(bus).match(), connect(bus), connect(bus).match()
    for one in (first, second):
        assert GUEST in one.call(ROOT, MANAGER, "GetManagedObjects")[0]
    second.domain(GUEST, "Suspend")
    second.domain(GUEST, "Resume")
    for one in (first, second):
        one.wait_for(lambda s: s.member == "DomainEvent" and s.body[1] == 4, WITHIN)
        assert [s.body[1] for s in told(one)] == [3, 4]
        numbers = [s.body[1] for s in told(one, "Event")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        one.wait_for(lambda s: s.member == "PropertiesChanged" and s.path == GUEST, WITHIN)
    silent.bus("GetId")
    assert not [one for one in silent.drain() if one.path.startswith(ROOT)]


def test_who_has_left_is_told_nothing(forwarding, connect):
    """The others of the same process go on as before."""
    first, second = connect(forwarding.bus).match(), connect(forwarding.bus)
    for one in (first, second):
        wait_connected(one)
    second.close()
    first.domain(GUEST, "Suspend")
    first.wait_signal("DomainEvent", WITHIN)
    assert forwarding.alive()
    assert "failed to emit" not in forwarding.stderr()


def test_another_view_goes_on(forwarding, libvirtd, connect):
    """A process that comes back has another epoch, and its numbers are above those of before."""
    epochs, mark = set(), 0
    for _ in range(3):
        with connect(forwarding.bus) as client:
            wait_connected(client)
            events, _ = client.call(TEST, CONNECTION, "GetEvents", "stu",
                                    (client.get(TEST, CONNECTION, "Epoch")[1], 0, 0))
            epochs.add(events[0][5]["epoch"][1])
            assert events[0][2] > mark
            client.domain(GUEST, "Suspend")
            client.domain(GUEST, "Resume")
            mark = client.get(TEST, CONNECTION, "Sequence")[1]
            assert mark >= events[-1][2] + 2
        wait_until(lambda: libvirtd.clients() == 0, WITHIN, lambda: libvirtd.clients())
    assert len(epochs) == 3


def test_nothing_is_opened_before_it_is_wanted(forwarding, libvirtd, connect):
    """No caller, no connection to libvirt, before and after; what concerns no hypervisor opens none."""
    client = connect(forwarding.bus)
    assert "Test" in client.introspect(ROOT)
    assert client.has_owner("org.guestbus1")
    assert libvirtd.clients() == 0
    assert client.get(TEST, CONNECTION, "Epoch")
    wait_connected(client)
    assert libvirtd.clients() == 2
    client.close()
    wait_until(lambda: libvirtd.clients() == 0, WITHIN, lambda: libvirtd.clients())


def test_without_it_nothing_changes(one_bus, libvirtd, run_service, connect):
    """Callers share what the service opened at its start."""
    run_service(one_bus, {"Test": libvirtd.test_uri})
    for client in (connect(one_bus), connect(one_bus)):
        wait_connected(client)
        assert GUEST in client.call(ROOT, MANAGER, "GetManagedObjects")[0]
        assert libvirtd.clients() == 2


def test_a_driver_in_this_process(one_bus, run_service):
    """It knows no callers: that is said at the start."""
    service = run_service(one_bus, config=FORWARD, start=False).spawn()
    wait_until(service.ended, WITHIN, "guestbusd ends")
    assert service.process.returncode > 0
    assert "callers cannot be forwarded to Test: libvirt runs the driver" in service.stderr()
    service.process = None


class Alone:
    """The people of a PersonalClient that is a process of the user who runs the tests."""

    @staticmethod
    def wrap(argv, *_):
        return argv


def may_choose_numbers():
    """Whether a process can be started with the number of one that has ended, and as another user."""
    if os.geteuid() != 0:
        return False
    try:
        LAST_PID.write_text(LAST_PID.read_text(encoding="ascii"), encoding="ascii")
    except OSError:
        return False
    return True


class Taken(Exception):
    """A number that something else on this machine got first."""


@contextlib.contextmanager
def process_of(number, user):
    """A process with that number, which no other has, of that user."""
    command = ["setpriv", "--reuid", str(user), "--clear-groups", "sleep", "infinity"]

    def try_one():
        LAST_PID.write_text(str(number - 1), encoding="ascii")
        process = subprocess.Popen(command)
        if process.pid == number:
            return process
        end(process)
        return None
    process = try_one() or try_one() or try_one()
    if not process:
        raise Taken(f"another process has the number {number}")
    status = pathlib.Path(f"/proc/{number}/status")
    try:
        wait_until(lambda: f"Uid:\t{user}\t" in status.read_text(encoding="ascii"), WITHIN, f"it is {user}'s")
        yield
    finally:
        end(process)


@pytest.mark.skipif(not may_choose_numbers(), reason="processes cannot be given numbers")
@pytest.mark.parametrize("user, said", [(0, "began after its connection"), (65534, "another user's")])
def test_a_number_that_is_used_again(bus, libvirtd, run_service, user, said):
    """The connection of a process that has ended, in the hands of another one, while a third has got its number:
    that one is not who calls."""
    run_service(bus, {"Test": libvirtd.test_uri, "Other": "test:///default"}, config=FORWARD)
    wait_until(lambda: meets_another(bus, user, said), WITHIN, "a number that nothing else got")


def meets_another(bus, user, said):
    """Whether that could be tried."""
    client = PersonalClient(Alone, "me", bus.address)
    try:
        # From then on the service knows the connection.
        assert wait_until(lambda: client.connect("ListDomains", "u", 0, name="Other"), WITHIN, "it is served")
        client.leave()
        # Starts are told in ticks of the clock, of 10 ms.
        time.sleep(0.05)
        with process_of(client.process.pid, user):
            error = client.error(TEST, CONNECT, "ListDomains", "u", (0,))
        assert error.name == DENIED and said in error.message
        return True
    except Taken:
        return False
    finally:
        client.close()
