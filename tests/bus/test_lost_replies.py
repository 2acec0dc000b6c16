# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers of the bus's own that do not come. A dbus-daemon leaves out what a receiver has no room for that does not
read, and that is its answers as well. The service neither waits for one with everybody, nor takes a caller for an
unknown one for want of it."""

import contextlib
import signal

import pytest

from support.client import CONNECT, PROPERTIES, body_of, field
from support.hosts import bus as buses
from support.process import PATIENCE, wait_until
from support.service import wait_connected

PEER = "org.freedesktop.DBus.Peer"
LOG = "org.freedesktop.LogControl1"
LOG_PATH = "/org/freedesktop/LogControl1"
TEST = "/org/libvirt/Test"
WITHIN = 20 * PATIENCE
# What the bus keeps for one receiver, besides what is in its socket; and a message that takes it a while to deliver,
# in which there is room for no other.
ROOM = 1 << 20
LARGE = 24 << 20


@pytest.fixture
def small_bus(home):
    """A dbus-daemon that keeps little for those that do not read."""
    private = buses.Daemon(home, limits={**buses.SESSION_LIMITS, "max_outgoing_bytes": ROOM})
    yield private
    private.stop()


@pytest.fixture
def world(small_bus, run_service, connect):
    """(bus, service, client)"""
    service = run_service(small_bus)
    client = connect(small_bus)
    wait_connected(client)
    return small_bus, service, client


@contextlib.contextmanager
def stopped(service):
    service.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: state(service) == "T", WITHIN, "it stops")
        yield
    finally:
        service.process.send_signal(signal.SIGCONT)


def state(service):
    with open(f"/proc/{service.process.pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def leave_no_room(bus, connect):
    """What is sent to the service from now on finds room when it has read this."""
    filler = connect(bus)
    filler.send("/org/libvirt", PROPERTIES, "GetAll", "s", ("x" * LARGE,))
    filler.bus("GetId")
    assert field(filler.exchange("/org/libvirt", PEER, "Ping", within=WITHIN), "error_name") == (
        "org.freedesktop.DBus.Error.LimitsExceeded")


def has_read(client):
    """The service has read the large message."""
    wait_until(lambda: field(client.exchange("/org/libvirt", PEER, "Ping", within=WITHIN), "error_name") is None,
               WITHIN, "there is room again")


def test_who_a_caller_is(world, connect):
    """The first call of a caller is answered, though the bus's word on the caller is lost."""
    bus, service, client = world
    newcomer = connect(bus)
    with stopped(service):
        serial = newcomer.send(TEST, CONNECT, "ListDomains", "u", (0,))
        newcomer.bus("GetId")
        leave_no_room(bus, connect)
    has_read(client)
    assert body_of(newcomer.take_reply(serial, 2 * WITHIN))[0]
    assert newcomer.connect("ListDomains", "u", 0)


def test_who_changes_the_log(world, connect):
    """Others are served meanwhile."""
    bus, service, client = world
    setter = connect(bus)
    with stopped(service):
        serial = setter.send(LOG_PATH, PROPERTIES, "Set", "ssv", (LOG, "LogLevel", ("s", "info")))
        setter.bus("GetId")
        leave_no_room(bus, connect)
    has_read(client)
    assert client.connect("ListDomains", "u", 0)
    assert body_of(setter.take_reply(serial, 2 * WITHIN)) == ()
    assert client.get(LOG_PATH, LOG, "LogLevel") == ("s", "info")


def test_the_end(world, connect):
    """What waits for an answer that is lost has its reply when the service ends, which does not wait for that."""
    bus, service, client = world
    newcomer, setter = connect(bus), connect(bus)
    with stopped(service):
        serial = newcomer.send(TEST, CONNECT, "ListDomains", "u", (0,))
        newcomer.bus("GetId")
        change = setter.send(LOG_PATH, PROPERTIES, "Set", "ssv", (LOG, "LogLevel", ("s", "info")))
        look = setter.send(LOG_PATH, PROPERTIES, "Get", "ss", (LOG, "LogLevel"))
        setter.bus("GetId")
        leave_no_room(bus, connect)
    has_read(client)
    service.process.send_signal(signal.SIGTERM)
    replies = [newcomer.take_reply(serial, WITHIN), setter.take_reply(change, WITHIN), setter.take_reply(look, WITHIN)]
    # On a slow machine the second question was answered before.
    refused = {reply.body for reply in replies if field(reply, "error_name") is not None}
    assert refused <= {("the service is stopping",)}
    assert service.process.wait(WITHIN) == 0
