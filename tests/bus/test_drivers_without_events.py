# SPDX-License-Identifier: LGPL-2.1-or-later
"""A driver that tells nothing of what changes: objects are compared every few seconds, and a property says so."""

import time

import pytest

from support.client import PROPERTIES
from support.hosts.native import GUEST, NET, TEST, counters, get_events, last, plain_values, resync
from support.hosts.native import plain  # noqa: F401 (a fixture)
from support.models.listener import CONNECTION, INTERFACES, picture
from support.process import PATIENCE, wait_until
from support.service import wait_connected

DOMAIN1, NETWORK1 = INTERFACES["domain"], INTERFACES["network"]
WITHIN = 20 * PATIENCE
KINDS = ("domain", "network", "storagepool")


@pytest.fixture
def deaf(bus, libvirtd, run_service, connect, preload):
    """deaf(kinds, limits) starts the service and returns a client of it."""
    def start(kinds=KINDS, limits=""):
        run_service(bus, {"Test": libvirtd.test_uri}, env=preload("refuse_events", REFUSED=" ".join(kinds)),
                    config=f"[limits]\n{limits}\n")
        client = connect(bus)
        wait_connected(client)
        wait_until(lambda: picture(client)[GUEST][DOMAIN1]["OSType"], WITHIN, "everything is known")
        resync(client)
        return client
    return start


def changes(client):
    signature, value = client.get(TEST, CONNECTION, "Changes")
    assert signature == "a{ss}"
    return value


def test_a_guest_that_is_stopped(bus, deaf, plain, connect):
    """Seen within seconds, and told as what nobody was told of."""
    client = deaf()
    listener = connect(bus).match()
    assert client.get(GUEST, DOMAIN1, "State") == ("s", "running")
    number = last(client)
    before = counters(client)
    plain.lookupByName("test").destroy()
    listener.wait_for(lambda one: one.member == "PropertiesChanged" and one.path == GUEST
                      and one.body[1].get("State") == ("s", "shutoff"), WITHIN)
    # By polling, and not by a comparison; one that was under way may have been too early.
    after = counters(client)
    assert 1 <= after["polls"] - before["polls"] <= 3 * PATIENCE and after["comparisons"] == before["comparisons"]
    assert client.get(GUEST, DOMAIN1, "State") == ("s", "shutoff")
    assert client.get(GUEST, DOMAIN1, "Stale") == ("b", False)
    told = [one for one in get_events(client, number) if one.path == GUEST]
    assert {one.kind for one in told} == {"changed", "lifecycle"}
    assert all(plain_values(one.details)["synthetic"] for one in told)
    assert [plain_values(one.details)["state"] for one in told if one.kind == "lifecycle"] == ["shutoff"]
    assert changes(client) == dict.fromkeys(KINDS, "polling")


def test_comparisons_make_no_noise(deaf, plain):
    """What they find is told, and not that they were made."""
    client = deaf(limits="poll-interval=1")
    before, number = counters(client), last(client)
    wait_until(lambda: counters(client)["polls"] >= before["polls"] + 2, WITHIN, "it compares")
    assert last(client) == number
    for turn in range(2):
        plain.lookupByName("test").setAutostart(1 - turn)
        wait_until(lambda value=not turn: client.get(GUEST, DOMAIN1, "Autostart") == ("b", value), WITHIN, "it shows")
    after = counters(client)
    assert [one.kind for one in get_events(client, number)] == ["changed"] * 2
    for name in ("comparisons", "comparisons.differences"):
        assert after[name] == before[name]


def test_those_who_ask_are_answered(deaf, plain):
    client = deaf(limits="poll-interval=0")
    number = last(client)
    plain.lookupByName("test").setAutostart(1)
    assert resync(client) == (0, 1, 0)
    assert [one.kind for one in get_events(client, number)] == ["changed", "resynced"]


def test_changes_are_shown_at_once(deaf, plain):
    """No event is waited for that cannot come: not for half a second at each call."""
    client, quickest = deaf(), WITHIN
    for turn in range(10):
        began = time.monotonic()
        client.domain(GUEST, "Resume" if turn % 2 else "Suspend")
        quickest = min(quickest, time.monotonic() - began)
        assert client.get(GUEST, DOMAIN1, "State")[1] == ("running" if turn % 2 else "paused")
    assert quickest < 0.4


def test_networks_alone(deaf, plain):
    """Each kind has its own word; what is told of the others is told at once, and as ever."""
    client = deaf(["network"], "poll-interval=2")
    assert changes(client) == {"domain": "events", "network": "polling", "storagepool": "events"}
    number = last(client)
    plain.lookupByName("test").suspend()
    plain.networkLookupByName("default").destroy()
    wait_until(lambda: client.get(NET, NETWORK1, "Active") == ("b", False), WITHIN, "it is seen")
    wait_until(lambda: client.get(GUEST, DOMAIN1, "State") == ("s", "paused"), WITHIN, "it is told")
    events = get_events(client, number)
    assert [("synthetic" in one.details) for one in events if one.path == GUEST] == [False, False]
    assert {("synthetic" in one.details) for one in events if one.path == NET} == {True}


def test_a_driver_that_tells(deaf, plain):
    """It is not asked beside its events."""
    client = deaf([], "poll-interval=1")
    assert changes(client) == dict.fromkeys(KINDS, "events")
    time.sleep(2.5)  # there is nothing to see but that nothing comes
    assert counters(client)["polls"] == 0


def test_it_is_announced(bus, libvirtd, run_service, connect):
    """With the opening of the connection, once."""
    libvirtd.stop()
    run_service(bus, {"Test": libvirtd.test_uri})
    listener = connect(bus).match("type='signal',member='PropertiesChanged'")
    client = connect(bus)
    assert changes(client) == {}
    for _ in range(2):
        libvirtd.start()
        wait_connected(client)
        wait_until(lambda: client.get(TEST, CONNECTION, "State") == ("s", "connected"), WITHIN, "it is open")
        libvirtd.stop()
        wait_until(lambda: client.get(TEST, CONNECTION, "State") == ("s", "disconnected"), WITHIN, "it is lost")
    listener.call(TEST, PROPERTIES, "Get", "ss", (CONNECTION, "State"))
    told = [one.body[1]["Changes"] for one in listener.signals
            if one.path == TEST and one.body[0] == CONNECTION and "Changes" in one.body[1]]
    assert told == [("a{ss}", dict.fromkeys(KINDS, "events"))]
    assert changes(client) == dict.fromkeys(KINDS, "events")
