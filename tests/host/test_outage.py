# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd goes and comes back, or stands still: events flow again, nothing leaks, nothing else waits."""

import random
import signal
import threading
import time

import pytest

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, DBusError
from support.hosts.host import guest_xml
from support.hosts.soak import Flood
from support.process import PATIENCE, seconds, soon, wait_until
from support.service import wait_connected

ROOT = "/org/libvirt/QEMU"
UUID = "11111111-2222-3333-4444-555555555555"
GUEST = f"{ROOT}/domain/_" + UUID.replace("-", "_")
TEST = "/org/libvirt/Test"
# How soon after libvirtd's socket is back an event must reach the bus.
BACK_WITHIN = 2.0 * PATIENCE
# Seconds; a libvirtd that stands still is given up after 30.
AT_ONCE = 10


@pytest.fixture
def service(one_bus, libvirtd, run_service):
    libvirtd.define(guest_xml())
    return run_service(one_bus, {"QEMU": libvirtd.uri, "Test": "test:///default"})


@pytest.fixture
def client(service, connect):
    client = connect(service.bus)
    wait_connected(client, "QEMU")
    wait_connected(client, "Test")
    client.introspect(f"{ROOT}/domain")  # answered when the first list is complete
    return client


def events_within(libvirtd, listener):
    """Seconds from now (the socket is back) until an event of a plain client's change is on the bus."""
    began = time.monotonic()
    listener.drain()
    listener.signals.clear()
    xml = libvirtd.file(guest_xml())

    def seen():
        libvirtd.virsh("define", xml)
        listener.drain()
        return any(s.member == "DomainEvent" and s.body[0] == GUEST for s in listener.signals)
    wait_until(seen, 30 * PATIENCE, "an event after the outage", every=0.02)
    return time.monotonic() - began


def settled(read, within=25 * PATIENCE):
    """The value of read() once it has not changed for two seconds."""
    state = {"value": read(), "since": time.monotonic()}

    def quiet():
        value = read()
        if value != state["value"]:
            state.update(value=value, since=time.monotonic())
        return time.monotonic() - state["since"] > 2
    wait_until(quiet, within, lambda: f"settled; at {state['value']}", every=0.1)
    return state["value"]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_events_flow_again(client, service, libvirtd, connect, sig):
    listener = connect(service.bus).match()
    events_within(libvirtd, listener)

    def outage():
        libvirtd.stop(sig)
        time.sleep(pause)
        libvirtd.start()
        took = max(events_within(libvirtd, listener), wait_connected(client, "QEMU"))
        assert GUEST in client.connect("ListDomains", "u", 0, name="QEMU")
        return took

    for pause in (0.0, 0.5, 3.0):
        soon(outage, BACK_WITHIN)


def test_events_flow_again_without_any_call(service, libvirtd, connect):
    """The same when nobody has ever called the service."""
    listener = connect(service.bus).match()
    events_within(libvirtd, listener)

    def outage():
        libvirtd.stop()
        libvirtd.start()
        return events_within(libvirtd, listener)
    soon(outage, BACK_WITHIN)


def test_a_libvirtd_that_comes_later(one_bus, libvirtd, run_service, connect):
    """The service is up first, for longer than the longest pause between two attempts would hide."""
    listener = connect(one_bus).match()

    def comes_later():
        libvirtd.stop()
        service = run_service(one_bus, {"QEMU": libvirtd.uri})
        time.sleep(3)
        libvirtd.start()
        took = events_within(libvirtd, listener)
        service.stop()
        return took
    soon(comes_later, BACK_WITHIN)


def test_calls_during_an_outage_are_answered(client, service, libvirtd):
    libvirtd.stop(signal.SIGKILL)
    calls = [(ROOT, CONNECT, "ListDomains", "u", (0,)), (ROOT, CONNECT, "GetCapabilities"),
             (GUEST, DOMAIN, "GetState", "u", (0,)), (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Active")),
             (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,))]
    for _ in range(5):
        for call in calls:
            error = client.error(*call)
            assert error.name == "org.libvirt.Error" and error.message
    # An object does not go because its hypervisor cannot be asked.
    assert DOMAIN in client.introspect(GUEST)
    assert client.domain(f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f", "GetState", "u", 0)[0] == 1
    libvirtd.start()
    wait_connected(client, "QEMU")


def test_calls_in_flight_when_libvirtd_dies(client, service, libvirtd):
    """Each gets its one reply."""
    for _ in range(3):
        libvirtd.pause()
        serials = [client.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(50)]
        client.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
        libvirtd.stop(signal.SIGKILL)
        assert len(client.collect(serials, 20 * PATIENCE)) == 50
        libvirtd.start()
        wait_connected(client, "QEMU", 10 * PATIENCE)


def test_fifty_restarts(client, service, libvirtd, connect, capsys):
    """Descriptors and threads are flat, and the events come back each time."""
    listener = connect(service.bus).match()

    def restart(sig):
        libvirtd.stop(sig)
        libvirtd.start()
        took.append(events_within(libvirtd, listener))
    took = []
    for _ in range(3):
        restart(signal.SIGTERM)
    before = settled(lambda: (service.descriptors(), service.threads()))
    for index in range(50):
        restart(signal.SIGKILL if index % 2 else signal.SIGTERM)
    # Threads that have nothing to do leave after some seconds.
    wait_until(lambda: service.descriptors() <= before[0] + 1 and service.threads() <= before[1] + 2, 30 * PATIENCE,
               lambda: f"{service.descriptors()} descriptors, {service.threads()} threads after {before}")
    after = service.descriptors(), service.threads()
    with capsys.disabled():
        print(f"\n(descriptors, threads) {before} -> {after}, events back after {max(took):.2f} s at most")
    # On a busy machine virsh alone may take longer, in some of them.
    assert sorted(took)[len(took) // 2] < BACK_WITHIN


@pytest.fixture
def standing(client, libvirtd):
    """libvirtd stands still, with calls of ours waiting for it."""
    client.introspect(f"{ROOT}/domain")  # what there is was listed
    libvirtd.pause()
    serials = [client.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(30)]
    serials += [client.send(ROOT, CONNECT, "ListDomains", "u", (0,)) for _ in range(30)]
    client.call(ROOT, "org.freedesktop.DBus.Peer", "Ping")
    yield serials
    libvirtd.resume()


def test_standing_still_introspection_works(client, standing):
    for path in ("/", "/org/libvirt", ROOT, f"{ROOT}/domain", GUEST, TEST):
        began = time.monotonic()
        client.call(path, INTROSPECTABLE, "Introspect")
        assert time.monotonic() - began < AT_ONCE


def test_standing_still_other_connections_work(client, standing, connect, service):
    other = connect(service.bus)
    guest = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
    for one in (other, client):
        began = time.monotonic()
        assert one.domain(guest, "GetState", "u", 0)[0] == 1
        assert one.get_all(guest, DOMAIN)["Active"] == ("v", ("b", True))
        assert one.connect("ListDomains", "u", 0) == [guest]
        assert time.monotonic() - began < AT_ONCE


def test_standing_still_it_ends_at_once(client, standing, service):
    assert service.stop() < AT_ONCE


def test_standing_still_and_going_on(client, standing, libvirtd, service):
    """When libvirtd goes on, every call that waited is answered, well if no keep-alive has run out."""
    libvirtd.resume()
    replies = client.collect(standing, 30 * PATIENCE)
    assert len(replies) == 60
    wait_connected(client, "QEMU")


def test_a_libvirtd_that_stands_still_for_long_is_given_up(one_bus, libvirtd, run_service, connect):
    """Keep-alive ends the wait: callers get an error, and when libvirtd goes on so does everything."""
    libvirtd.define(guest_xml())
    run_service(one_bus, {"QEMU": libvirtd.uri}, config="[limits]\nkeepalive-interval=1\n")
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    libvirtd.pause()
    try:
        error = client.error(ROOT, CONNECT, "ListDomains", "u", (0,), within=30 * PATIENCE)
        assert error.name == "org.libvirt.Error"
    finally:
        libvirtd.resume()
    wait_connected(client, "QEMU", 20 * PATIENCE)
    assert GUEST in client.connect("ListDomains", "u", 0, name="QEMU")


@pytest.mark.long
def test_keep_alive_ends_what_many_wait_for(one_bus, libvirtd, run_service, connect):
    """Calls of all kinds, of clients that stay and of some that do not, over moments at which libvirtd is
    given up and goes on: libvirt itself crashes where several threads wait on a connection that its own
    keep-alive ends."""
    service = run_service(one_bus, {"QEMU": libvirtd.uri, "Test": libvirtd.test_uri},
                          config="[limits]\nkeepalive-interval=1\nkeepalive-count=1\n")
    client = connect(one_bus)
    flood = Flood(one_bus, random.Random(1))
    for pause in (2.6, 2.2, 2.4, 3.0, 2.0, 2.8):
        wait_connected(client, within=20 * PATIENCE)
        serials = []
        end = time.monotonic() + pause
        libvirtd.pause()
        try:
            while time.monotonic() < end:
                flood.step()
                serials += [client.send(root, CONNECT, "ListDomains", "u", (0,)) for root in (ROOT, TEST)]
                time.sleep(0.02)
        finally:
            libvirtd.resume()
            flood.ebb()
        assert len(client.collect(serials, 30 * PATIENCE)) == len(serials)
        assert service.alive()


def test_start_and_end_while_libvirtd_stands_still(one_bus, libvirtd, run_service, connect):
    """Opening hangs for ever; starting and ending do not."""
    libvirtd.pause()
    try:
        service = run_service(one_bus, {"QEMU": libvirtd.uri, "Test": "test:///default"})
        client = connect(one_bus)
        wait_connected(client, "Test")
        assert seconds(client.introspect, ROOT) < AT_ONCE
        assert service.stop() < AT_ONCE
    finally:
        libvirtd.resume()


def test_calls_while_it_comes_and_goes(client, service, libvirtd, connect):
    """Calls all the time, from two clients, through five restarts: each is answered, well or not."""
    stop = threading.Event()
    counts = {"good": 0, "bad": 0}
    failures = []

    def call(caller):
        try:
            while not stop.is_set():
                try:
                    caller.call(GUEST, DOMAIN, "GetState", "u", (0,), within=20 * PATIENCE)
                    counts["good"] += 1
                except DBusError as error:
                    assert error.name == "org.libvirt.Error", error
                    counts["bad"] += 1
        except Exception as error:  # a thread's failure is the test's
            failures.append(error)
    threads = [threading.Thread(target=call, args=(connect(service.bus),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for index in range(5):
        libvirtd.stop(signal.SIGKILL if index % 2 else signal.SIGTERM)
        libvirtd.start()
        wait_connected(client, "QEMU", 10 * PATIENCE)
    stop.set()
    for thread in threads:
        thread.join(30 * PATIENCE)
    assert not failures and not any(thread.is_alive() for thread in threads), failures
    assert counts["good"] > 0
