# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls of one sender on one object run in the order sent; those of a caller that has left do not run."""

import pytest

from support.client import DOMAIN, PROPERTIES, Client, body_of, field
from support.process import PATIENCE, wait_until
from support.service import wait_connected

TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
VICTIM = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
VICTIM_PATH = f"{TEST}/domain/_" + VICTIM.replace("-", "_")
XML = f"""<domain type='test'><name>victim</name><uuid>{VICTIM}</uuid><memory>1024</memory>
<os><type>hvm</type></os></domain>"""
ROUNDS = 500
CROWD = 3000
SET = (PROPERTIES, "Set", "ssv")


def pipelined(client, calls):
    """Sends all of the calls at once; their replies in the order of the calls."""
    serials, data = [], b""
    for call in calls:
        serial, part = client.serialise(client.message(*call))
        serials.append(serial)
        data += part
    client.send_bytes(data)
    replies = client.collect(serials, 120 * PATIENCE)
    return [replies[serial] for serial in serials]


def test_set_set_get(client):
    client.connect("DomainDefineXML", "s", XML)
    wrong = 0
    for _ in range(ROUNDS):
        *_, last = pipelined(client, [
            (VICTIM_PATH, *SET, (DOMAIN, "Autostart", ("b", True))),
            (VICTIM_PATH, *SET, (DOMAIN, "Autostart", ("b", False))),
            (VICTIM_PATH, PROPERTIES, "Get", "ss", (DOMAIN, "Autostart"))])
        wrong += body_of(last) != (("b", False),)
    assert wrong == 0


def test_a_long_row_of_calls(client):
    """Suspend and Resume in turn: were two of them swapped, the second would be an error."""
    calls = [(GUEST, DOMAIN, "Suspend" if index % 2 == 0 else "Resume") for index in range(ROUNDS)]
    for reply in pipelined(client, calls):
        assert body_of(reply) == ()


def test_replies_to_one_object_come_in_order(client):
    serials = [client.send(GUEST, DOMAIN, "GetState", "u", (0,)) for _ in range(ROUNDS)]
    order = list(client.collect(sorted(serials)))
    assert order == serials


def test_read_your_own_writes(client):
    """When the call has answered, the tree shows what it did, and no read misses it."""
    for _ in range(100):
        path = client.connect("DomainDefineXML", "s", XML)
        assert client.domain(path, "GetState", "u", 0)[0] == 5
        assert path in client.connect("ListDomains", "u", 0)
        client.introspect(path)
        client.domain(path, "Undefine", "u", 0)
        assert path not in client.connect("ListDomains", "u", 0)


@pytest.fixture
def slow(one_bus, libvirtd, run_service, connect):
    """A service on a libvirtd that can be stopped: (service, client, libvirtd)."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\nkeepalive-interval=0\n")
    client = connect(one_bus)
    wait_connected(client)
    client.connect("DomainDefineXML", "s", XML)
    yield service, client, libvirtd
    libvirtd.resume()


def survives(client):
    return VICTIM_PATH in client.connect("ListDomains", "u", 0)


def test_calls_of_a_caller_that_left_are_dropped(slow, one_bus):
    """Queued behind slow calls, an Undefine of somebody who has gone is not carried out."""
    _, client, libvirtd = slow
    for _ in range(5):
        libvirtd.pause()
        leaver = Client(one_bus.address)
        for _ in range(20):
            leaver.send(VICTIM_PATH, DOMAIN, "GetXMLDesc", "u", (0,))
        leaver.send(VICTIM_PATH, DOMAIN, "Undefine", "u", (0,))
        # The service reads in order, so when it answers this its queue holds all of them.
        leaver.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
        name = leaver.unique_name
        leaver.close()
        watch_departure(client, name)
        client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
        libvirtd.resume()
        assert survives(client)


def watch_departure(client, name, within=60 * PATIENCE):
    """Waits until the bus has told everybody that `name` has left."""
    wait_until(lambda: not client.has_owner(name), within, f"{name} gone")


def test_calls_of_a_caller_that_stays_are_done(slow, one_bus):
    """The other half: the same row of calls of one that stays ends with the Undefine."""
    _, client, libvirtd = slow
    libvirtd.pause()
    serials = [client.send(VICTIM_PATH, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(20)]
    serials.append(client.send(VICTIM_PATH, DOMAIN, "Undefine", "u", (0,)))
    client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    libvirtd.resume()
    for reply in client.collect(serials).values():
        body_of(reply)
    assert not survives(client)


def test_one_object_does_not_hold_up_another(slow, connect, one_bus):
    """A sender whose calls on one object wait is still answered for what needs no libvirt."""
    _, client, libvirtd = slow
    libvirtd.pause()
    serial = client.send(VICTIM_PATH, DOMAIN, "GetXMLDesc", "u", (0,))
    assert DOMAIN in client.introspect(GUEST)
    assert not client.replies
    libvirtd.resume()
    assert "victim" in body_of(client.take_reply(serial))[0]


def test_two_senders_are_served_by_turns(slow, connect, one_bus):
    """A sender with many calls in flight does not make another wait for them. None is served before all are there; a
    monitor of the bus sees in which order the replies were sent."""
    _, client, libvirtd = slow
    other = connect(one_bus)
    other.domain(GUEST, "GetState", "u", 0)  # from here on the service knows who this is
    monitor = connect(one_bus)
    monitor.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                 (["type='method_return'"], 0), destination="org.freedesktop.DBus")
    data = b"".join(client.serialise(client.message(GUEST, DOMAIN, "GetXMLDesc", "u", (0,)))[1]
                    for _ in range(CROWD))
    libvirtd.pause()
    client.send_bytes(data)
    client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    serial = other.send(GUEST, DOMAIN, "GetState", "u", (0,))
    other.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    libvirtd.resume()
    body_of(other.take_reply(serial))
    before = 0
    while True:
        message = monitor.next_message(30 * PATIENCE)
        receiver = field(message, "destination")
        if receiver == other.unique_name and field(message, "signature") == "(ii)":
            break
        before += receiver == client.unique_name
    assert before < CROWD / 10
