# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service sends and nobody reads: a bus that stands still, clients that read nothing. It takes a
memory that has a limit, and an end that a supervisor handles."""

import signal
import time

import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES
from support.hosts import bus as buses
from support.hosts.native import TEST, counters, epoch, last, plain  # noqa: F401 (fixture)
from support.models.listener import EventListener
from support.process import PATIENCE, SANITIZED, wait_until
from support.service import has_failed, wait_connected

MIB = 1 << 20
WITHIN = 30 * PATIENCE
EVENTS = 3000
# More than the socket holds, which is 8 MiB where the service is root's.
LONG_STORM = 12000
BIG = "<domain type='test'><name>big</name><description>" + "x" * 700000 + \
      "</description><memory>1024</memory><os><type>hvm</type></os></domain>"
MANAGER1 = ("/org/libvirt", PROPERTIES, "Get", "ss", ("org.guestbus.Manager1", "Version"))


def limits(**values):
    return "[limits]\n" + "".join(f"{name.replace('_', '-')}={value}\n" for name, value in values.items())


def storm(plain, count):
    """So many events of a plain client's."""
    domain = plain.lookupByName("test")
    for _ in range(count // 2):
        domain.suspend()
        domain.resume()


@pytest.mark.long
def test_events_wait_for_a_bus_that_stands_still(one_bus, libvirtd, plain, run_service, connect, capsys):
    """For a while, and within the limit: all of them come, in order, and what they took is given back."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_connected(client)
    listener = EventListener(one_bus, "listener")
    listener.come()
    try:
        storm(plain, EVENTS)
        wait_until(lambda: counters(client)["events.lifecycle"] >= EVENTS, WITHIN, "the first storm is told")
        before = service.rss()
        one_bus.process.send_signal(signal.SIGSTOP)
        try:
            storm(plain, LONG_STORM)
            waited = service.rss()
        finally:
            one_bus.process.send_signal(signal.SIGCONT)
        wait_until(lambda: counters(client)["events.lifecycle"] == EVENTS + LONG_STORM, WITHIN,
                   "the second one is told")
        listener.up_to_date(TEST)
        heard = [event for event in listener.heard[TEST].values() if event.kind == "lifecycle"]
        with capsys.disabled():
            print(f"\n{LONG_STORM} events for a bus that stands still: RSS {before} -> {waited} KiB, "
                  f"then {service.rss()} KiB")
        # A listener fails by itself where a number is missing.
        assert len(heard) == EVENTS + LONG_STORM
    finally:
        listener.leave()


def test_more_events_than_may_wait(one_bus, libvirtd, plain, run_service, connect):
    """None is left out in silence: the service ends, and the next one has another epoch."""
    config = limits(output_bytes=2 * MIB)
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, config=config)
    client = connect(one_bus).match("type='signal',member='NameOwnerChanged',arg0='org.guestbus1'")
    wait_connected(client)
    first, before, most = epoch(client), service.rss(), 0
    one_bus.process.send_signal(signal.SIGSTOP)
    try:
        deadline = time.monotonic() + WITHIN
        while not service.ended():
            assert time.monotonic() < deadline, "it goes on without an end"
            storm(plain, 100)
            try:
                most = max(most, service.rss())
            except AssertionError:  # it has just ended
                pass
        assert "output-bytes" in has_failed(service)
    finally:
        one_bus.process.send_signal(signal.SIGCONT)
    assert SANITIZED or most < before + 16 * 1024
    run_service(one_bus, {"Test": libvirtd.test_uri}, config=config)
    client.wait_for(lambda one: one.member == "NameOwnerChanged" and one.body[2], WITHIN)
    wait_connected(client)
    assert epoch(client) != first


def test_a_bus_that_hangs(one_bus, run_service, connect):
    """It reads nothing any more, and something waits for it."""
    service = run_service(one_bus, config=limits(bus_timeout=2))
    client = connect(one_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", BIG)
    service.process.send_signal(signal.SIGSTOP)
    ask_and_do_not_read(client, path, 30)
    for _ in range(3):
        client.bus("GetId")  # a bus that goes on to this has passed on the calls before it
    one_bus.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        service.process.send_signal(signal.SIGCONT)
        assert "does not read" in has_failed(service)
        assert time.monotonic() - began >= 2
    finally:
        one_bus.process.send_signal(signal.SIGCONT)


def test_a_bus_that_stands_still_while_nothing_waits(one_bus, run_service, connect):
    """As when a host is suspended: that is no reason to end."""
    service = run_service(one_bus, config=limits(bus_timeout=1))
    client = connect(one_bus)
    wait_connected(client)
    one_bus.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        one_bus.process.send_signal(signal.SIGCONT)
    assert client.call(*MANAGER1) and not service.ended()


@pytest.fixture
def small_bus(home):
    """A dbus-daemon with a system bus's limits, a sixteenth of them."""
    private = buses.Daemon(home, limits={"max_incoming_bytes": 8 * MIB, "max_outgoing_bytes": 8 * MIB})
    yield private
    private.stop()


@pytest.fixture
def fair_bus(home):
    """The same, with less for who receives than for who sends."""
    private = buses.Daemon(home, limits={"max_incoming_bytes": 8 * MIB, "max_outgoing_bytes": 2 * MIB})
    yield private
    private.stop()


def ask_and_do_not_read(caller, path, count):
    for _ in range(count):
        caller.send(path, DOMAIN, "GetXMLDesc", "u", (0,))


def served(client):
    client.call(*MANAGER1, within=WITHIN)
    return client.connect("ListDomains", "u", 0)


def test_a_caller_that_reads_no_reply(small_bus, run_service, connect, capsys):
    """A dbus-daemon does not read on from who has sent so much that others have not read, and so holds up
    everybody. The service gives that connection up; the next one owes nobody anything, and the caller has its
    share already."""
    config = limits(bus_timeout=2, output_bytes=4 * MIB)
    service = run_service(small_bus, config=config)
    client, lazy = connect(small_bus), connect(small_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", BIG)
    before = service.rss()
    ask_and_do_not_read(lazy, path, 60)
    most, began = before, time.monotonic()
    while not service.ended():
        assert time.monotonic() - began < WITHIN, "nobody is served, and nothing is done about it"
        try:
            most = max(most, service.rss())
        except AssertionError:  # it has just ended
            pass
        time.sleep(0.02)
    took = time.monotonic() - began
    assert "does not read" in has_failed(service)
    # Longer than a busy machine keeps the bus from reading.
    again = run_service(small_bus, config=limits(output_bytes=4 * MIB))
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", BIG)
    ask_and_do_not_read(lazy, path, 60)
    for _ in range(50):
        assert served(client)
    assert not again.ended()
    with capsys.disabled():
        print(f"\na caller that reads no reply: RSS {before} -> {most} KiB, "
              f"everybody else waits for {took:.1f} s")
    assert SANITIZED or most < before + 32 * 1024


def test_a_caller_that_reads_no_reply_of_a_fair_bus(fair_bus, run_service, connect):
    """Where a receiver may have less waiting than a sender, one alone holds up nobody."""
    service = run_service(fair_bus)
    client, lazy = connect(fair_bus), connect(fair_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", BIG)
    for _ in range(10):
        ask_and_do_not_read(lazy, path, 10)
        assert served(client)
    assert not service.ended()


@pytest.mark.long
def test_a_subscriber_that_never_reads(fair_bus, libvirtd, plain, run_service, connect):
    """It misses what does not fit, and is the only one."""
    service = run_service(fair_bus, {"Test": libvirtd.test_uri})
    client = connect(fair_bus)
    wait_connected(client)
    connect(fair_bus).match()
    listener = EventListener(fair_bus, "listener")
    listener.come()
    try:
        for turn in range(1, 5):
            storm(plain, EVENTS)
            wait_until(lambda: counters(client)["events.lifecycle"] >= turn * EVENTS, WITHIN,
                       "a storm is told")
            listener.up_to_date(TEST)
        assert listener.numbers[TEST] == last(client) and not service.ended()
    finally:
        listener.leave()


def test_requests_wait_while_replies_do(one_bus, run_service, connect):
    """Replies of 10 times what may wait, to a client that takes its time: it gets each of them."""
    run_service(one_bus, config=limits(output_bytes=4 * MIB))
    client = connect(one_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", BIG)
    one_bus.process.send_signal(signal.SIGSTOP)
    try:
        serials = [client.send(path, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(60)]
    finally:
        one_bus.process.send_signal(signal.SIGCONT)
    assert len(client.collect(serials, WITHIN)) == 60
    assert client.get(TEST, CONNECT, "LibVersion")
