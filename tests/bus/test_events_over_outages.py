# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stream over an outage: what is told of the outage itself, and that what happened meanwhile is found
and told.

Changes that nobody may hear of are made while the service stands still and libvirtd was started anew: when
it goes on, its connection is lost, and with it every event."""

import contextlib
import os
import signal
import threading

import libvirt
import pytest

from support.hosts.host import guest_xml
from support.hosts.native import (GUEST, NET, NETWORK, POOL, QEMU, TEST, XML, counters, epoch, filled, get_events,
                                  last, number_of, plain_values, resync, state)
from support.hosts.rpc_proxy import MESSAGE, Holder
from support.hosts.workload import object_path, truth
from support.models.listener import CONNECTION, INTERFACES, EventListener, StandardListener, picture
from support.process import PATIENCE, wait_until
from support.service import wait_connected

DOMAIN1 = INTERFACES["domain"]
WITHIN = 30 * PATIENCE
EVENTS = {"defined": 0, "undefined": 1, "started": 2, "suspended": 3, "resumed": 4, "stopped": 5}
IMPLIED = {"started": "running", "suspended": "paused", "resumed": "running", "stopped": "shutoff"}

REAL_POOL = """<pool type='dir'><name>{name}</name><uuid>{number}</uuid>
<target><path>/tmp</path></target></pool>"""


def back_after(client, number, root=TEST):
    """The events after a number, once there is one of an outage that is over."""
    def over():
        events = get_events(client, number, root)
        kinds = [event.kind for event in events if event.path == root]
        return kinds[-1:] == ["resynced"] and events
    return wait_until(over, WITHIN, lambda: f"everything was compared: {get_events(client, number, root)}")


def lifecycles(events, path):
    """[(event, details)] of an object's lifecycle."""
    return [(plain_values(one.details)["event"], plain_values(one.details)) for one in events
            if one.path == path and one.kind == "lifecycle"]


def summary(events):
    """The numbers of the last resynced."""
    values = plain_values([one for one in events if one.kind == "resynced"][-1].details)
    assert values.pop("epoch")
    return values


def found(events, path, *words):
    """Checks that those were told of a domain, and that they are said not to be libvirt's own."""
    told = lifecycles(events, path)
    assert [word for word, _ in told] == list(words), told
    for word, details in told:
        expected = {"event": word, "event-number": EVENTS[word], "synthetic": True}
        if "/domain/" in path and word in IMPLIED:
            expected["state"] = IMPLIED[word]
        elif word == "stopped":
            expected["event-number"] = 3  # of networks and pools
        assert details == expected


def reconnected(plain):
    """Waits until libvirtd has found its guests again: a question to them has its turn after that."""
    plain.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_BALLOON)


class Scene:
    """libvirtd, the service on it, and a plain client that comes and goes."""

    def __init__(self, libvirtd, service, client, root, uri):
        self.libvirtd, self.service, self.client, self.root, self.uri = libvirtd, service, client, root, uri

    @contextlib.contextmanager
    def plain(self):
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def start(self):
        """The number of the last event when the service knows what there is."""
        resync(self.client, self.root)
        wait_until(lambda: all(one["OSType"] for one in self.domains().values()), WITHIN, "types are read")
        resync(self.client, self.root)
        return last(self.client, self.root)

    def domains(self):
        return {path: interfaces[DOMAIN1] for path, interfaces in picture(self.client).items()
                if DOMAIN1 in interfaces}

    @contextlib.contextmanager
    def unheard(self):
        """A plain client of the libvirtd after the outage, of which the service has not heard yet."""
        self.service.process.send_signal(signal.SIGSTOP)
        try:
            self.libvirtd.stop(signal.SIGKILL)
            self.libvirtd.start()
            with self.plain() as plain:
                yield plain
        finally:
            self.service.process.send_signal(signal.SIGCONT)


@pytest.fixture
def scene(one_bus, libvirtd, run_service, connect):
    """The test driver: with libvirtd it loses what it had, and begins with what it always begins with."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_connected(client)
    return Scene(libvirtd, service, client, TEST, libvirtd.test_uri)


@pytest.fixture
def qemu(reaper, one_bus, libvirtd, run_service, connect):
    """QEMU: what is defined and what runs outlives libvirtd."""
    service = run_service(one_bus, {"QEMU": libvirtd.uri})
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    return Scene(libvirtd, service, client, QEMU, libvirtd.uri)


# The outage itself

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_the_outage_is_told(scene, sig):
    client, start = scene.client, scene.start()
    scene.libvirtd.stop(sig)
    wait_until(lambda: state(client) == "disconnected", WITHIN, "it is lost")
    events = get_events(client, start)
    assert [(one.path, one.kind, one.name) for one in events] == [(TEST, "closed", "")]
    details = plain_values(events[0].details)
    assert set(details) == {"reason", "error"} and details["reason"] in ("eof", "error")
    assert scene.uri in details["error"]
    assert client.get(TEST, CONNECTION, "LastError")[1]
    assert client.get(TEST, CONNECTION, "Driver")[1]
    number = last(client)
    scene.libvirtd.start()
    events = back_after(client, number)
    mine = ("s", epoch(client))
    assert (events[0].path, events[0].kind, events[0].details) == (TEST, "opened", {"epoch": mine})
    assert (events[-1].path, events[-1].kind, events[-1].details["epoch"]) == (TEST, "resynced", mine)
    assert summary(events) == {"added": 0, "changed": 0, "removed": 0}
    assert (state(client), client.get(TEST, CONNECTION, "LastError")[1]) == ("connected", "")


def test_everything_is_stale_until_it_was_compared(scene, connect):
    client = scene.client
    scene.start()
    listener, before = connect(scene.service.bus).match(), picture(client)
    stale = {path: interfaces for path, interfaces in before.items() if path != TEST}
    assert len(stale) == 3 and not any(list(one.values())[0]["Stale"] for one in stale.values())
    scene.libvirtd.stop()
    wait_until(lambda: client.get(GUEST, DOMAIN1, "Stale") == ("b", True), WITHIN, "it is stale")
    during = picture(client)
    assert during.keys() == before.keys()
    for path, interfaces in stale.items():
        for name, values in interfaces.items():
            assert during[path][name] == (dict(values, Stale=True) if values else {})
    scene.libvirtd.start()
    listener.wait_signal("Resynced", WITHIN)
    for signal_ in listener.signals:
        assert signal_.member not in ("InterfacesAdded", "InterfacesRemoved")
    told = [[one.path for one in listener.signals if one.member == "PropertiesChanged"
             and one.body[1] == {"Stale": ("b", value)}] for value in (True, False)]
    assert sorted(told[0]) == sorted(told[1]) == sorted(stale)
    members = [one.member for one in listener.signals if one.member == "Resynced"
               or one.body[1:2] == ({"Stale": ("b", False)},)]
    assert members == ["PropertiesChanged"] * 3 + ["Resynced"]
    after = picture(client)
    assert {path: after[path] for path in stale} == stale


def test_the_signal_resynced(scene, connect):
    client, listener = scene.client, connect(scene.service.bus).match()
    scene.start()
    listener.drain()
    listener.signals.clear()
    scene.libvirtd.stop()
    wait_until(lambda: state(client) == "disconnected", WITHIN, "it is lost")
    scene.libvirtd.start()
    one = listener.wait_signal("Resynced", WITHIN)
    assert (one.path, one.interface, one.signature) == (TEST, CONNECTION, "stuuu")
    assert one.body == (client.get(TEST, CONNECTION, "Epoch")[1], last(client), 0, 0, 0)
    events = [signal_ for signal_ in listener.signals if signal_.member == "Event"]
    assert (events[-1].body[0], events[-1].body[1]) == ("resynced", one.body[1])


def test_nothing_is_removed_by_many_outages(scene, connect):
    client, listener = scene.client, connect(scene.service.bus).match()
    number = scene.start()
    for turn in range(6):
        mark = last(client)
        scene.libvirtd.stop(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        wait_until(lambda: state(client) == "disconnected", WITHIN, "it is lost")
        assert GUEST in picture(client)
        scene.libvirtd.start()
        back_after(client, mark)
    assert [one.kind for one in get_events(client, number)] == ["closed", "opened", "resynced"] * 6
    assert not [one for one in listener.drain() if one.member == "InterfacesRemoved"]
    assert counters(client)["reconnects"] == 6


# What happened meanwhile

def test_what_the_test_driver_forgot(scene):
    """What was made is gone, what was changed is as it always begins; all of it is found."""
    client = scene.client
    with scene.plain() as plain:
        plain.defineXML(filled(XML, "off"))
        plain.defineXML(filled(XML, "on")).create()
        plain.createXML(filled(XML, "transient"))
        plain.networkDefineXML(filled(NETWORK, "busy")).create()
        pool = plain.storagePoolDefineXML(filled(POOL, "idle"))
        plain.lookupByName("test").destroy()
        plain.networkLookupByName("default").destroy()
        plain.storagePoolLookupByName("default-pool").destroy()
        assert not pool.isActive()
    number = scene.start()
    assert client.get(GUEST, DOMAIN1, "State") == ("s", "shutoff")
    scene.libvirtd.stop()
    scene.libvirtd.start()
    events = back_after(client, number)
    found(events, object_path(TEST, "domain", number_of("off")), "undefined")
    found(events, object_path(TEST, "domain", number_of("on")), "stopped", "undefined")
    found(events, object_path(TEST, "domain", number_of("transient")), "stopped")
    found(events, object_path(TEST, "network", number_of("busy")), "stopped", "undefined")
    found(events, object_path(TEST, "storagepool", number_of("idle")), "undefined")
    found(events, GUEST, "started")
    found(events, NET, "started")
    removed = [one for one in events if one.kind == "removed"]
    assert len(removed) == 5 and all(plain_values(one.details) == {"synthetic": True} for one in removed)
    assert summary(events) == {"added": 0, "changed": 3, "removed": 5}
    assert set(picture(client)) == {TEST, *truth(scene.uri, TEST)}


def test_what_is_found_new(scene):
    client, number = scene.client, scene.start()
    with scene.unheard() as plain:
        plain.defineXML(filled(XML, "off"))
        plain.defineXML(filled(XML, "on")).create()
        plain.createXML(filled(XML, "transient")).suspend()
        plain.networkDefineXML(filled(NETWORK, "idle"))
        plain.networkCreateXML(filled(NETWORK, "passing"))
        pool = plain.storagePoolDefineXML(filled(POOL, "used"))
        pool.build()
        pool.create()
        plain.lookupByName("test").suspend()
    events = back_after(client, number)
    found(events, object_path(TEST, "domain", number_of("off")), "defined")
    found(events, object_path(TEST, "domain", number_of("on")), "defined", "started")
    found(events, object_path(TEST, "domain", number_of("transient")), "started", "suspended")
    found(events, object_path(TEST, "network", number_of("idle")), "defined")
    found(events, object_path(TEST, "network", number_of("passing")), "started")
    found(events, object_path(TEST, "storagepool", number_of("used")), "defined", "started")
    found(events, GUEST, "suspended")
    added = [plain_values(one.details) for one in events if one.kind == "added"]
    assert len(added) == 6 and all(details.pop("synthetic") is True for details in added)
    assert summary(events) == {"added": 6, "changed": 1, "removed": 0}
    assert counters(client)["events.synthetic"] == len([one for one in events if "synthetic" in one.details])


def define(plain):
    return plain.defineXML(filled(XML, "one"))


def create(plain):
    return plain.createXML(filled(XML, "one"))


def undefine(plain):
    plain.lookupByName("one").undefine()


@pytest.mark.parametrize("known, first, then, expected", [
    (False, define, define, [("defined", False)]),
    (False, create, create, [("started", False)]),
    (True, undefine, None, [("undefined", False)]),
    (True, define, None, [("defined", False), ("undefined", True)])])
def test_what_was_told_right_before_the_loss(scene, known, first, then, expected):
    """There is no time to ask about an event: what it told is not told again, what came after it is."""
    with scene.plain() as plain:
        made = [define(plain)] if known else []
    number = scene.start()
    scene.service.process.send_signal(signal.SIGSTOP)
    with scene.plain() as plain:
        made += [first(plain)]
        for _ in range(5):  # each takes a turn of libvirtd's loop, in one of which the event is sent
            plain.getLibVersion()
    with scene.unheard() as plain:
        made += [then and then(plain)]  # kept, and with it what the driver has
    events = back_after(scene.client, number)
    told = lifecycles(events, object_path(TEST, "domain", number_of("one")))
    assert [(word, "synthetic" in details) for word, details in told] == expected, events


def test_resumed(scene):
    with scene.plain() as plain:
        plain.lookupByName("test").suspend()
    number = scene.start()
    assert scene.client.get(GUEST, DOMAIN1, "State") == ("s", "paused")
    scene.libvirtd.stop()
    scene.libvirtd.start()
    found(back_after(scene.client, number), GUEST, "resumed")


def test_definitions_that_changed(qemu):
    """Defined, undefined, renamed, and autostart: QEMU's definitions outlive libvirtd."""
    with qemu.plain() as plain:
        for name in ("stays", "goes", "renamed", "marked"):
            plain.defineXML(guest_xml(name, number_of(name)))
        plain.storagePoolDefineXML(filled(REAL_POOL, "pool"))
    number = qemu.start()
    with qemu.unheard() as plain:
        plain.lookupByName("goes").undefine()
        plain.lookupByName("renamed").rename("other")
        plain.lookupByName("marked").setAutostart(1)
        plain.defineXML(guest_xml("comes", number_of("comes")))
        pool = plain.storagePoolLookupByName("pool")
        assert pool.isActive()  # as the directory is there
        pool.setAutostart(1)
    events = back_after(qemu.client, number, QEMU)
    path = {name: object_path(QEMU, "domain", number_of(name)) for name in
            ("stays", "goes", "renamed", "marked", "comes")}
    found(events, path["stays"])
    found(events, path["goes"], "undefined")
    found(events, path["renamed"], "defined")
    found(events, path["marked"])
    found(events, path["comes"], "defined")
    found(events, object_path(QEMU, "storagepool", number_of("pool")), "started")
    changed = {one.path: plain_values(one.details) for one in events if one.kind == "changed"}
    assert changed[path["renamed"]] == {"Name": "other", "synthetic": True}
    assert changed[path["marked"]] == {"Autostart": True, "synthetic": True}
    assert changed[object_path(QEMU, "storagepool", number_of("pool"))] == \
        {"Active": True, "Autostart": True, "synthetic": True}
    assert {one.name for one in events if one.path == path["renamed"]} == {"other"}
    assert summary(events) == {"added": 1, "changed": 3, "removed": 1}


def test_guests_that_changed(qemu):
    """Guests run on without libvirtd; what became of them is found by their states."""
    names = ("same", "stopped", "started", "paused", "resumed")
    path = {name: object_path(QEMU, "domain", number_of(name)) for name in names}
    with qemu.plain() as plain:
        for name in names:
            plain.defineXML(guest_xml(name, number_of(name)))
        qemu.start()
        for name in set(names) - {"started"}:
            flags = libvirt.VIR_DOMAIN_START_PAUSED if name == "resumed" else 0
            plain.lookupByName(name).createWithFlags(flags)
    number = qemu.start()
    with qemu.unheard() as plain:
        reconnected(plain)
        plain.lookupByName("stopped").destroy()
        plain.lookupByName("started").createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        plain.lookupByName("paused").suspend()
        plain.lookupByName("resumed").resume()
    events = back_after(qemu.client, number, QEMU)
    found(events, path["same"])
    found(events, path["stopped"], "stopped")
    found(events, path["started"], "started", "suspended")
    found(events, path["paused"], "suspended")
    found(events, path["resumed"], "resumed")
    expected = {one: values["State"] for one, values in truth(qemu.uri, QEMU).items() if "State" in values}
    assert {one: values["State"] for one, values in qemu.domains().items()} == expected


def test_a_guest_that_is_given_up(qemu):
    """A libvirtd that was started anew serves while it takes over its guests, and has no event for one that it
    cannot."""
    path = object_path(QEMU, "domain", number_of("guest"))
    with qemu.plain() as plain:
        plain.defineXML(guest_xml("guest", number_of("guest"))).create()
    number = qemu.start()
    process, = qemu.libvirtd.qemus()
    qemu.libvirtd.stop(signal.SIGKILL)
    os.kill(process, signal.SIGSTOP)
    qemu.libvirtd.start()
    back_after(qemu.client, number, QEMU)
    assert qemu.domains()[path]["State"] == "running"
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: qemu.domains()[path]["State"] == "shutoff", WITHIN, "that is found")


def test_a_restart_after_a_start_that_was_seen_early(qemu):
    """While a guest starts, libvirt says that it runs before it tells so; it may be asked in between."""
    path = object_path(QEMU, "domain", number_of("guest"))
    with qemu.plain() as plain:
        domain = plain.defineXML(guest_xml("guest", number_of("guest")))
        qemu.start()
        starts = threading.Thread(target=domain.create)
        starts.start()
        while starts.is_alive():
            resync(qemu.client, QEMU)
        starts.join()
    number = qemu.start()
    with qemu.unheard() as plain:
        reconnected(plain)
        plain.lookupByName("guest").destroy()
        plain.lookupByName("guest").create()
    found(back_after(qemu.client, number, QEMU), path, "stopped", "started")


def test_a_start_that_was_seen_before_it_was_told(one_bus, home, libvirtd, run_service, connect):
    """Its event is that of the start that was seen, and not of one in the next outage."""
    proxy = Holder(home / "proxy", libvirtd.socket)
    try:
        service = run_service(one_bus, {"Test": f"test+unix:///default?socket={proxy.path}"})
        client = connect(one_bus)
        wait_connected(client)
        scene = Scene(libvirtd, service, client, TEST, libvirtd.test_uri)
        start, path = scene.start(), object_path(TEST, "domain", number_of("one"))
        with scene.plain() as plain:
            proxy.holds = lambda procedure, kind: kind == MESSAGE
            made = [create(plain)]
            resync(client)
            found(get_events(client, start), path, "started")
            listener = connect(one_bus).match("type='signal',member='DomainEvent'")
            proxy.holds = None
            listener.wait_for(lambda one: one.member == "DomainEvent" and one.body[:2] == (path, 2), WITHIN)
            resync(client)
            # libvirt's own late word is not told again.
            found(get_events(client, start), path, "started")
        number = scene.start()
        with scene.unheard() as plain:
            plain.createXML(filled(XML, "other")).destroy()  # so that it has another Id
            made += [create(plain)]
        found(back_after(client, number), path, "stopped", "started")
    finally:
        proxy.close()


def test_who_listens_ends_where_libvirt_is(scene):
    """Models that are made of what is told, over outages in which things change."""
    listeners = [EventListener(scene.service.bus, "stream"), StandardListener(scene.service.bus, "standard")]
    try:
        scene.start()
        for listener in listeners:
            listener.come()
        for turn in range(5):
            number = last(scene.client)
            with scene.unheard() as plain:
                for name in ("a", "b", "c")[turn % 3:]:
                    plain.defineXML(filled(XML, name)).create()
                plain.lookupByName("test").setAutostart(turn % 2)
            back_after(scene.client, number)
        scene.start()
        expected = truth(scene.uri, TEST)
        for listener in listeners:
            listener.up_to_date(TEST)
            assert {path: {name: values[name] for name in expected[path]}
                    for path, values in listener.objects.items()} == expected
    finally:
        for listener in listeners:
            listener.leave()
