# SPDX-License-Identifier: LGPL-2.1-or-later
"""What support/models/ring.py reads at the end of each test: all events that are kept, wherever they begin."""

import pytest

from support.hosts.native import GUEST, TEST, before, last
from support.models import ring
from support.models.grammar import Ungrammatical
from support.process import wait_until
from support.service import wait_connected


def stream(bus, service):
    """The connection's stream, as it was read."""
    return ring.read(bus.address, pid=service.pid).streams.get(TEST)


def numbers(thing):
    """Of the events in an object's history."""
    return [int(text.split()[0]) for _, text in thing.history if text.split()[0].isdigit()]


def toggle(client, times):
    for _ in range(times):
        client.domain(GUEST, "Suspend")
        client.domain(GUEST, "Resume")


def test_all_kept_events_are_read(bus, service, client):
    toggle(client, 3)
    found = stream(bus, service)
    assert found.number == found.highest == last(client)
    assert min(number for thing in found.things.values() for number in numbers(thing)) == before(client) + 1
    assert any("in a picture" in text for _, text in found.things[GUEST].history)


@pytest.mark.parametrize("kept", [0, 1, 2, 20])
def test_what_is_left_when_some_were_dropped(one_bus, run_service, connect, kept):
    service = run_service(one_bus, config=f"[limits]\nevents-kept={kept}\n")
    client = connect(one_bus)
    wait_connected(client)
    toggle(client, 20)
    found = stream(one_bus, service)
    read = [number for thing in found.things.values() for number in numbers(thing)] if found else []
    assert sorted(read) == list(range(last(client) - kept + 1, last(client) + 1))


def test_another_service_of_that_name(one_bus, run_service, connect):
    first = run_service(one_bus)
    second = run_service(one_bus, args=["--replace"])
    wait_until(first.ended, 10, "the first has ended")
    wait_connected(connect(one_bus))
    assert stream(one_bus, second)
    assert ring.read(one_bus.address, pid=first.pid).streams == {}


def test_a_service_is_read_at_its_end(bus, run_service, connect, monkeypatch):
    """Unless the test says why that makes no sense."""
    service = run_service(bus)
    wait_connected(connect(bus))
    monkeypatch.setattr(ring, "feed", lambda grammar, *_: grammar.fail("number", TEST, "made up"))
    with pytest.raises(Ungrammatical, match="made up"):
        service.stop()
    service.unread = "it is made up"
    service.stop()
