# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thousands of events at once: each is told to each listener, in libvirt's order and with its number, and
what they took is given back."""

import signal
import time

import libvirt
import pytest

from support.client import Client
from support.hosts.native import TEST, counters, service  # noqa: F401 (fixtures)
from support.hosts.workload import object_path, truth
from support.models.listener import CONNECTION, INTERFACES, EventListener, picture
from support.process import PATIENCE, SANITIZED, wait_until

DOMAIN1 = INTERFACES["domain"]
DOMAINS = 10
BURST = 5000
WITHIN = 120 * PATIENCE
XML = "<domain type='test'><name>{}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
# What an allocator keeps for itself between two equal bursts.
SLACK_KIB = 2048


@pytest.fixture
def guests(client, libvirtd):
    """Running domains, which the service knows."""
    plain = libvirt.open(libvirtd.test_uri)
    domains = [plain.createXML(XML.format(f"d{number}")) for number in range(DOMAINS)]
    wait_until(lambda: known(client) == DOMAINS + 1, WITHIN, "they are known")
    yield domains
    del domains
    plain.close()


def known(client):
    """How many domains there are of which everything is known."""
    return sum(1 for interfaces in picture(client).values() if interfaces.get(DOMAIN1, {}).get("OSType"))


def burst(guests):
    """Suspends and resumes them in turn, by a plain client; what libvirt tells of it, in order."""
    expected = []
    while len(expected) < BURST:
        for action, word in ((libvirt.virDomain.suspend, "suspended"),
                             (libvirt.virDomain.resume, "resumed")):
            for domain in guests:
                action(domain)
                expected.append((object_path(TEST, "domain", domain.UUIDString()), word))
    return expected


def all_told(client, before):
    """Waits until the service has told of a burst; its counters."""
    def arrived():
        after = counters(client)
        return after["events.lifecycle"] - before.get("events.lifecycle", 0) >= BURST and after
    return wait_until(arrived, WITHIN, lambda: f"{counters(client)} after {before}", every=0.1)


def lifecycles(listener, after):
    """(path, event) of the events of a lifecycle after a number, in order."""
    return [(event.path, event.details["event"][1]) for number, event in sorted(listener.heard[TEST].items())
            if number > after and event.kind == "lifecycle"]


@pytest.mark.parametrize("count", [1, pytest.param(20, marks=pytest.mark.long)])
def test_a_burst(client, service, guests, libvirtd, capsys, count):
    """A listener fails by itself when a number is left out or comes twice."""
    listeners = [EventListener(service.bus, f"listener {number}") for number in range(count)]
    try:
        for listener in listeners:
            listener.come()
        start, before, began = listeners[0].numbers[TEST], counters(client), time.monotonic()
        expected = burst(guests)
        all_told(client, before)
        # What the last events are about is asked a moment later, or with this; it is no find then.
        client.call(TEST, CONNECTION, "Resync")
        after, took = counters(client), time.monotonic() - began
        truths = {path: values["State"] for path, values in truth(libvirtd.test_uri, TEST).items()
                  if "State" in values}
        for listener in listeners:
            assert listener.up_to_date(TEST) - start == after["events"] - before["events"]
            assert lifecycles(listener, start) == expected
            assert {path: listener.objects[path]["State"] for path in truths} == truths
            listener.leave()
        rounds = after["refreshes"] - before["refreshes"]
        coalesced = after["refreshes.coalesced"] - before["refreshes.coalesced"]
        with capsys.disabled():
            print(f"\n{BURST} events to {count}: {rounds} rounds, {coalesced} coalesced, "
                  f"{after['events'] - before['events']} events in all")
        # A round asks about each once, whatever was told of it; one that is under way is not counted yet. How many
        # there are is a matter of time, as they begin 50 ms apart; the Resync is one more.
        assert rounds > 0 and BURST - DOMAINS * (rounds + 1) <= coalesced < BURST
        assert rounds <= took / 0.05 + 2, f"{rounds} rounds in {took} s"
        assert after["comparisons.differences"] == before["comparisons.differences"]
    finally:
        for listener in listeners:
            listener.leave()


def test_a_burst_while_the_service_stands_still(client, service, guests):
    """All of it is there at once when the service goes on: few questions are enough."""
    listener = EventListener(service.bus, "listener")
    try:
        listener.come()
        start, before = listener.numbers[TEST], counters(client)
        service.process.send_signal(signal.SIGSTOP)
        try:
            expected = burst(guests)
        finally:
            service.process.send_signal(signal.SIGCONT)
        after = all_told(client, before)
        listener.up_to_date(TEST)
        assert lifecycles(listener, start) == expected
        assert after["refreshes"] - before["refreshes"] < BURST / 10
        assert after["refreshes.coalesced"] - before["refreshes.coalesced"] > BURST / 2
    finally:
        listener.leave()


def test_memory_is_given_back(client, service, guests, capsys):
    """Two bursts leave what one does: the ring is full, and nothing else grows."""
    sizes = []
    with Client(service.bus.address) as listener:
        listener.match("type='signal',path_namespace='/org/libvirt'")
        for _ in range(3):
            before = counters(client)
            burst(guests)
            all_told(client, before)
            client.call(TEST, CONNECTION, "Resync")
            listener.drain()
            listener.signals.clear()
            sizes.append(service.rss())
    with capsys.disabled():
        print(f"\nRSS after each of three bursts of {BURST}: {sizes} KiB")
    assert SANITIZED or max(sizes[1:]) < sizes[0] + SLACK_KIB
