# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that floods: with calls, with large arguments, with rules, with connections. Others are served
meanwhile, memory has a limit, and when it is over everything is as before.

The figures are printed; what is asserted leaves room for a busy machine. Who reads no reply is in
test_faults_unread_output.py."""

import multiprocessing
import os
import statistics
import time

import pytest

from support.client import CONNECT, DOMAIN, Client
from support.hosts import bus as buses
from support.hosts.native import GUEST, TEST
from support.process import PATIENCE, SANITIZED, wait_until
from support.service import wait_connected

MIB = 1 << 20
SECONDS = float(os.environ.get("GUESTBUS_FLOOD", "1.5"))
WITHIN = 60 * PATIENCE
ROUNDS = 4
MANAGER = ("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
BUS = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
pytestmark = pytest.mark.alone
# A system bus lets a caller have 128 replies outstanding.
OPEN = 100


def calls(client):
    """Of a guest, through libvirt."""
    return client.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,))


def pictures(client):
    """The largest answer there is, from memory."""
    return client.send(*MANAGER)


def garbage(client):
    """Nothing of it is right."""
    return client.send("/org/libvirt/None/domain/x", "org.libvirt.None", "None", "s", ("x" * 1000,))


def large(client):
    """10 MiB of arguments."""
    return client.send(TEST, CONNECT, "DomainDefineXML", "s", (large.text,))


large.text = "x" * (10 * MIB)


def waits(client):
    """Calls that have no answer for a while."""
    return client.send(GUEST, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["crashed"], 50, {}))


def rules(client):
    """Of the bus's; the service has a signal to send for each of its own."""
    client.send(*BUS, "AddMatch", "s", (f"type='signal',path='{GUEST}',arg0='{rules.count}'",),
                destination="org.freedesktop.DBus")
    rules.count += 1
    return client.send(GUEST, DOMAIN, "Suspend" if rules.count % 2 else "Resume")


rules.count = 0
KINDS = [calls, pictures, garbage, large, waits, rules]


def flood(address, send, ready, stop, count):
    """In a process of its own: as much as it can, as much as the bus lets through."""
    with Client(address) as client:
        waiting = 0
        ready.set()
        while not stop.is_set():
            most = 2 if send is large else OPEN
            while waiting < most:
                send(client)
                waiting += 1 + (send is rules)
            client.receive(WITHIN)
            waiting -= len(client.replies)
            count.value += len(client.replies)
            client.replies.clear()
            client.signals.clear()


def come_and_go(address, send, ready, stop, count):
    """Callers that leave at once, with calls under way."""
    ready.set()
    while not stop.is_set():
        with Client(address) as client:
            for _ in range(10):
                client.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,))
        count.value += 1


def latencies(client, seconds):
    """Milliseconds of calls of both kinds, from memory and through libvirt, sorted."""
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        client.domain(GUEST, "GetState", "u", 0)
        client.get(GUEST, "org.guestbus.Domain1", "Name")
        took.append((time.monotonic() - began) * 1000 / 2)
        time.sleep(0.005)
    return sorted(took)


@pytest.fixture
def started(home, run_service, connect):
    """(service, a client of it) on a bus with a system bus's limits."""
    bus = buses.start("system", home)
    service = run_service(bus, config="[limits]\nevents-kept=64\n")
    client = connect(bus)
    wait_connected(client)
    yield service, client
    client.close()
    service.stop()
    bus.stop()


def run(service, client, target, send=None):
    """Floods for SECONDS; (latencies before, latencies meanwhile, how much was done)."""
    idle = latencies(client, 0.3)
    context = multiprocessing.get_context("fork")
    ready, stop, count = context.Event(), context.Event(), context.Value("l", 0)
    other = context.Process(target=target, args=(service.bus.address, send, ready, stop, count))
    other.start()
    try:
        assert ready.wait(WITHIN)
        loaded = latencies(client, SECONDS)
    finally:
        stop.set()
        other.join(WITHIN)
    assert other.exitcode == 0
    return idle, loaded, count.value


def served(figures):
    _, loaded, _ = figures
    return statistics.median(loaded) < 200 * PATIENCE and loaded[-1] < 3000 * PATIENCE


def check(service, client, before, flooded, capsys):
    """In one of some rounds of flooded() others are served as they should be: the machine may have other work."""
    rounds = []
    while not rounds or not served(rounds[-1]):
        assert len(rounds) < ROUNDS, [(idle[len(idle) // 2], loaded[len(loaded) // 2], loaded[-1])
                                      for idle, loaded, _ in rounds]
        rounds.append(flooded())
    idle, loaded, count = rounds[-1]
    wait_until(lambda: service.descriptors() <= before[1] + 1, WITHIN, "descriptors as before")
    assert client.domain(GUEST, "GetState", "u", 0)
    rss = service.rss()
    with capsys.disabled():
        print(f"\n{count / SECONDS:.0f} a second; others: p50 {statistics.median(idle):.2f} -> "
              f"{statistics.median(loaded):.2f} ms, longest {loaded[-1]:.0f} ms; "
              f"RSS {before[0]} -> {rss} KiB")
    assert count > 0
    assert SANITIZED or rss < before[0] + 96 * 1024


@pytest.mark.parametrize("send", KINDS, ids=lambda send: send.__name__)
def test_a_flood(started, capsys, send):
    service, client = started
    before = service.rss(), service.descriptors()
    check(service, client, before, lambda: run(service, client, flood, send), capsys)


def test_callers_come_and_go(started, capsys):
    service, client = started
    before = service.rss(), service.descriptors()
    check(service, client, before, lambda: run(service, client, come_and_go), capsys)
