# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of the stream where libvirt's events come late, or before the answer to a question that was asked
earlier: what is told of an object begins with `added`, ends with `removed`, and is told once."""

import libvirt
import pytest

from support.client import CONNECT
from support.hosts.native import GUEST, TEST, XML, filled, get_events, number_of, plain_values, resync
from support.hosts.native import plain  # noqa: F401 (a fixture)
from support.hosts.rpc_proxy import LIST_ALL_STORAGE_POOLS, MESSAGE, REPLY, Holder
from support.hosts.workload import object_path
from support.models.listener import CONNECTION, INTERFACES, connection_of
from support.process import PATIENCE, wait_until
from support.service import wait_connected

DOMAIN1 = INTERFACES["domain"]
WITHIN = 30 * PATIENCE
CONFIG = "[limits]\ncheck-interval=0\nopen-timeout=120\n"


@pytest.fixture
def proxy(home, libvirtd):
    holder = Holder(home / "proxy", libvirtd.socket)
    yield holder
    holder.close()


@pytest.fixture
def start(proxy, one_bus, run_service, connect):
    """start() runs the service behind the proxy, and returns a client of it."""
    def begin():
        run_service(one_bus, {"Test": f"test+unix:///default?socket={proxy.path}"}, config=CONFIG)
        client = connect(one_bus)
        wait_connected(client)
        return client
    return begin


def words(client, path):
    """What was told of an object, as words: the kind, or the event of a lifecycle, with * where it is not
    libvirt's own."""
    told = []
    for event in get_events(client, 0):
        details = plain_values(event.details)
        if event.path == path and (event.kind != "changed" or "State" in details):
            told.append(details.get("event", event.kind) + ("*" if details.get("synthetic") else ""))
    return told


def hold_events(proxy):
    proxy.holds = lambda procedure, kind: kind == MESSAGE


@pytest.fixture
def listener(one_bus, connect):
    """Hears what libvirt-dbus sends: libvirt's events as they are."""
    return connect(one_bus).match("type='signal',member='DomainEvent'")


def let_go(proxy, client, listener, plain, path, number):
    """What was held comes with libvirtd's next word; the signal of libvirt's event shows that it is here."""
    proxy.holds = None
    plain.lookupByName("test").suspend()
    listener.wait_for(lambda one: one.body[:2] == (path, number), WITHIN)
    listener.wait_for(lambda one: one.body[:2] == (GUEST, libvirt.VIR_DOMAIN_EVENT_SUSPENDED), WITHIN)
    resync(client)


def test_a_guest_that_is_found_gone(proxy, start, plain, listener):
    """A question that has another reason finds a transient guest gone before its event is here."""
    client, path = start(), object_path(TEST, "domain", number_of("one"))
    resync(client)
    domain = plain.createXML(filled(XML, "one"))
    wait_until(lambda: words(client, path)[-1:] == ["started"], WITHIN, "it is known")
    hold_events(proxy)
    domain.destroy()
    assert resync(client) == (0, 0, 1)
    assert words(client, path) == ["added", "started", "stopped*", "removed*"]
    let_go(proxy, client, listener, plain, path, libvirt.VIR_DOMAIN_EVENT_STOPPED)
    assert words(client, path) == ["added", "started", "stopped*", "removed*"]


def test_a_guest_that_is_found_in_another_state(proxy, start, plain, listener):
    """The property does not show what no event told; and what was told in libvirt's place is not told again."""
    client = start()
    resync(client)
    hold_events(proxy)
    plain.lookupByName("test").destroy()
    assert resync(client) == (0, 1, 0)
    assert words(client, GUEST) == ["added", "stopped*", "changed*"]
    plain.lookupByName("test").create()
    let_go(proxy, client, listener, plain, GUEST, libvirt.VIR_DOMAIN_EVENT_STARTED)
    assert words(client, GUEST)[3] == "started" and words(client, GUEST).count("started") == 1
    assert "stopped" not in words(client, GUEST)
    assert client.get(GUEST, DOMAIN1, "State")[1] == plain_state(plain)


def plain_state(plain):
    return {libvirt.VIR_DOMAIN_RUNNING: "running", libvirt.VIR_DOMAIN_PAUSED: "paused"}[
        plain.lookupByName("test").state()[0]]


def test_libvirts_word_is_waited_for(start, plain):
    """An event that comes soon after an answer is told as libvirt's own, and nothing beside it. In one of some rows of
    such: on a busy machine libvirtd may need longer for one than it is waited for."""
    client = start()
    resync(client)
    for name in ("one", "two", "three"):
        told = told_beside_comparisons(client, plain, name)
        assert [word.rstrip("*") for word in told] == ["added", "started", "stopped", "removed"] * 30
        if not any("*" in word for word in told):
            return
    raise AssertionError(told)


def told_beside_comparisons(client, plain, name):
    """The words about a guest that comes and goes thirty times."""
    path = object_path(TEST, "domain", number_of(name))
    for turn in range(30):
        serial = client.send(TEST, CONNECTION, "Resync")
        domain = plain.createXML(filled(XML, name))
        client.take_reply(serial, WITHIN)
        serial = client.send(TEST, CONNECTION, "Resync")
        domain.destroy()
        client.take_reply(serial, WITHIN)
        wait_until(lambda: sum(word.startswith("removed") for word in words(client, path)) > turn, WITHIN, "it is gone")
    return [word for word in words(client, path) if word.rstrip("*") != "changed"]


def test_a_guest_that_stops_while_it_is_listed(proxy, start, plain, listener):
    """The first list was asked for before the guest stopped, and comes after the event: it is not believed."""
    proxy.holds = lambda procedure, kind: (procedure, kind) == (LIST_ALL_STORAGE_POOLS, REPLY)
    client = start()
    wait_until(lambda: proxy.held, WITHIN, "the list is made")
    plain.lookupByName("test").destroy()
    listener.wait_for(lambda one: one.body[0] == GUEST, WITHIN)
    proxy.holds = None
    plain.networkLookupByName("default").destroy()
    assert client.get(GUEST, DOMAIN1, "State") == ("s", "shutoff")
    assert words(client, GUEST) == ["added", "stopped"]
    added = next(event for event in get_events(client, 0) if event.path == GUEST and event.kind == "added")
    assert plain_values(added.details)["State"] == "shutoff"
    assert connection_of(added.path) == TEST


def test_a_guest_that_a_call_defines(proxy, start):
    """It is announced with all that libvirt answered, also where libvirt was asked about its state alone after that."""
    client, path = start(), object_path(TEST, "domain", number_of("one"))
    resync(client)
    hold_events(proxy)
    assert client.call(TEST, CONNECT, "DomainDefineXML", "s", (filled(XML, "one"),)) == (path,)
    assert words(client, path) == ["added", "defined*"]
    added = next(event for event in get_events(client, 0) if event.path == path)
    assert plain_values(added.details)["Name"] == "one"
    assert plain_values(added.details)["Persistent"]
