# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two names: which of them the service serves under, and what it does without. What its units have systemd do is
done here by hand: they start it again however it ended."""

import re
import time

import pytest

from support.client import field
from support.hosts import bus as buses
from support.hosts.manager import Manager
from support.hosts.native import GUEST, epoch
from support.models.listener import MANAGER, ROOT
from support.process import PATIENCE, switches, wait_until
from support.service import OURS, Service, has_failed, wait_connected

LIBVIRT = "org.libvirt"
NAMES = (LIBVIRT, OURS)
WITHIN = 20 * PATIENCE


@pytest.fixture
def refusing(request, home):
    """refusing(kind, *names) starts a bus that lets nobody own them."""
    started = []

    def start(kind, *names):
        started.append(buses.start_refusing(kind, home, names))
        return started[-1]
    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize("kind", buses.kinds())
@pytest.mark.parametrize("refused", NAMES)
def test_a_name_that_the_bus_refuses(refusing, run_service, connect, kind, refused):
    """It serves under the other, and all that is there is there."""
    other, = set(NAMES) - {refused}
    bus = refusing(kind, refused)
    service = run_service(bus, start=False).spawn()
    client = connect(bus, other)
    wait_until(lambda: service.ended() or service.owns(client, other), WITHIN, "it owns the other")
    assert not service.ended(), service.stderr()
    wait_connected(client)
    assert not client.has_owner(refused)
    assert client.connect("ListDomains", "u", 0) == [GUEST]
    assert GUEST in client.call(ROOT, MANAGER, "GetManagedObjects")[0]
    assert any(refused in line and f"serving as {other} alone" in line for line in service.lines())


@pytest.mark.parametrize("kind", buses.kinds())
def test_names_that_the_bus_refuses(refusing, run_service, kind):
    bus = refusing(kind, *NAMES)
    text = has_failed(run_service(bus, start=False).spawn())
    error, = re.findall("^guestbusd: error: (.*)$", text, re.M)
    assert all(name in error for name in NAMES)


@pytest.mark.parametrize("kind", buses.kinds())
def test_the_only_name_is_anothers(refusing, run_service, connect, kind):
    bus = refusing(kind, OURS)
    assert connect(bus).bus("RequestName", "su", LIBVIRT, 4) == 1
    error, = re.findall("^guestbusd: error: (.*)$", has_failed(run_service(bus, start=False).spawn()), re.M)
    assert all(name in error for name in NAMES)


@pytest.mark.parametrize("kind", buses.kinds())
def test_the_only_name_is_taken_over(refusing, run_service, connect, kind):
    bus = refusing(kind, OURS)
    service = run_service(bus, name=LIBVIRT)
    other = connect(bus)
    assert other.bus("RequestName", "su", LIBVIRT, 2) == 1
    assert service.process.wait(WITHIN) == 0
    assert f"{LIBVIRT} was taken over" in service.stderr()


@pytest.fixture
def supervised(home, bus):
    """supervised() starts it as systemd does: (service, manager)."""
    started = []

    def start():
        directory = home / f"manager{len(started)}"
        directory.mkdir()
        manager = Manager(directory)
        service = Service(bus, home, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "30000000"})
        started.append((service, manager))
        service.spawn()
        return service, manager
    yield start
    for service, manager in started:
        if service.process:
            service.stop()
        manager.close()


def test_the_place_is_taken_by_hand(bus, run_service, supervised, connect):
    """What systemd starts again waits, asleep, for the one that was started by hand, and serves when that has ended.
    Until then it is not there: it emits no signal of its own, and no picture is there twice."""
    client = connect(bus)
    first, _ = supervised()
    wait_until(lambda: first.owns(client, OURS), WITHIN, "the first serves")
    hand = run_service(bus, args=["--replace"])
    assert first.process.wait(WITHIN) == 0
    again, manager = supervised()
    manager.wait("STATUS=another instance owns org.guestbus1", WITHIN)
    assert "READY=1" in manager.told
    wait_connected(client)
    before, rested = epoch(client), rest(again)
    client.match()
    client.domain(GUEST, "Destroy", "u", 0)
    client.wait_for(lambda one: one.member == "Event" and one.path == GUEST, WITHIN)
    assert epoch(client) == before
    assert {one.sender for one in client.drain() if one.path == GUEST} == {client.owner(OURS)}
    assert sum(switches(again.pid).values()) <= rested + 2
    assert not again.ended() and len(again.lines()) == 1
    hand.stop()
    wait_until(lambda: again.owns(client, OURS) and again.owns(client, LIBVIRT), WITHIN, "it serves")
    wait_connected(client)
    assert epoch(client) != before
    manager.wait("STATUS=1 of 1 hypervisors connected", WITHIN)


def rest(service):
    """Waits until it sleeps; returns how often it went to."""
    counts = []

    def quiet():
        counts.append(sum(switches(service.pid).values()))
        return len(counts) > 30 and len(set(counts[-30:])) == 1
    wait_until(quiet, WITHIN, "it rests")
    return counts[-1]


def test_refused_under_systemd(refusing, home):
    """There the end of a start is not the end of it."""
    manager = Manager(home)
    bus, began = refusing("dbus-daemon", *NAMES), time.monotonic()
    service = Service(bus, home, env={"NOTIFY_SOCKET": manager.path}).spawn()
    has_failed(service, 30 * PATIENCE)
    assert time.monotonic() - began > 4
    assert "READY=1" not in manager.read()
    manager.close()


def test_a_signal_ends_the_wait(bus, run_service, supervised):
    run_service(bus)
    service, manager = supervised()
    manager.wait("STATUS=another instance", WITHIN)
    service.stop()


def test_calls_to_one_that_waits(bus, run_service, supervised, connect):
    """Its unique name can be found, and nothing is there."""
    run_service(bus)
    service, manager = supervised()
    manager.wait("STATUS=another instance", WITHIN)
    client = connect(bus)
    name, = (one for one in client.bus("ListNames") if one.startswith(":") and client.pid_of(one) == service.pid)
    reply = client.exchange(GUEST, "org.libvirt.Domain", "Destroy", "u", (0,), destination=name, within=WITHIN)
    assert field(reply, "error_name") == "org.freedesktop.DBus.Error.UnknownObject"
    assert client.domain(GUEST, "GetState", "u", 0)[0] == 1
