# SPDX-License-Identifier: LGPL-2.1-or-later
"""What polkit says counts, at the time it says it: rules that change, somebody who types a password, polkit that
dies or hangs or was never there; and what libvirt keeps from those who may only look."""

import time

import pytest

from support.client import DOMAIN, PROPERTIES, DBusError, body_of, field
from support.hosts import guarded as guards
from support.hosts.guarded import (DENIED, GUEST, INTERACTIVE, MANAGE, MONITOR, RULES, Agent, allow, guarded, send,
                                   set_autostart)
from support.hosts.polkit import NAME
from support.process import PATIENCE, wait_until

SECURE = 1  # VIR_DOMAIN_XML_SECURE
AGENT = 1  # VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
SECRET = "open sesame"
XML = f"""<domain type='test'><name>shown</name><memory>1024</memory><os><type>hvm</type></os>
<devices><graphics type='vnc' autoport='yes' passwd='{SECRET[:8]}'/></devices></domain>"""
NODE = """<node><domain type='test'><name>shown</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
<memory>1024</memory><os><type>hvm</type></os>
<devices><graphics type='vnc' autoport='yes' passwd='open ses'/></devices></domain></node>"""
# polkit does not keep what was typed.
ONCE = allow("outsider", MANAGE, "AUTH_ADMIN")
LONG = 60 * PATIENCE

pytestmark = pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")


@pytest.fixture
def world():
    with guarded() as one:
        yield one


def outcome(client, interactive=False, path=GUEST):
    """The name of the error of something that takes the right to manage, or None."""
    reply = client.take_reply(set_autostart(client, path, interactive=interactive), LONG)
    return field(reply, "error_name")


# Secrets


def check_secrets(world, path):
    """libvirt's own text for who may only monitor, the password for who may manage."""
    member, outsider = world.client("member"), world.client("outsider")
    error = outsider.error(path, DOMAIN, "GetXMLDesc", "u", (SECURE,))
    assert "operation forbidden" in error.message
    assert SECRET[:8] not in outsider.domain(path, "GetXMLDesc", "u", 0)
    assert SECRET[:8] not in member.domain(path, "GetXMLDesc", "u", 0)
    assert SECRET[:8] in member.domain(path, "GetXMLDesc", "u", SECURE)
    assert SECRET[:8] in world.root.domain(path, "GetXMLDesc", "u", SECURE)
    return error


def test_secrets_are_for_who_may_manage(world):
    error = check_secrets(world, world.client("member").connect("DomainDefineXML", "s", XML))
    assert error.name == "org.libvirt.Error"


def test_secrets_where_readers_have_no_link_of_their_own():
    """A driver whose world is each connection's own: libvirt cannot refuse, so the service does."""
    with guarded(connections={}) as one:
        one.service.stop()
        file = one.home / "node.xml"
        file.write_text(NODE, encoding="utf-8")
        one.serve(connections={"Test": f"test://{file}"})
        check_secrets(one, GUEST)


def test_the_guests_own_addresses(world):
    """They are asked of an agent in the guest, which is acting on it."""
    member, outsider = world.client("member"), world.client("outsider")
    error = outsider.error(GUEST, DOMAIN, "InterfaceAddresses", "uu", (AGENT, 0))
    assert "operation forbidden" in error.message
    assert outsider.domain(GUEST, "InterfaceAddresses", "uu", 0, 0)
    reply = member.exchange(GUEST, DOMAIN, "InterfaceAddresses", "uu", (AGENT, 0))
    assert "operation forbidden" not in str(reply.body)


def test_a_snapshot_too(world):
    member, outsider = world.client("member"), world.client("outsider")
    path = member.connect("DomainDefineXML", "s", XML)
    snapshot = member.domain(path, "SnapshotCreateXML", "su",
                             "<domainsnapshot><name>s</name></domainsnapshot>", 0)
    interface = "org.libvirt.DomainSnapshot"
    assert "operation forbidden" in outsider.error(snapshot, interface, "GetXMLDesc", "u", (SECURE,)).message
    assert SECRET[:8] in member.call(snapshot, interface, "GetXMLDesc", "u", (SECURE,))[0]


# Rules that change


def test_a_new_rule_counts_at_once(world):
    """In both directions, for both rights, without a restart and for a caller that was answered before."""
    outsider = world.client("outsider")
    assert outcome(outsider) == INTERACTIVE
    world.polkit.change(allow("outsider", MANAGE) + RULES)
    wait_until(lambda: outcome(outsider) is None, LONG, "the right is there")
    world.polkit.change(allow("outsider", MANAGE, "NO") + allow("outsider", MONITOR, "NO") + RULES)
    wait_until(lambda: outcome(outsider) == DENIED, LONG, "the right is gone")
    assert outsider.error(GUEST, DOMAIN, "GetState", "u", (0,)).name == DENIED
    assert outsider.error("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects").name == DENIED
    world.polkit.change(RULES)
    wait_until(lambda: outcome(outsider) == INTERACTIVE, LONG, "the default is back")
    assert outsider.domain(GUEST, "GetState", "u", 0)


def test_a_rule_may_look_at_what_is_asked_for():
    """The member, too: to look at the guests, and to restart one of them."""
    rules = allow("outsider", MANAGE, condition='action.lookup("member") == "Suspend" && '
                                                'action.lookup("domain") == "test"')
    with guarded(rules + RULES) as one:
        outsider = one.client("outsider")
        outsider.domain(GUEST, "Suspend")
        assert outsider.error(GUEST, DOMAIN, "Resume").name == INTERACTIVE
        one.root.domain(GUEST, "Resume")
        assert one.root.domain(GUEST, "GetState", "u", 0)[0] == 1


def test_to_monitor_is_one_question_for_all(world):
    """A page that reads every guest of a connection has polkit asked once: it does not answer any more, and all
    others are read."""
    member = world.client("member")
    member.domain(GUEST, "GetState", "u", 0)
    world.polkit.pause()
    try:
        for index in range(50):
            path = f"/org/libvirt/Test/domain/_{index:08x}_f6a4_8304_79aa_97f2502e193f"
            assert member.error(path, DOMAIN, "GetState", "u", (0,)).name == "org.libvirt.Error"
        assert member.connect("ListNetworks", "u", 0)
    finally:
        world.polkit.resume()


# Rights that end


# Seconds.
AGE = 1
OLD = f"[limits]\ndecision-age={AGE}\n"


def test_who_leaves_the_group_manages_no_more():
    """On a connection that is open: polkit knows, but does not say so. What everybody may goes on."""
    with guarded(config=OLD) as one:
        member, same = one.client("member"), one.client("member")
        assert outcome(member) is None and outcome(same) is None
        one.people.dismiss("member")
        wait_until(lambda: outcome(member) == INTERACTIVE, LONG, "the right is gone")
        assert member.domain(GUEST, "GetState", "u", 0)
        wait_until(lambda: outcome(same) == INTERACTIVE, LONG, "it is gone on all of its connections")
        assert outcome(one.root) is None


def test_who_leaves_the_group_without_polkit():
    """There the group is all that decides: of both rights."""
    with guarded(polkit=False, config=OLD) as one:
        member = one.client("member")
        assert outcome(member) is None
        assert member.domain(GUEST, "GetState", "u", 0)
        one.people.dismiss("member")
        wait_until(lambda: outcome(member) == DENIED, LONG, "the right is gone")
        wait_until(lambda: may_not_look(member), LONG, "the other right, too")
        fresh = one.client("member")
        assert outcome(fresh) == DENIED


def may_not_look(client):
    reply = client.exchange(GUEST, DOMAIN, "GetState", "u", (0,))
    return field(reply, "error_name") == DENIED


def test_the_group_has_to_be_that_of_the_connection():
    """Without polkit, the connection has to have it, and its user: who was dismissed and connects with the
    groups of before is refused, and so is a process of a member that gave the group up."""
    with guarded(polkit=False) as one:
        gid = str(one.people.number("libvirt"))
        for groups, expected in (gid, None), (str(one.people.ids["member"]), DENIED):
            assert connects(one, groups) == expected
        one.people.dismiss("member")
        assert connects(one, gid) == DENIED


def connects(world, groups):
    """The outcome for a member's process with these groups."""
    client = world.people.client("member", world.bus.address, groups=groups)
    try:
        return outcome(client)
    finally:
        client.close()


def test_what_waits_for_an_old_decision_stays_in_order():
    """The decision that it had is too old: the first is asked about again, and the others wait behind it, the one
    to monitor as well, which is known."""
    with guarded(config=OLD) as one:
        member = one.client("member")
        for last in (True, False):
            wait_until(lambda last=last: in_order(one, member, last), LONG, "the decision is old", every=AGE / 5)


def in_order(world, client, last):
    """Three calls about one object while polkit does not answer, which is then to be answered in their order;
    whether the first of them had to wait for it."""
    world.polkit.pause()
    try:
        serials = [set_autostart(client, value=not last), set_autostart(client, value=last),
                   send(client, GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Autostart"))]
        waits = is_silent(client)
    finally:
        world.polkit.resume()
    replies = client.collect(serials, LONG)
    assert [body_of(replies[serial]) for serial in serials] == [(), (), (("b", last),)]
    return waits


def is_silent(client):
    try:
        client.receive(0.3 * PATIENCE)
    except TimeoutError:
        return True
    return False


# Somebody types


def typed(client, path=GUEST):
    return set_autostart(client, path, interactive=True)


def test_without_the_flag_nobody_is_asked(world):
    outsider = world.client("outsider")
    agent = Agent(world, outsider)
    assert outcome(outsider) == INTERACTIVE
    assert not agent.is_asked()


def test_the_hint_helps(world):
    """With the flag it is not the flag that is missing."""
    outsider = world.client("outsider")
    for interactive, hint in ((False, "allow interactive authorization"), (True, "no authentication agent answers")):
        with pytest.raises(DBusError, match=hint) as refused:
            body_of(outsider.take_reply(set_autostart(outsider, interactive=interactive), LONG))
        assert refused.value.name == INTERACTIVE


def test_a_password_that_polkit_keeps(world):
    """The shipped policy: typed once, it counts for a while, with the flag or without."""
    outsider = world.client("outsider")
    agent = Agent(world, outsider)
    serial = typed(outsider)
    request = agent.answer()
    assert request.body[0] == MANAGE
    assert body_of(outsider.take_reply(serial, LONG)) == ()
    assert outcome(outsider) is None
    assert outcome(outsider, interactive=True) is None
    assert not agent.is_asked()


def test_a_password_that_polkit_does_not_keep():
    """Each grant is used once: two calls sent at once take two of them, and others none."""
    with guarded(ONCE + RULES) as one:
        outsider = one.client("outsider")
        agent = Agent(one, outsider)
        first, second = typed(outsider), typed(outsider)
        agent.answer()
        assert body_of(outsider.take_reply(first, LONG)) == ()
        agent.wait()
        assert len(agent.asked) == 2
        assert not any(field(reply, "reply_serial") == second for reply in outsider.replies)
        assert outcome(one.client("outsider")) == INTERACTIVE


def test_rules_change_while_somebody_types():
    """What was typed counts for the call that it was typed for; nobody has to type twice."""
    with guarded(ONCE + RULES) as one:
        outsider = one.client("outsider")
        agent = Agent(one, outsider)
        serial = typed(outsider)
        request = agent.wait()
        one.polkit.change(ONCE + RULES + "// nothing new")
        one.root.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
        agent.finish(request)
        assert body_of(outsider.take_reply(serial, LONG)) == ()
        assert len(agent.asked) == 1


def test_a_wrong_password(world):
    """Refused, and asked again with the next call."""
    outsider = world.client("outsider")
    agent = Agent(world, outsider)
    for right in (False, False, True):
        serial = typed(outsider)
        agent.answer(right)
        assert (field(outsider.take_reply(serial, LONG), "error_name") is None) is right


def test_a_dialogue_of_who_has_left_is_closed(world):
    """Nobody is to type for a caller that is gone."""
    outsider = world.client("outsider")
    agent = Agent(world, outsider)
    typed(outsider)
    agent.wait()
    outsider.close()

    def cancelled():
        agent.client.bus("GetId")
        return any(field(call, "member") == "CancelAuthentication" for call in agent.client.calls)
    wait_until(cancelled, LONG, "CancelAuthentication")


def test_a_dialogue_holds_up_nobody_else(world):
    """Not other calls of the caller to other objects, nor other callers of the same user."""
    outsider = world.client("outsider")
    agent = Agent(world, outsider)
    serial = typed(outsider)
    agent.wait()
    assert outsider.connect("ListDomains", "u", 0)
    assert world.client("outsider").domain(GUEST, "GetState", "u", 0)
    assert world.client("member").domain(GUEST, "GetState", "u", 0)
    assert not any(field(reply, "reply_serial") == serial for reply in outsider.replies)


# polkit's own life


def test_polkit_dies_and_comes_back(world):
    """Without it nobody but root has a right, not even the group: it was there, so it may say no."""
    outsider, member = world.client("outsider"), world.client("member")
    assert outcome(member) is None
    world.polkit.kill()
    wait_until(lambda: not world.root.has_owner(NAME), LONG, "the name is free")
    wait_until(lambda: outcome(member) == DENIED, LONG, "a member is refused")
    assert outsider.error(GUEST, DOMAIN, "GetState", "u", (0,)).name == DENIED
    assert outcome(world.root) is None
    world.polkit.start()
    wait_until(lambda: outcome(member) is None, LONG, "a member is allowed")
    assert outcome(outsider) == INTERACTIVE
    assert outsider.domain(GUEST, "GetState", "u", 0)


def test_polkit_dies_while_it_is_asked(world):
    outsider = world.client("outsider")
    world.polkit.pause()
    serial = set_autostart(outsider)
    outsider.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    world.polkit.kill()
    assert field(outsider.take_reply(serial, LONG), "error_name") == DENIED


@pytest.mark.long
def test_polkit_hangs(world):
    """Refused after polkit's time, all of a long row at once; others are not held up; then it goes on."""
    member = world.client("member")
    assert outcome(member) is None
    world.polkit.pause()
    try:
        late = world.client("member")
        began = time.monotonic()
        serials = [send(late, f"/org/libvirt/Test/domain/_{i:08x}_f6a4_8304_79aa_97f2502e193f", DOMAIN, "Suspend")
                   for i in range(100)]
        for _ in range(20):
            assert outcome(world.root) is None
            assert outcome(member) is None
        # All of that while polkit is waited for.
        late.drain()
        assert not late.replies
        names = {field(reply, "error_name") for reply in late.collect(serials, LONG).values()}
        took = time.monotonic() - began
        assert names == {DENIED}
        assert 18 < took < 2 * 20, took
    finally:
        world.polkit.resume()
    wait_until(lambda: outcome(late) is None, LONG, "polkit answers again")


@pytest.mark.long
def test_polkit_is_slow(world):
    """Ten seconds without a processor, as on a busy host, refuse nobody."""
    late = world.client("member")
    world.polkit.pause()
    try:
        serial = send(late, GUEST, DOMAIN, "GetState", "u", (0,))
        began = time.monotonic()
        while time.monotonic() < began + 11:
            assert outcome(world.root) is None
    finally:
        world.polkit.resume()
    assert field(late.take_reply(serial, LONG), "error_name") is None


@pytest.mark.parametrize("account", ["guestbus", "root"])
def test_no_polkit_at_all(account):
    """The door of libvirt's sockets: root and the group libvirt. With polkit, its word counts."""
    with guarded(polkit=False, account=account) as one:
        outsider, member = one.client("outsider"), one.client("member")
        assert outcome(one.root) is None
        assert outcome(member) is None
        assert member.domain(GUEST, "GetState", "u", 0)
        assert outcome(outsider) == DENIED
        assert outsider.error(GUEST, DOMAIN, "GetState", "u", (0,)).name == DENIED
        one.polkit.change(allow("member", MANAGE, "NO") + RULES)
        one.polkit.start()
        wait_until(lambda: outcome(member) == DENIED, LONG, "polkit's word counts")
        assert outsider.domain(GUEST, "GetState", "u", 0)
