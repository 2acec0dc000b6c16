# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers of the bus's own that do not come. A dbus-daemon leaves out what a receiver has no room for that does not
read, and that is its answers as well. The service neither waits for one with everybody, nor takes a caller for an
unknown one for want of it."""

import signal

import pytest

from support.client import CONNECT, PROPERTIES, body_of, field
from support.hosts.small_bus import LIMITS, WITHIN, has_read, ping, small_bus, stopped  # noqa: F401 (fixture)
from support.service import wait_connected

LOG = "org.freedesktop.LogControl1"
LOG_PATH = "/org/freedesktop/LogControl1"
TEST = "/org/libvirt/Test"
# A message that takes the bus a while to deliver, in which there is room for no other.
LARGE = 24 << 20


@pytest.fixture
def world(small_bus, run_service, connect):
    """(bus, service, client)"""
    service = run_service(small_bus)
    client = connect(small_bus)
    wait_connected(client)
    return small_bus, service, client


def leave_no_room(bus, connect):
    """What is sent to the service from now on finds room when it has read this."""
    filler = connect(bus)
    filler.send("/org/libvirt", PROPERTIES, "GetAll", "s", ("x" * LARGE,))
    filler.bus("GetId")
    assert ping(filler) == LIMITS


def test_the_first_call_of_a_caller_is_answered(world, connect):
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


def test_a_change_of_the_log_is_answered(world, connect):
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


def test_what_waits_is_answered_at_the_end(world, connect):
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
