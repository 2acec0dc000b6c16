# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the events of each kind of object say, in words and in numbers, and the events of the service's
own."""

import collections

import libvirt

from support.hosts.native import (DEVICE, GUEST, NETWORK, QEMU, TEST, XML, counters, filled, get_events, last,
                                  number_of, plain_values, pool_comes_and_goes, quiet, resync, some_of_every_kind)
from support.hosts.native import plain, service  # noqa: F401 (fixtures)
from support.hosts.workload import object_path
from support.models.listener import CONNECTION, INTERFACES, connection_of
from support.process import PATIENCE, wait_until
from support.service import wait_connected

WITHIN = 20 * PATIENCE
LIBVIRT = "org.libvirt.Connect"

SECRET = "<secret><uuid>{number}</uuid><usage type='volume'><volume>/{name}</volume></usage></secret>"


def lifecycle(event, detail=None, state=None, numbers=()):
    """Details of a lifecycle. A state that follows from an event of libvirt's is to be trusted. Pools, node
    devices and secrets have a detail that means nothing: libvirt tells 0."""
    result = {"event": event, "event-number": numbers[0]}
    if detail:
        result.update({"detail": detail, "detail-number": numbers[1]})
    if state:
        result.update({"state": state, "checked": True})
    return result


class Told:
    """What is told of one object from here on: libvirt's events as (kind, name, details)."""

    OWN = {"added", "changed", "removed"}

    def __init__(self, client, path):
        self.client, self.path = client, path
        self.root = connection_of(path)
        self.start = last(client, self.root)

    def all(self):
        return [one for one in get_events(self.client, self.start, self.root) if one.path == self.path]

    def libvirts(self):
        return [(one.kind, one.name, plain_values(one.details)) for one in self.all()
                if one.kind not in self.OWN]

    def check(self, *expected):
        wait_until(lambda: len(self.libvirts()) >= len(expected), WITHIN, lambda: f"{self.all()}")
        if self.root == TEST:
            quiet(self.client)
        assert self.libvirts() == list(expected)


def test_the_life_of_a_domain(client, plain, home):
    path, saved = object_path(TEST, "domain", number_of("d")), f"{home}/libvirt/home/saved"
    seen = Told(client, path)
    domain = plain.defineXML(filled(XML, "d"))
    plain.defineXML(filled(XML, "d"))
    domain.create()
    domain.suspend()
    domain.resume()
    domain.shutdown()
    domain.create()
    domain.save(saved)
    plain.restore(saved)
    domain.destroy()
    domain.rename("e")
    domain.create()
    domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    domain.destroy()
    domain.revertToSnapshot(domain.snapshotLookupByName("s"))
    domain.destroy()
    domain.snapshotLookupByName("s").delete()
    domain.undefine()
    running, off = {"state": "running"}, {"state": "shutoff"}
    seen.check(*[("lifecycle", name, lifecycle(event, detail, numbers=numbers, **state))
                 for name, event, detail, numbers, state in [
        ("d", "defined", "added", (0, 0), {}),
        ("d", "defined", "updated", (0, 1), {}),
        ("d", "started", "booted", (2, 0), running),
        ("d", "suspended", "paused", (3, 0), {"state": "paused"}),
        ("d", "resumed", "unpaused", (4, 0), running),
        ("d", "stopped", "shutdown", (5, 0), off),
        ("d", "started", "booted", (2, 0), running),
        ("d", "stopped", "saved", (5, 4), off),
        ("d", "started", "restored", (2, 2), running),
        ("d", "stopped", "destroyed", (5, 1), off),
        ("d", "undefined", "renamed", (1, 1), {}),
        ("e", "defined", "renamed", (0, 2), {}),
        ("e", "started", "booted", (2, 0), running),
        ("e", "stopped", "destroyed", (5, 1), off),
        ("e", "started", "snapshot", (2, 3), running),
        ("e", "stopped", "destroyed", (5, 1), off),
        ("e", "undefined", "removed", (1, 0), {}),
    ]])


def test_a_domain_that_crashes(client, plain, home):
    domain = plain.lookupByName("test")
    seen = Told(client, GUEST)
    domain.coreDump(f"{home}/libvirt/home/core", libvirt.VIR_DUMP_CRASH)
    seen.check(("lifecycle", "test", lifecycle("stopped", "crashed", "shutoff", (5, 2))))
    assert client.get(GUEST, INTERFACES["domain"], "StateReason") == ("s", "crashed")


def test_numbers_are_those_of_libvirts_signal(client, service, plain, connect):
    """Words and numbers of the native event beside the numbers of org.libvirt.Connect.DomainEvent."""
    listener = connect(service.bus).match()
    quiet(client)
    last(listener)  # what was sent before the answer is here
    listener.signals.clear()
    some_of_every_kind(plain)
    quiet(client)
    last(listener)
    signals = {"domain": "DomainEvent", "network": "NetworkEvent", "storagepool": "StoragePoolEvent",
               "nodedev": "NodeDeviceEvent"}
    native, old = collections.defaultdict(list), collections.defaultdict(list)
    for one in listener.signals:
        if one.member == "Event" and one.body[0] == "lifecycle":
            details = plain_values(one.body[4])
            numbers = [details[name] for name in ("event-number", "detail-number") if name in details]
            native[signals[one.path.split("/")[4]]].append((one.path, *numbers))
        elif one.interface == LIBVIRT:
            old[one.member].append(one.body)
    assert set(native) == set(old) == set(signals.values())
    for member, bodies in old.items():
        assert [body[:len(one)] for body, one in zip(bodies, native[member])] == native[member]
        assert len(bodies) == len(native[member])


def test_metadata_of_a_domain(client, plain):
    seen = Told(client, GUEST)
    domain = plain.lookupByName("test")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "title", None, None, 1)
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "text", None, None, 1)
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<a/>", "k", "urn:x", 1)
    quiet(client)
    details = seen.libvirts()
    assert [one[:2] for one in details] == [("metadata-change", "test")] * 3
    assert [(one[2]["type"], one[2]["type-number"]) for one in details] == [("title", 1), ("description", 0),
                                                                           ("element", 2)]
    assert details[2][2]["nsuri"] == "urn:x"


def test_a_network(client, plain):
    seen = Told(client, object_path(TEST, "network", number_of("n")))
    network = plain.networkDefineXML(filled(NETWORK, "n"))
    network.create()
    network.destroy()
    network.undefine()
    seen.check(*[("lifecycle", "n", lifecycle(word, numbers=(number,))) for word, number in
                 (("defined", 0), ("started", 2), ("stopped", 3), ("undefined", 1))])


def test_a_pool(client, plain):
    seen = Told(client, object_path(TEST, "storagepool", number_of("p")))
    pool_comes_and_goes(plain)
    words = {"defined": 0, "created": 4, "started": 2, "stopped": 3, "deleted": 5, "undefined": 1}
    found = [("lifecycle", "p", lifecycle(word, "0", numbers=(number, 0))) for word, number in words.items()]
    seen.check(*found[:3], ("refresh", "p", {}), *found[3:])


def test_a_node_device(client, plain):
    before = {device.name() for device in plain.listAllDevices()}
    start = quiet(client)
    device = plain.nodeDeviceCreateXML(DEVICE, 0)
    name = device.name()
    device.destroy()
    assert name not in before
    quiet(client)
    events = [one for one in get_events(client, start) if "/nodedev/" in one.path]
    assert [(one.kind, one.name, plain_values(one.details)) for one in events] == \
        [("lifecycle", name, lifecycle(word, "0", numbers=(number, 0))) for word, number in
         (("created", 0), ("deleted", 1))]
    assert events[0].path == events[1].path == f"{TEST}/nodedev/{name.replace('_', '_5f')}"


def test_a_secret(one_bus, libvirtd, run_service, connect):
    run_service(one_bus, {"QEMU": libvirtd.uri})
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    plain = libvirt.open(libvirtd.uri)
    seen = Told(client, object_path(QEMU, "secret", number_of("s")))
    secret = plain.secretDefineXML(filled(SECRET, "s"))
    secret.setValue(b"value")
    secret.undefine()
    plain.close()
    name = number_of("s")
    seen.check(("lifecycle", name, lifecycle("defined", "0", numbers=(0, 0))), ("value-changed", name, {}),
               ("lifecycle", name, lifecycle("undefined", "0", numbers=(1, 0))))


def test_the_own_events_of_an_object(client, plain):
    """added has all properties but Stale, changed those that are new, removed none."""
    path, interface = object_path(TEST, "domain", number_of("d")), INTERFACES["domain"]
    seen = Told(client, path)
    domain = plain.defineXML(filled(XML, "d"))
    wait_until(lambda: seen.all() and client.get(path, interface, "OSType")[1], WITHIN, "it is known")
    known = {}
    for event in seen.all():
        assert event.name == "d"
        if event.kind in ("added", "changed"):
            assert ("added" in event.kind) == (not known) and event.details
            known.update(event.details)
    everything = client.get_all(path, interface)
    del everything["Stale"]
    assert known == everything
    domain.undefine()
    quiet(client)
    assert [one.kind for one in seen.all()][-2:] == ["lifecycle", "removed"]
    assert seen.all()[-1].details == {}


def test_what_libvirt_told_is_not_found(client, plain):
    """A comparison that takes place while an event is on its way does not tell the same once more."""
    start = quiet(client)
    for turn in range(100):
        network = plain.networkDefineXML(filled(NETWORK, f"n{turn}"))
        client.call(TEST, CONNECTION, "Resync")
        network.undefine()
        client.call(TEST, CONNECTION, "Resync")
        domain = plain.defineXML(filled(XML, f"d{turn}"))
        client.call(TEST, CONNECTION, "Resync")
        domain.undefine()
        client.call(TEST, CONNECTION, "Resync")
    quiet(client)
    words = collections.Counter((one.path, plain_values(one.details)["event"])
                                for one in get_events(client, start) if one.kind == "lifecycle")
    assert not [one for one, count in words.items() if count > 1] and len(words) == 400


def test_what_an_event_led_to_is_not_found(client, plain):
    """A comparison that answers the question of an event finds nothing: the change is that event's."""
    start, domain = quiet(client), plain.lookupByName("test")
    before = counters(client)
    for _ in range(20):
        for act, word in ((domain.suspend, "suspended"), (domain.resume, "resumed")):
            act()
            wait_until(lambda: [plain_values(one.details)["event"] for one in get_events(client, start)
                                if one.kind == "lifecycle"][-1:] == [word], WITHIN, f"{word} is told", every=0.001)
            assert resync(client) == (0, 0, 0)
    after, events = counters(client), get_events(client, start)
    assert len([one for one in events if one.kind == "changed"]) == 40
    assert not [one for one in events if "synthetic" in one.details or one.kind == "resynced"]
    assert after["comparisons.differences"] == before["comparisons.differences"]
