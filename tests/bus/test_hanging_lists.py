# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt takes its time for a list: a pool whose server is gone holds its lock, for instance, and the list of
pools waits for that, while keep-alive is answered. What is there cannot be compared then; but whoever has changed
something gets the reply, and whoever asks what is there is told that nobody knows."""

import collections
import time

import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, DBusError, body_of
from support.hosts.native import GUEST, NET, POOL, TEST, XML, filled, resync, state
from support.hosts.native import plain  # noqa: F401 (a fixture)
from support.hosts.rpc_proxy import LIST_ALL_STORAGE_POOLS, REPLY, Holder
from support.hosts.workload import object_path
from support.models.listener import CONNECTION, INTERFACES, MANAGER, ROOT, picture
from support.process import PATIENCE, seconds, soon, wait_until
from support.programs.bystander import assert_served
from support.service import wait_connected

STORAGE_POOL = "org.libvirt.StoragePool"
DOMAIN1, POOL1 = INTERFACES["domain"], INTERFACES["storagepool"]
TEST_POOL = object_path(TEST, "storagepool", "dfe224cb-28fb-8dd0-c4b2-64eb3f0f4566")
WITHIN = 30 * PATIENCE
OPEN_TIMEOUT = 2
LATE = OPEN_TIMEOUT + 10 * PATIENCE
CONFIG = f"[limits]\nopen-timeout={OPEN_TIMEOUT}\ncheck-interval=0\n"
WAITING = [(ROOT, MANAGER, "GetManagedObjects"), (TEST_POOL, PROPERTIES, "Get", "ss", (POOL1, "Active")),
           (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN1,)),
           (GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["running"], 0, {}))]


def answers(client, call):
    """Whether the reply is no error."""
    try:
        return client.call(*call)
    except DBusError:
        return None


def is_list_of_pools(procedure, kind):
    return (procedure, kind) == (LIST_ALL_STORAGE_POOLS, REPLY)


class Lists:
    """hang() keeps the answers to the service's lists of pools back, from the next one on. Those that were kept
    come after go(), with libvirtd's next word, which that sees to."""

    def __init__(self, proxy, plain):
        self.proxy = proxy
        self.plain = plain

    def hang(self):
        self.proxy.holds = is_list_of_pools

    def go(self):
        self.proxy.holds = None
        self.plain.networkLookupByName("default").destroy()
        self.plain.networkLookupByName("default").create()


@pytest.fixture
def lists(home, libvirtd, plain):
    proxy = Holder(home / "proxy", libvirtd.socket)
    yield Lists(proxy, plain)
    proxy.close()


@pytest.fixture
def start(lists, one_bus, run_service, connect):
    """start() runs the service, and returns a client of it."""
    def begin(config=CONFIG):
        service = run_service(one_bus, {"Test": f"test+unix:///default?socket={lists.proxy.path}"}, config=config)
        client = connect(one_bus)
        client.service = service
        wait_connected(client)
        wait_until(lambda: state(client) == "connected", WITHIN, "it is open")
        return client
    return begin


@pytest.fixture
def known(start):
    """Everything was listed once, and nothing is under way."""
    client = start()
    wait_until(lambda: picture(client)[GUEST][DOMAIN1]["OSType"], WITHIN, "its type is read")
    assert resync(client) == (0, 0, 0)
    return client


def test_who_asks_what_is_there_at_the_start(lists, start):
    """That nobody knows is an error, which says of what connection. Libvirt itself is asked as ever."""
    lists.hang()
    client = start()
    began = time.monotonic()
    serials = [client.send(*call) for call in WAITING * 20]
    assert client.domain(GUEST, "GetState", "u", 0)[0] == 1
    for reply in client.collect(serials, WITHIN).values():
        with pytest.raises(DBusError, match="failed to list what Test has: test[+]unix:.* takes longer than 2 s"):
            body_of(reply)
    assert time.monotonic() - began < LATE

    # From then on at once, and without one more question each.
    for call in WAITING:
        assert client.error(*call).name == "org.libvirt.Error"
        soon(lambda: seconds(client.error, *call), OPEN_TIMEOUT)  # noqa: B023
    # A collection is there even where nobody can tell what is in it.
    assert "_" not in client.introspect(f"{TEST}/storagepool").rpartition("</interface>")[2]

    lists.go()
    wait_until(lambda: answers(client, WAITING[0]), WITHIN, "everything is listed")
    assert {GUEST, NET, TEST_POOL} < picture(client).keys()
    assert client.get(TEST_POOL, POOL1, "Active") == ("b", True)
    assert client.call(*WAITING[-1]) == ("running",)
    assert resync(client) == (0, 0, 0)


def test_a_list_that_is_late(lists, start):
    """Who waits for it is answered with it, where it comes in time."""
    lists.hang()
    client = start(CONFIG.replace(f"open-timeout={OPEN_TIMEOUT}", "open-timeout=120"))
    serials = [client.send(*call) for call in WAITING]
    assert client.domain(GUEST, "GetState", "u", 0)[0] == 1
    lists.go()
    bodies = [body_of(reply) for reply in client.collect(serials, WITHIN).values()]
    assert {GUEST, NET, TEST_POOL} < bodies[0][0].keys()
    assert bodies[1] == (("b", True),) and bodies[3] == ("running",)


def test_who_changes_something(lists, known):
    """It is done, and the reply comes in time; that it shows takes as long as libvirt does."""
    client = known
    lists.hang()
    comparison = client.send(TEST, CONNECTION, "Resync")
    for number in range(2):
        began = time.monotonic()
        path = client.connect("DomainDefineXML", "s", filled(XML, f"new{number}"))
        assert OPEN_TIMEOUT - 0.1 < time.monotonic() - began < LATE
        # What its event said is known, and that it may not be all.
        properties = picture(client)[path][DOMAIN1]
        assert (properties["Name"], properties["Persistent"], properties["Stale"]) == (f"new{number}", True, True)

    began = time.monotonic()
    serials = [client.send(path, DOMAIN, "Create", "u", (0,))]
    serials += [client.send(GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", True))) for _ in range(50)]
    pool = client.send(TEST, "org.libvirt.Connect", "StoragePoolDefineXML", "su", (filled(POOL, "p"), 0))
    for reply in client.collect([*serials, pool], WITHIN).values():
        body_of(reply)
    assert OPEN_TIMEOUT - 0.1 < time.monotonic() - began < LATE
    assert client.domain(path, "GetState", "u", 0)[0] == 1

    lists.go()
    body_of(client.take_reply(comparison, WITHIN))
    # The next who changes something is shown all of it.
    client.domain(GUEST, "Suspend")
    wait_until(lambda: client.get(path, DOMAIN1, "State") == ("s", "running"), WITHIN, "it shows")
    wait_until(lambda: client.get(GUEST, DOMAIN1, "Autostart") == ("b", True), WITHIN, "it shows")
    assert client.get(GUEST, DOMAIN1, "State") == ("s", "paused")
    client.domain(path, "Destroy", "u", 0)
    assert client.get(path, DOMAIN1, "State") == ("s", "shutoff")


def test_who_waits_for_something_else(lists, known):
    """Has no new end: a comparison is answered when it is made, WaitForState when its time is over."""
    client = known
    lists.hang()
    comparison = client.send(TEST, CONNECTION, "Resync")
    wait = client.send(GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["shutoff"], 0, {}))
    client.set(GUEST, DOMAIN, "Autostart", "b", True)  # takes until its deadline
    short = client.send(GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["shutoff"], 1, {}))
    with pytest.raises(DBusError, match="in time"):
        body_of(client.take_reply(short, WITHIN))
    client.drain()
    assert not client.replies
    lists.go()
    assert len(body_of(client.take_reply(comparison, WITHIN))) == 3
    client.domain(GUEST, "Destroy", "u", 0)
    assert body_of(client.take_reply(wait, WITHIN)) == ("shutoff",)


def test_what_is_not_known_is_stale(lists, known):
    """While libvirt answers no question for open-timeout, though it keeps the connection alive, all objects are
    stale; when it answers, everything is compared."""
    def stale():
        objects = picture(known)
        return {path for path in (GUEST, NET, TEST_POOL)
                if any(values.get("Stale") for values in objects[path].values())}

    assert not stale()
    lists.hang()
    comparison = known.send(TEST, CONNECTION, "Resync")
    wait_until(lambda: stale() == {GUEST, NET, TEST_POOL}, WITHIN, "all are stale")
    lists.go()
    body_of(known.take_reply(comparison, WITHIN))
    wait_until(lambda: not stale(), WITHIN, "nothing is stale")


def test_others_ask(lists, start, one_bus, connect):
    """A pool whose server is gone holds up those that ask for it, and for the list of pools; but nobody who asks
    for something else, however many those are. All are answered when its server is back."""
    client = start(CONFIG + "keepalive-interval=1\n")
    before = collections.Counter(lists.proxy.calls())
    client.call(TEST_POOL, STORAGE_POOL, "GetInfo")
    hung = {LIST_ALL_STORAGE_POOLS, *(collections.Counter(lists.proxy.calls()) - before)}
    lists.proxy.holds = lambda procedure, kind: kind == REPLY and procedure in hung
    asked = [(one, one.send(*call)) for one in [connect(one_bus) for _ in range(20)]
             for call in ((TEST_POOL, STORAGE_POOL, "GetInfo"), (TEST, CONNECT, "ListStoragePools", "u", (0,)))]
    assert_served(client, TEST, GUEST, 3)
    lists.go()
    for one, serial in asked:
        assert body_of(one.take_reply(serial, WITHIN))[0]


def test_it_ends_while_a_list_hangs(lists, known):
    """It does not wait for the list; who waits is told."""
    lists.hang()
    serial = known.send(TEST, CONNECTION, "Resync")
    known.domain(GUEST, "GetState", "u", 0)
    known.drain()
    assert not known.replies
    assert known.service.stop() < 10
    with pytest.raises(DBusError, match="the service (is stopping|stopped before)"):
        body_of(known.take_reply(serial))
