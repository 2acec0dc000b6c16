# SPDX-License-Identifier: LGPL-2.1-or-later
"""The confused deputy: a real libvirtd that asks a real polkitd about each object, and rules that give one
user one guest. Through the service that user sees, hears and does what the user does without it, and no more;
and there is one view of it all for each process, for as long as it is wanted."""

import contextlib
import re
import xml.etree.ElementTree

import pytest

from support.client import CONNECT, DOMAIN, DBusError
from support.hosts import host
from support.hosts import confined as worlds
from support.hosts.confined import (ACCOUNT, HIDDEN, MINE, NAMES, NETWORK, OTHER, QEMU, confined, furnish, listening,
                                    mentions_other, only, paths, text_of)
from support.hosts.guarded import DENIED, LIMIT, RULES
from support.hosts.workload import object_path
from support.models.listener import CONNECTION, ROOT
from support.process import PATIENCE, descriptors, wait_until
from support.service import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
DOMAIN1 = "org.guestbus.Domain1"
MY_PATH, OTHER_PATH = (object_path(QEMU, "domain", uuid) for uuid in (MINE, OTHER))
WITHIN = 20 * PATIENCE
LIMITS = "view-idle=1\n"
# Two links are opened for who only looks: for events, and for calls, read-only unless root makes them.
LINKS = 2

pytestmark = [pytest.mark.skipif(bool(worlds.missing()), reason=f"{worlds.missing()} is not there"),
              pytest.mark.xdist_group("identity")]  # one world for all


@pytest.fixture(scope="module")
def world():
    with confined(HIDDEN, limits=LIMITS) as one:
        furnish(one.libvirtd)
        yield one


@pytest.fixture
def client(world):
    """client(who): a client of a process of its own, which is closed after the test."""
    with contextlib.ExitStack() as stack:
        def make(who):
            one = world.client(who)
            stack.callback(one.close)
            return one
        yield make


def of(*uuids):
    """Those that it has with the objects of these UUIDs."""
    kinds = ("domain", "network", "storagepool")
    return {QEMU} | {object_path(QEMU, kind, uuid) for kind in kinds for uuid in uuids}


def domains(caller):
    return caller.connect("ListDomains", "u", 0, name="QEMU")


def test_each_sees_its_own(world, client):
    """Lists, pictures and trees are those that libvirt gives that user."""
    limited, outsider, root = client("limited"), client("outsider"), client("root")
    for caller, uuids in ((limited, [MINE]), (outsider, [OTHER]), (root, [MINE, OTHER])):
        guests = {object_path(QEMU, "domain", uuid) for uuid in uuids}
        assert set(domains(caller)) == guests
        assert paths(caller) == of(*uuids)
        assert {row[0] for row in caller.connect("GetAllDomainStats", "uu", 0, 0, name="QEMU")} \
            == {name for name, uuid in NAMES.items() if uuid in uuids}
        for kind, method in (("network", "ListNetworks"), ("storagepool", "ListStoragePools")):
            assert set(caller.connect(method, "u", 0, name="QEMU")) \
                == {object_path(QEMU, kind, uuid) for uuid in uuids}
        tree = caller.introspect(f"{QEMU}/domain")
        assert {node.get("name") for node in xml.etree.ElementTree.fromstring(tree).iter("node")} - {None} \
            == {path.rpartition("/")[2] for path in guests}
        assert caller.get(QEMU, CONNECTION, "State") == ("s", "connected")
    assert not mentions_other(limited.introspect(ROOT) + limited.introspect(QEMU))


def test_libvirt_itself_says_the_same(world, client):
    """The same users directly: what they list, and what they are told of the other guest."""
    limited, outsider = client("limited"), client("outsider")
    listed = "sorted(one.name() for one in c.listAllDomains())"
    for who, names in (("limited", ["mine"]), ("outsider", ["other"]), ("root", ["mine", "other"])):
        assert world.direct(who, listed) == [names]
    number = int(world.libvirtd.virsh("domid", "other"))
    calls = (("DomainLookupByName", "s", "other", "c.lookupByName('other').ID()"),
             ("DomainLookupByUUID", "s", OTHER, f"c.lookupByUUIDString('{OTHER}').ID()"),
             ("DomainLookupByID", "i", number, f"c.lookupByID({number}).ID()"),
             ("NetworkLookupByName", "s", "other", "c.networkLookupByName('other').name()"),
             ("StoragePoolLookupByName", "s", "other", "c.storagePoolLookupByName('other').name()"))
    directly = world.direct("limited", *(row[3] for row in calls))
    for (member, signature, argument, _), said in zip(calls, directly):
        error = limited.error(QEMU, CONNECT, member, signature, (argument,))
        assert error.message == said and "access denied" in said
    assert world.direct("outsider", calls[2][3]) == [number]
    assert outsider.connect("DomainLookupByID", "i", number, name="QEMU") == OTHER_PATH


def test_its_own_it_may_do(world, client):
    """With its own guest the same user does what the rules allow."""
    limited = client("limited")
    assert "<name>mine</name>" in limited.domain(MY_PATH, "GetXMLDesc", "u", 0)
    limited.domain(MY_PATH, "Suspend")
    assert limited.get(MY_PATH, DOMAIN1, "State") == ("s", "paused")
    limited.domain(MY_PATH, "Resume")
    assert limited.call(MY_PATH, DOMAIN1, "WaitForState", "asua{sv}", (["running"], 10000, {}))


def test_nothing_is_heard_of_the_other(world, client):
    """What happens to a guest is told to those who may see it: as signals, and in the stream. A plain client
    of libvirt hears the same."""
    limited, outsider, root = (listening(client(who)) for who in ("limited", "outsider", "root"))
    stranger = world.client("member").match()
    plain = host.Watcher(world.home, world.libvirtd.uri, user=(world.people.ids["limited"],) * 2)
    epochs = {one: one.get(QEMU, CONNECTION, "Epoch")[1] for one in (limited, outsider, root)}
    assert len(set(epochs.values())) == 3
    marks = {one: one.get(QEMU, CONNECTION, "Sequence")[1] for one in epochs}
    try:
        for name in ("other", "mine"):
            world.libvirtd.virsh("suspend", name)
            world.libvirtd.virsh("resume", name)
        plain.wait_for(lambda event: (event[0], event[1], event[3:4]) == ("DomainEvent", "mine", [4]))
        assert not mentions_other(str(plain.read()))
    finally:
        plain.stop()
    resumed = {one: {path for path in (MY_PATH, OTHER_PATH) if path in paths(one)} for one in epochs}
    for one, those in resumed.items():
        for path in those:
            one.wait_for(lambda s, path=path: s.member == "DomainEvent" and s.body[:2] == (path, 4), WITHIN)
            one.wait_for(lambda s, path=path: s.member == "PropertiesChanged" and s.path == path, WITHIN)
    assert len(resumed[root]) == 2
    for one, (mine, other) in ((limited, (True, False)), (outsider, (False, True)), (root, (True, True))):
        said = text_of(one.drain()) + str(one.call(QEMU, CONNECTION, "GetEvents", "stu",
                                                   (epochs[one], marks[one], 0)))
        assert ("'mine'" in said, "'other'" in said) == (mine, other)
        assert (MY_PATH in said, OTHER_PATH in said) == (mine, other)
    # Who never called is told nothing.
    assert not [one for one in stranger.drain() if one.path.startswith(ROOT)]


def test_objects_come_and_go_for_those_who_see_them(world, client):
    """New and removed guests, networks and pools are announced to those alone whom libvirt tells."""
    limited, root = listening(client("limited")), listening(client("root"))
    extra = "31111111-2222-3333-4444-555555555555"
    world.libvirtd.virsh("net-define", world.libvirtd.file(NETWORK.format(name="another", uuid=extra)))
    world.libvirtd.define(host.guest_xml("another", extra))
    for kind in ("domain", "network"):
        path = object_path(QEMU, kind, extra)
        root.wait_for(lambda s, path=path: s.member == "InterfacesAdded" and s.body[0] == path, WITHIN)
    world.libvirtd.virsh("undefine", "another")
    world.libvirtd.virsh("net-undefine", "another")
    for kind in ("domain", "network"):
        path = object_path(QEMU, kind, extra)
        root.wait_for(lambda s, path=path: s.member == "InterfacesRemoved" and s.body[0] == path, WITHIN)
    assert domains(limited) == [MY_PATH]
    heard = text_of(limited.drain())
    assert "another" not in heard and extra.replace("-", "_") not in heard


def test_a_new_rule_counts_at_once(world, client):
    """A view is compared with libvirt when polkit has new rules."""
    limited = listening(client("limited"))
    try:
        world.polkit.change(ACCOUNT + only("limited", "mine", "other") + only("outsider", "other") + RULES)
        limited.wait_for(lambda s: s.member == "InterfacesAdded" and s.body[0] == OTHER_PATH, WITHIN)
        assert limited.get(OTHER_PATH, DOMAIN1, "State") == ("s", "running")
    finally:
        world.polkit.change(ACCOUNT + HIDDEN + RULES)
    limited.wait_for(lambda s: s.member == "InterfacesRemoved" and s.body[0] == OTHER_PATH, WITHIN)
    assert paths(limited) == of(MINE)


def test_the_rules_in_the_documentation(world, client):
    """They are enough for the service's account, and do what they say."""
    page = DOCUMENT.partition("\n## Guests of their own\n")[2]
    blocks = re.findall(r"^```js\n(.*?)^```$", page, re.M | re.S)
    assert len(blocks) == 2 and '"anna"' in blocks[1] and '"web"' in blocks[1]
    rules = blocks[0] + blocks[1].replace('"anna"', '"limited"').replace('"web"', '"mine"')
    limited = client("limited")
    try:
        world.polkit.change(rules + RULES)
        assert domains(limited) == [MY_PATH]
        assert "access denied" in limited.error(OTHER_PATH, DOMAIN, "GetState", "u", (0,)).message
    finally:
        world.polkit.change(ACCOUNT + HIDDEN + RULES)


def nobody_there(world):
    """Waits until no view is open; the number of the service's descriptors then."""
    wait_until(lambda: world.libvirtd.clients() == 0, WITHIN,
               lambda: f"{world.libvirtd.clients()} clients of libvirtd")
    return descriptors(world.service.pid)


def test_a_view_for_each_process(world, client):
    """Two connections of a process are one caller; two processes of one user are not, as polkit's rules may
    tell them apart. A view is closed some time after the last of its connections, and leaves nothing."""
    before = nobody_there(world)
    first = client("limited")
    assert domains(first) == [MY_PATH]
    wait_until(lambda: world.libvirtd.clients() == LINKS, WITHIN, "a view is open")
    with first.again() as second:
        listening(second)
        world.libvirtd.virsh("suspend", "mine")
        world.libvirtd.virsh("resume", "mine")
        for one in (first, second):
            one.wait_signal("DomainEvent", WITHIN)
        assert second.get(QEMU, CONNECTION, "Epoch") == first.get(QEMU, CONNECTION, "Epoch")
        assert world.libvirtd.clients() == LINKS
    other = client("limited")
    assert domains(other) == [MY_PATH]
    assert other.get(QEMU, CONNECTION, "Epoch") != first.get(QEMU, CONNECTION, "Epoch")
    wait_until(lambda: world.libvirtd.clients() == 2 * LINKS, WITHIN, "another view is open")
    other.close()
    wait_until(lambda: world.libvirtd.clients() == LINKS, WITHIN, "it is closed")
    assert domains(first) == [MY_PATH]
    first.close()
    assert nobody_there(world) <= before


def test_a_view_is_given_up_while_libvirtd_hangs(world, client):
    """Its process leaves before libvirtd has said a word: nothing of it is left when libvirtd goes on, and
    others are served."""
    before = nobody_there(world)
    first = client("limited")
    world.libvirtd.pause()
    try:
        first.send(QEMU, CONNECT, "ListDomains", "u", (0,))
        said = f"process {first.process.pid} of user {world.people.ids['limited']} is forwarded"
        wait_until(lambda: f"{said} to libvirt" in world.service.stderr(), WITHIN, "a view is opened")
        first.close()
        wait_until(lambda: f"{said} no longer" in world.service.stderr(), WITHIN, "the view is closed")
    finally:
        world.libvirtd.resume()
    other = client("outsider")
    assert domains(other) == [OTHER_PATH]
    other.close()
    wait_until(lambda: nobody_there(world) <= before, WITHIN, "what was open is closed")


def test_a_view_waits_for_its_process(world, client):
    """Who connects anew soon finds the view as it was."""
    first = client("limited")

    def same_view():
        """For which it has a second, and a busy machine may take longer."""
        with first.again() as second:
            epoch = second.get(QEMU, CONNECTION, "Epoch")
        with first.again() as third:
            return third.get(QEMU, CONNECTION, "Epoch") == epoch
    wait_until(same_view, WITHIN, "the view is as it was")


def test_who_has_gone_is_nobody(world, client):
    """A connection that outlives its process, in the hands of another one, has no identity any more: what
    libvirt tells it is nothing, and no view is opened for it."""
    used, fresh = client("limited"), client("limited")
    assert domains(used) == [MY_PATH]
    for one in (used, fresh):
        one.leave()
    assert "access denied" in used.error(MY_PATH, DOMAIN, "GetXMLDesc", "u", (0,)).message
    assert fresh.error(QEMU, CONNECT, "ListDomains", "u", (0,)).name == DENIED


def test_who_may_only_monitor(world, client):
    """Over a read-only connection, and in the caller's name, too."""
    root, reader = client("root"), client("limited")
    rules = ('polkit.addRule(function (action, subject) {\n'
             '    if (action.id == "org.guestbus1.manage" && subject.user == "limited")\n'
             '        return polkit.Result.NO;\n});\n')
    try:
        world.polkit.change(rules + ACCOUNT + HIDDEN + RULES)
        assert domains(reader) == [MY_PATH]
        assert reader.error(MY_PATH, DOMAIN, "Suspend").name == DENIED
        error = reader.error(MY_PATH, DOMAIN, "GetXMLDesc", "u", (1,))
        assert "virDomainGetXMLDesc with secure flag" in error.message
        assert "access denied" in reader.error(OTHER_PATH, DOMAIN, "GetXMLDesc", "u", (0,)).message
    finally:
        world.polkit.change(ACCOUNT + HIDDEN + RULES)
    assert len(domains(root)) == 2


def test_libvirtd_restarts(world, client):
    """A view is opened again by itself, for the same caller."""
    limited = listening(client("limited"))
    world.libvirtd.stop()
    limited.wait_for(lambda s: s.member == "Event" and s.body[0] == "closed", WITHIN)
    world.libvirtd.start()
    limited.wait_for(lambda s: s.member == "PropertiesChanged" and s.path == QEMU
                     and s.body[1].get("State") == ("s", "connected"), WITHIN)
    wait_until(lambda: paths(limited) == of(MINE), WITHIN, lambda: paths(limited))
    assert "access denied" in limited.error(OTHER_PATH, DOMAIN, "GetState", "u", (0,)).message
    world.libvirtd.virsh("suspend", "other")
    world.libvirtd.virsh("resume", "other")
    world.libvirtd.virsh("suspend", "mine")
    limited.wait_for(lambda s: s.member == "DomainEvent" and s.body[:2] == (MY_PATH, 3), WITHIN)
    world.libvirtd.virsh("resume", "mine")
    assert not mentions_other(text_of(limited.drain()))


def test_the_service_may_not_forward(world, client):
    """Where libvirt does not let the service forward callers, nobody is served: not in its own name."""
    try:
        world.polkit.change(ACCOUNT.replace(', "connect.write"', "") + HIDDEN + RULES)
        for who in ("root", "limited"):
            error = client(who).error(QEMU, CONNECT, "ListDomains", "u", (0,))
            assert "failed to forward the caller to libvirt: access denied" in error.message
    finally:
        world.polkit.change(ACCOUNT + HIDDEN + RULES)


@contextlib.contextmanager
def served_otherwise(world, **options):
    """The service is another one for a while."""
    world.service.stop(within=10 * PATIENCE)
    world.serve(**options)
    try:
        yield world.service
    finally:
        world.service.stop(within=10 * PATIENCE)
        world.serve(limits=LIMITS)


def test_the_service_cannot_see_its_callers(world, client):
    """As its unit is shipped: that is said at the start, and nobody is served in another name."""
    with served_otherwise(world, hidden=True) as service:
        service.unread = "it serves nobody"
        assert "ProtectProc" in service.stderr()
        for who in ("limited", "root"):
            error = client(who).error(QEMU, CONNECT, "ListDomains", "u", (0,))
            assert error.name == DENIED and "not visible" in error.message
        error = client("guestbus").error(QEMU, CONNECT, "ListDomains", "u", (0,))
        assert "access denied" in error.message


def test_there_are_so_many_views(world, client):
    """One user's processes have a part of them; idle ones make room. Other connections of the service are not
    concerned: they are shared, and tell everybody."""
    with served_otherwise(world, connections={"Test": "test:///default"},
                          limits="views=4\nview-idle=3600\n") as service:
        service.unread = "its views are taken"
        stranger = client("outsider").match()
        first, second = client("limited"), client("limited")
        assert domains(first) == [MY_PATH]
        error = second.error(QEMU, CONNECT, "ListDomains", "u", (0,))
        assert error.name == LIMIT and "of one user" in error.message
        assert len(domains(client("root"))) == 2
        first.close()
        wait_until(lambda: served(second), WITHIN, "an idle view makes room")
        wait_until(lambda: world.libvirtd.clients() == 2 * LINKS, WITHIN, "it is closed")
        assert len(second.connect("ListDomains", "u", 0)) == 1
        second.domain("/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f", "Suspend")
        stranger.wait_signal("DomainEvent", WITHIN, path="/org/libvirt/Test")


def served(caller):
    try:
        return domains(caller)
    except DBusError as error:
        assert error.name == LIMIT
        return False
