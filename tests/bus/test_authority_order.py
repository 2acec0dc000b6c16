# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests that wait for a decision: their order, their one reply, their limits, and their end."""

import contextlib
import signal
import time

import pytest
from jeepney import DBusAddress, Endianness, HeaderFields, new_signal

from support.client import DOMAIN, PROPERTIES, SERVICE, body_of, field
from support.hosts import bus as buses
from support.hosts import guarded as guards
from support.hosts import people as others
from support.hosts import polkit as authority
from support.hosts.guarded import (ALLOW_INTERACTION, DENIED, GUEST, INTERACTIVE, LIMIT, MANAGE, RULES, Agent, allow,
                                   guarded, send, set_autostart)
from support.process import PATIENCE, own_directory, wait_until
from support.service import wait_connected

TEST = "/org/libvirt/Test"
LONG = 60 * PATIENCE
PEER = ("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
ROUNDS = 40
# The bus lets a caller have 128 calls open.
AT_ONCE = 100
# Seconds.
POLKIT_WITHIN = 10
# A quarter of the default of pending-bytes, in calls of a million.
KEPT = 16
# A uid that is nobody's.
STRANGER = 70001

pytestmark = pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")


@pytest.fixture(scope="module")
def world():
    with guarded() as one:
        yield one


def get(client, path=GUEST):
    return send(client, path, PROPERTIES, "Get", "ss", (DOMAIN, "Autostart"))


@contextlib.contextmanager
def paused(world):
    """polkitd does not answer inside; what is asked waits."""
    world.polkit.pause()
    try:
        yield
    finally:
        world.polkit.resume()


def test_calls_that_wait_stay_in_order(world):
    """Set true, Set false, Get of somebody nobody knows yet: the first has to wait, and the others with it."""
    wrong = []
    for index in range(ROUNDS):
        last = bool(index % 2)
        client = world.client("member")
        data, serials = b"", []
        for call in ((PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", not last))),
                     (PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", last))),
                     (PROPERTIES, "Get", "ss", (DOMAIN, "Autostart"))):
            serial, part = client.serialise(client.message(GUEST, *call))
            serials.append(serial)
            data += part
        client.send_bytes(data)
        replies = client.collect(serials, LONG)
        if body_of(replies[serials[2]]) != (("b", last),) or sorted(replies) != serials:
            wrong.append(index)
        client.call(*PEER)
        assert not client.replies, "more than one reply"
        client.close()
    assert not wrong


def test_what_reads_and_what_changes_stay_in_order():
    """What reads goes over a connection of its own to libvirt, which the first such call has to open: what its
    caller sent after it waits. Each hypervisor is one try."""
    names = ["Test", *(f"Test{number}" for number in range(9))]
    with guarded(connections={name: "test:///default" for name in names}) as one:
        wrong = []
        for index, name in enumerate(names):
            wait_connected(one.root, name)
            client = one.client("member")
            path = GUEST.replace("/Test/", f"/{name}/")
            was = bool(index % 2)
            # Neither takes that connection; both rights are known then.
            client.take_reply(set_autostart(client, path, was), LONG)
            client.get(path, "org.guestbus.Domain1", "State")
            serials = [get(client, path), set_autostart(client, path, not was)]
            replies = client.collect(serials, LONG)
            body_of(replies[serials[1]])
            if body_of(replies[serials[0]]) != (("b", was),):
                wrong.append(name)
            client.close()
    assert not wrong


def test_one_reply_to_each_with_polkit_held_up(world):
    """A long row of different calls, of which some may be made and others not; one reply to each."""
    outsider = world.client("outsider")
    with paused(world):
        serials = []
        for index in range(AT_ONCE // 4):
            serials += [set_autostart(outsider, value=bool(index % 2)), get(outsider),
                        send(outsider, GUEST, DOMAIN, "Suspend"),
                        send(outsider, GUEST, DOMAIN, "GetState", "u", (0,))]
        other = world.client("root")
        other.call(*PEER)
        outsider.call(*PEER)
        assert not outsider.replies
    # A refusal takes no libvirt and may overtake; calls that are made may not overtake each other.
    replies = outsider.collect(sorted(serials), LONG)
    names = {serial: field(reply, "error_name") for serial, reply in replies.items()}
    assert [names[serial] for serial in serials] == [INTERACTIVE, None] * (len(serials) // 2)
    outsider.call(*PEER)
    assert not outsider.replies, "more than one reply"


def test_a_dialogue_keeps_the_order(world):
    """What was sent after a call that waits for a password is answered after it, and only once it may."""
    outsider = world.client("outsider")
    agent = Agent(world, outsider)
    before = world.root.get(GUEST, DOMAIN, "Autostart")[1]
    serials = [set_autostart(outsider, value=not before, interactive=True), get(outsider)]
    request = agent.wait()
    outsider.call(*PEER)
    assert not outsider.replies
    agent.finish(request)
    replies = outsider.collect(serials, LONG)
    assert body_of(replies[serials[1]]) == (("b", not before),)


def test_calls_of_who_left_while_waiting_are_dropped(world):
    """A member that goes before polkit has answered takes its calls along."""
    before = world.root.get(GUEST, DOMAIN, "Autostart")[1]
    with paused(world):
        leaver = world.client("member")
        set_autostart(leaver, value=not before)
        leaver.call(*PEER)
        leaver.close()
        wait_until(lambda: not world.root.has_owner(leaver.unique_name), LONG, "it has left")
        world.root.call(*PEER)
    stays = world.client("member")
    serial = set_autostart(stays, "/org/libvirt/Test/network/_dd8fe884_6c02_601e_7551_cca97df1c5df")
    stays.take_reply(serial, LONG)
    assert world.root.get(GUEST, DOMAIN, "Autostart")[1] is before


def test_a_departure_that_is_not_true(world):
    """A caller says that it has left, as if it were the bus, while polkit is asked about it, and goes on calling:
    whatever comes of its own calls, others are served as before."""
    liar = world.client("outsider")
    assert liar.connect("ListDomains", "u", 0)
    said = new_signal(DBusAddress("/org/freedesktop/DBus", interface="org.freedesktop.DBus"), "NameOwnerChanged",
                      "sss", (liar.unique_name, liar.unique_name, ""))
    said.header.fields[HeaderFields.destination] = SERVICE
    with paused(world):
        set_autostart(liar)
        liar.send_bytes(liar.serialise(said)[1])
        again = get(liar)
        liar.call(*PEER)
    body_of(liar.take_reply(again, LONG))
    for who in ("member", "limited"):
        other = world.client(who)
        assert other.connect("ListDomains", "u", 0)
    member = world.client("member")
    assert body_of(member.take_reply(set_autostart(member), LONG)) == ()


def test_different_objects_do_not_wait_for_each_other():
    """A dialogue about one guest, and everything else of the same caller goes on."""
    rules = allow("outsider", MANAGE, condition='action.lookup("domain") == ""')
    with guarded(rules + RULES) as one:
        outsider = one.client("outsider")
        agent = Agent(one, outsider)
        set_autostart(outsider, interactive=True)
        agent.wait()
        outsider.call(f"{TEST}/network/_dd8fe884_6c02_601e_7551_cca97df1c5df", PROPERTIES, "Set", "ssv",
                      ("org.libvirt.Network", "Autostart", ("b", True)))


def test_limits_hold_for_what_waits():
    """Calls of one caller that wait for polkit are limited like those that wait for libvirt."""
    with guarded(config="[limits]\ncalls-per-sender=20\n") as one:
        outsider = one.client("outsider")
        with paused(one):
            serials = [get(outsider) for _ in range(AT_ONCE)]
            refused = outsider.collect(serials[20:], LONG)
            assert {field(reply, "error_name") for reply in refused.values()} == {LIMIT}
            assert one.root.get(GUEST, DOMAIN, "Autostart")
        for reply in outsider.collect(serials[:20], LONG).values():
            body_of(reply)
        assert body_of(outsider.take_reply(get(outsider), LONG))


def test_bytes_that_wait_are_limited():
    """What somebody without a right keeps waiting does not fill the service's memory."""
    with guarded() as one:
        outsiders = [one.client(who) for who in ("outsider", "limited")]
        outsiders[0].domain(GUEST, "GetState", "u", 0)
        before, began = one.service.rss(), time.monotonic()
        with paused(one):
            text = "x" * 1000000
            rows = {client: [send(client, TEST, "org.libvirt.Connect", "DomainDefineXML", "s", (text,))
                             for _ in range(30)] for client in outsiders}
            for client, serials in rows.items():
                for reply in client.collect(serials[KEPT:], LONG).values():
                    assert field(reply, "error_name") == LIMIT
            assert one.service.rss() - before < 3 * 2 * KEPT * 1000 * (PATIENCE + 1)
        # Where writing all that takes longer than polkit is waited for, its silence is a no.
        answers = {INTERACTIVE} if time.monotonic() - began < POLKIT_WITHIN else {INTERACTIVE, DENIED}
        for client, serials in rows.items():
            names = {field(reply, "error_name") for reply in client.collect(serials[:KEPT], LONG).values()}
            assert names <= {LIMIT, *answers} and names & answers


def test_bytes_of_the_other_byte_order_are_limited(world):
    """sd-bus does not tell the length of their arrays; they take room all the same."""
    outsider = world.client("outsider")
    outsider.get(GUEST, DOMAIN, "Active")
    message = outsider.message(GUEST, DOMAIN, "Suspend", "au", ([7] * 125000,))
    message.header.endianness = Endianness.big
    # Written before, for that may take longer than polkit is waited for.
    calls = dict(outsider.serialise(message) for _ in range(KEPT + 10))
    serials = list(calls)
    with paused(world):
        for data in calls.values():
            outsider.send_bytes(data)
        names = {field(reply, "error_name") for reply in outsider.collect(serials[KEPT:], LONG).values()}
    assert names == {LIMIT}
    outsider.collect(serials[:KEPT], LONG)


def test_bytes_of_one_user_are_limited():
    """Over all its connections; others have room."""
    with guarded() as one:
        clients = [one.client("outsider") for _ in range(2)]
        for client in (*clients, one.client("limited")):
            client.get(GUEST, DOMAIN, "Active")
        define = TEST, "org.libvirt.Connect", "DomainDefineXML", "s", ("x" * 1000000,)
        with paused(one):
            kept = [send(clients[0], *define) for _ in range(KEPT)]
            clients[0].call(*PEER)
            assert clients[1].error(*define).name == LIMIT
            other = one.client("limited")
            waits = send(other, *define)
            other.call(*PEER)
            assert not other.replies
        assert {field(reply, "error_name") for reply in clients[0].collect(kept, LONG).values()} <= \
            {INTERACTIVE, DENIED}
        assert field(other.take_reply(waits, LONG), "error_name") in {INTERACTIVE, DENIED}


def test_waits_of_one_user_are_limited():
    """They have no end, and somebody who may only look must leave room for others."""
    with guarded(config="[limits]\ncalls-total=64\n") as one:
        clients = {who: one.client(who) for who in ("outsider", "limited", "root")}
        wait = GUEST, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["crashed"], 0, {})
        counted = lambda: one.root.get(TEST, "org.guestbus.Connection1", "Counters")[1]["waits"]
        for _ in range(4):
            send(clients["outsider"], *wait)
        wait_until(lambda: counted() == 4, LONG, lambda: f"4 wait, not {counted()}")
        again = one.client("outsider")
        assert again.error(*wait).name == LIMIT
        for who, number in ("limited", 4), ("root", 8):
            for _ in range(number):
                send(clients[who], *wait)
        wait_until(lambda: counted() == 16, LONG, lambda: f"16 wait, not {counted()}")
        assert clients["root"].error(*wait).name == LIMIT
        clients["outsider"].close()
        wait_until(lambda: counted() == 12, LONG, lambda: f"12 wait, not {counted()}")
        send(again, *wait)
        wait_until(lambda: counted() == 13, LONG, lambda: f"13 wait, not {counted()}")


@contextlib.contextmanager
def on_a_broker(**options):
    """A Guarded of its own, on a bus that lets everybody in."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(own_directory())
        people = others.People(home)
        stack.callback(people.stop)
        bus = buses.Broker(home)
        stack.callback(bus.stop)
        polkit = authority.Polkit(bus, people, RULES)
        stack.callback(polkit.stop)
        polkit.start()
        yield stack.enter_context(guards.serving(guards.Guarded(home, people, bus, polkit), **options))


@pytest.mark.skipif("dbus-broker" not in buses.kinds(), reason="dbus-broker is not there")
def test_users_that_nobody_knows_share_one_share():
    """Of such numbers one user may have thousands, in namespaces of users. (dbus-daemon does not let them in.)"""
    with on_a_broker(config="[limits]\ncalls-total=64\n") as one:
        strangers = [one.client(STRANGER + index) for index in range(3)]
        wait = GUEST, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["crashed"], 0, {})
        counted = lambda: one.root.get(TEST, "org.guestbus.Connection1", "Counters")[1]["waits"]
        for index in range(4):
            send(strangers[index % 2], *wait)
        wait_until(lambda: counted() == 4, LONG, lambda: f"4 wait, not {counted()}")
        for stranger in strangers:
            assert stranger.error(*wait).name == LIMIT
        known = one.client("limited")
        # Until the user database has said so, it may be one of them.
        known.get(GUEST, DOMAIN, "Active")
        wait_until(lambda: send(known, *wait) and counted() >= 8, LONG, lambda: f"8 wait, not {counted()}")
        strangers[0].close()
        wait_until(lambda: counted() == 6, LONG, lambda: f"6 wait, not {counted()}")
        send(strangers[2], *wait)
        wait_until(lambda: counted() == 7, LONG, lambda: f"7 wait, not {counted()}")


def test_one_call_that_is_too_large(world):
    """It is not even kept."""
    outsider = world.client("outsider")
    with paused(world):
        error = outsider.error(TEST, "org.libvirt.Connect", "DomainDefineXML", "s", ("x" * (17 << 20),))
    assert error.name == LIMIT


def test_the_end_answers_what_waits():
    """SIGTERM: those that wait for polkit and for a password have their one reply, and the service leaves."""
    with guarded() as one:
        outsider, member = one.client("outsider"), one.client("member")
        agent = Agent(one, outsider)
        dialogue = set_autostart(outsider, interactive=True)
        agent.wait()
        with paused(one):
            serials = [get(member) for _ in range(10)] + [set_autostart(member)]
            behind = [get(outsider) for _ in range(10)]
            member.call(*PEER)
            outsider.call(*PEER)
            one.service.process.send_signal(signal.SIGTERM)
            for client, row in ((member, serials), (outsider, [dialogue, *behind])):
                for reply in client.collect(row, LONG).values():
                    assert "stopping" in reply.body[0]
            wait_until(one.service.ended, LONG, "the service leaves")


def test_dialogues_do_not_keep_others_from_polkit():
    """Far more open questions than the bus allows one connection, of one user who never types: others are asked
    about all the same."""
    with guarded() as one:
        for _ in range(12):
            caller = one.client("outsider")
            Agent(one, caller)
            for index in range(12):
                path = f"{TEST}/domain/_{index:08x}_f6a4_8304_79aa_97f2502e193f"
                message = caller.message(path, DOMAIN, "Suspend")
                message.header.flags |= ALLOW_INTERACTION
                caller.send_bytes(caller.serialise(message)[1])
            caller.call(*PEER)
        other = one.client("limited")
        assert other.domain(GUEST, "GetState", "u", 0)
        member = one.client("member")
        assert body_of(member.take_reply(set_autostart(member), LONG)) == ()
        same = one.client("outsider")
        assert same.domain(GUEST, "GetState", "u", 0)
