# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wall clock jumps: nothing waits longer or shorter for it. Events have the time that it says, and their
order from their number."""

import time

import pytest

from support.client import field
from support.hosts.clock import clock  # noqa: F401 (fixture)
from support.hosts.native import GUEST, TEST, epoch, last, state
from support.models.listener import Event, EventListener
from support.process import PATIENCE, wait_until
from support.service import wait_connected

WITHIN = 20 * PATIENCE
DAY = 86400
DOMAIN1 = "org.guestbus.Domain1"


def told(client, after):
    events, _ = client.call(TEST, "org.guestbus.Connection1", "GetEvents", "stu", (epoch(client), after, 0))
    return [Event(*one) for one in events]


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_the_clock_jumps(one_bus, libvirtd, run_service, connect, clock, jump):
    """While a call waits with a time limit, while libvirtd is silent, while a connection is opened again."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, env=clock.env,
                          config="[limits]\nkeepalive-interval=2\nkeepalive-count=3\nbus-timeout=20\n")
    client = connect(one_bus)
    wait_connected(client)
    number = last(client)
    client.domain(GUEST, "Suspend")

    began = time.monotonic()
    serial = client.send(GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["crashed"], 2000, {}))
    client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    clock(jump)
    client.domain(GUEST, "Resume")
    assert field(client.take_reply(serial, WITHIN), "error_name") == "org.guestbus.Error.Timeout"
    assert time.monotonic() - began > 1.9

    first, second = [one for one in told(client, number) if one.kind == "lifecycle"]
    assert second.sequence > first.sequence
    assert abs((second.timestamp - first.timestamp) / 1e6 - jump) < 60
    assert state(client) == "connected"  # the keep-alive has not given it up

    libvirtd.pause()
    try:
        clock(0)
        wait_until(lambda: state(client) == "disconnected", WITHIN, "its silence is noticed")
        clock(jump)
    finally:
        libvirtd.resume()
    wait_until(lambda: state(client) == "connected", WITHIN, "it is back")
    assert not service.ended()


def test_a_listener_over_a_jump(one_bus, run_service, connect, clock):
    """Its numbers have no hole, and its model is right."""
    run_service(one_bus, env=clock.env)
    client = connect(one_bus)
    wait_connected(client)
    listener = EventListener(one_bus, "listener")
    listener.come()
    # A listener wants to see times that do not go back; here they may.
    listener.times = Anything()
    try:
        for jump in (DAY, -DAY, 3600, 0):
            clock(jump)
            client.domain(GUEST, "Suspend")
            client.domain(GUEST, "Resume")
        assert listener.up_to_date(TEST) == last(client)
        kinds = [event.kind for event in listener.heard[TEST].values()]
        assert kinds.count("lifecycle") == 8
        assert listener.objects[GUEST]["State"] == "running"
    finally:
        listener.leave()


class Anything(dict):
    """The last times of a listener, which never are later than the next."""

    def __missing__(self, key):
        return float("-inf")

    def __setitem__(self, key, value):
        pass
