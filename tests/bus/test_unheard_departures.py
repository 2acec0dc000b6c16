# SPDX-License-Identifier: LGPL-2.1-or-later
"""Departures that the bus does not tell. A dbus-daemon leaves out what a receiver has no room for that does not read;
dbus-broker leaves out nothing. What the service holds for a caller that left then is found and let go."""

import pytest

from support.client import CONNECT, PROPERTIES, Client, body_of, field
from support.hosts.native import GUEST, TEST
from support.hosts.small_bus import LIMITS, ROOM, WITHIN, has_read, small_bus, stopped  # noqa: F401 (fixture)
from support.models.listener import CONNECTION
from support.process import PATIENCE, seconds, wait_until
from support.service import wait_connected

DOMAIN1 = "org.guestbus.Domain1"
WAITS = 20
# Of all calls a quarter may wait for states.
CONFIG = f"[limits]\ncalls-total={4 * WAITS}\ncalls-per-sender={4 * WAITS}\n"
UNHEARD = "has left unheard"


@pytest.fixture
def world(small_bus, run_service, connect):
    """(bus, service, client)"""
    service = run_service(small_bus, config=CONFIG)
    client = connect(small_bus)
    wait_connected(client)
    return small_bus, service, client


def wait(client):
    return client.send(GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["shutoff"], 0, {}))


def waits(client):
    return client.get(TEST, CONNECTION, "Counters")[1]["waits"]


def waiting(client, count):
    wait_until(lambda: waits(client) == count, WITHIN, lambda: f"{count} wait, not {waits(client)}")


def leave_unheard(bus, service, clients, size):
    """The clients leave while the service does not read and the bus has no room for more: calls with so many bytes of
    arguments fill it. The bus has told others when this returns."""
    names = [client.unique_name for client in clients]
    with stopped(service), Client(bus.address) as filler, Client(bus.address) as watch:
        while not filler.replies:
            for _ in range(max(ROOM // size // 16, 1)):
                filler.send("/org/libvirt", PROPERTIES, "GetAll", "s", ("x" * size,))
            filler.bus("GetId")
        assert field(filler.replies[0], "error_name") == LIMITS
        for client in clients:
            client.connection.close()
        wait_until(lambda: not set(names) & set(watch.bus("ListNames")), WITHIN, "the bus knows")
    with Client(bus.address) as client:
        has_read(client)


def unheard(service):
    return [line.split()[1] for line in service.lines() if UNHEARD in line]


def test_found_where_the_bus_was_ahead(world):
    """Thousands of messages, that the service read in one go: it asks who is there."""
    bus, service, client = world
    leaver = Client(bus.address)
    for _ in range(WAITS):
        wait(leaver)
    waiting(client, WAITS)
    leave_unheard(bus, service, [leaver], 100)
    waiting(client, 0)
    assert leaver.unique_name in unheard(service)


def test_found_where_a_limit_is_met(world, connect):
    """A few messages were enough to fill the bus. The first that finds no room is refused, and a later one is not."""
    bus, service, client = world
    leaver = Client(bus.address)
    for _ in range(WAITS):
        wait(leaver)
    waiting(client, WAITS)
    leave_unheard(bus, service, [leaver], ROOM // 8)
    other = connect(bus)
    refused = other.take_reply(wait(other), WITHIN)
    assert field(refused, "error_name") == LIMITS
    # Not by the clock, which looks every 30 s.
    assert seconds(waiting, client, 0) < 25
    serial = wait(other)
    waiting(client, 1)
    client.domain(GUEST, "Destroy", "u", 0)
    assert body_of(other.take_reply(serial, WITHIN)) == ("shutoff",)


@pytest.mark.long
def test_found_by_the_clock(world):
    """Nobody meets a limit, and the bus was not ahead: the clock finds it."""
    bus, service, client = world
    leaver = Client(bus.address)
    wait(leaver)
    waiting(client, 1)
    leave_unheard(bus, service, [leaver], ROOM // 8)
    assert waits(client) == 1
    wait_until(lambda: waits(client) == 0, 60 * PATIENCE, "nothing waits", every=1)


def test_callers_without_calls_are_found(world, connect):
    """What is kept of a caller without calls is found when there are many."""
    bus, service, _ = world
    leavers = [Client(bus.address) for _ in range(60)]
    for leaver in leavers:
        assert leaver.connect("ListDomains", "u", 0)
    leave_unheard(bus, service, leavers, ROOM // 8)
    for _ in range(10):
        assert connect(bus).connect("ListDomains", "u", 0)
    wait_until(lambda: {leaver.unique_name for leaver in leavers} <= set(unheard(service)), WITHIN, "all are found")


def test_callers_that_are_there_stay(bus, run_service, connect):
    """However often the bus is asked."""
    service = run_service(bus, config=CONFIG)
    client, other = connect(bus), connect(bus)
    wait_connected(client)
    serials = [wait(client) for _ in range(WAITS)]
    waiting(other, WAITS)
    for _ in range(5):
        assert field(other.take_reply(wait(other), WITHIN), "error_name") == LIMITS
        many = [other.send("/org/libvirt/Test", CONNECT, "ListDomains", "u", (0,)) for _ in range(4 * WAITS)]
        other.collect(many, WITHIN)
    with Client(bus.address) as leaver:
        leaver.send(TEST, CONNECT, "ListDomains", "u", (0,))
    assert waits(other) == WAITS
    other.domain(GUEST, "Destroy", "u", 0)
    assert {body_of(reply) for reply in client.collect(serials, WITHIN).values()} == {("shutoff",)}
    assert not unheard(service)
