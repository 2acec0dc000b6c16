# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service's own interfaces: what they say is what libvirt says, they say it without asking, and they
announce what changes and nothing else."""

import pathlib
import signal
import subprocess
import uuid
import xml.etree.ElementTree as ElementTree

import pytest

from support.client import PROPERTIES
from support.hosts.native import plain, service  # noqa: F401 (fixtures)
from support.hosts.native import NETWORK, POOL, TEST, XML, counters, filled, resync
from support.hosts.workload import STATES, object_path, truth
from support.models.listener import (CONNECTION, DECLARED, INTERFACES, MANAGER, ROOT, EventListener, StandardListener,
                                     interface_of, picture)
from support.process import PATIENCE, wait_until
from support.service import command, wait_connected

DOMAIN1, NETWORK1, POOL1 = (INTERFACES[kind] for kind in ("domain", "network", "storagepool"))
MANAGER1 = "org.guestbus.Manager1"
GUEST_NUMBER = "6695eb01-f6a4-8304-79aa-97f2502e193f"
GUEST = object_path(TEST, "domain", GUEST_NUMBER)
ABSENT = object_path(TEST, "domain", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab")
ERROR = "org.freedesktop.DBus.Error."
WITHIN = 20 * PATIENCE
CHEAP = 0.001 * PATIENCE
READS = 500

LIBVIRT = {DOMAIN1: "org.libvirt.Domain", NETWORK1: "org.libvirt.Network", POOL1: "org.libvirt.StoragePool",
           CONNECTION: "org.libvirt.Connect"}


def populate(plain):
    """Objects of each kind in each state that the test driver knows."""
    for name, more in (("off", []), ("on", ["create"]), ("paused", ["create", "suspend"]),
                       ("gäst ☃", ["create"])):
        domain = plain.defineXML(filled(XML, name))
        for action in more:
            getattr(domain, action)()
    plain.lookupByName("off").setAutostart(1)
    plain.createXML(filled(XML, "transient"))
    plain.networkDefineXML(filled(NETWORK, "idle")).setAutostart(1)
    plain.networkDefineXML(filled(NETWORK, "busy")).create()
    plain.networkCreateXML(filled(NETWORK, "passing"))
    plain.storagePoolDefineXML(filled(POOL, "unused")).setAutostart(1)
    pool = plain.storagePoolDefineXML(filled(POOL, "used"))
    pool.build()
    pool.create()
    plain.storagePoolCreateXML(filled(POOL, "fleeting"))


def objects_of(found):
    """{path: {property: value}} of the domains, networks and pools of a picture, without Stale."""
    result = {}
    for path, interfaces in found.items():
        if interface_of(path):
            result[path] = dict(interfaces[interface_of(path)])
            del result[path]["Stale"]
    return result


def settled(client, uri):
    """The picture, once it is libvirt's: types of systems are read a little later."""
    expected = truth(uri, TEST)
    wait_until(lambda: objects_of(picture(client)) == expected, WITHIN,
               lambda: f"{objects_of(picture(client))}\nas\n{expected}")
    return picture(client)


def apart_from_calls(value):
    """What a property says, but for how many calls there were: reading it is one."""
    return {name: number for name, number in value.items() if not name.startswith("calls.")} \
        if isinstance(value, dict) else value


def changes(listener, path, interface):
    """The dictionaries of PropertiesChanged that were told of an object up to now, in order."""
    listener.get(ROOT, MANAGER1, "Version")  # what was sent before the answer is here
    return [one.body[1] for one in listener.signals
            if one.member == "PropertiesChanged" and one.path == path and one.body[0] == interface]


def announced(listener, path, interface):
    return {name for changed in changes(listener, path, interface) for name in changed}


def saying_so(interface):
    """The properties whose changes are announced."""
    return {name for (one, name), (_, told) in DECLARED.items() if one == interface and told}


# What it says

def test_every_property_is_libvirts(client, plain, libvirtd):
    populate(plain)
    resync(client)
    found = settled(client, libvirtd.test_uri)
    states = {objects["State"] for objects in objects_of(found).values() if "State" in objects}
    assert states == {"running", "paused", "shutoff"} <= set(STATES)
    for path, interfaces in found.items():
        interface = interface_of(path)
        if not interface:
            continue
        everything = client.get_all(path, interface)
        assert len(everything) == len([one for one, _ in DECLARED if one == interface])
        for name, value in everything.items():
            assert value == (DECLARED[interface, name][0], interfaces[interface][name])
            assert client.get(path, interface, name) == value
        assert everything["Stale"] == ("b", False)


def test_values_are_wrapped_once(client):
    """As the specification of D-Bus has it; org.libvirt.* wraps twice, for its clients."""
    for path, interface in ((GUEST, DOMAIN1), (TEST, CONNECTION), (ROOT, MANAGER1)):
        for name, (signature, _) in client.get_all(path, interface).items():
            assert signature == DECLARED[interface, name][0]


def test_the_connection(client, plain, libvirtd):
    settled(client, libvirtd.test_uri)
    values = {name: value for name, (_, value) in client.get_all(TEST, CONNECTION).items()}
    assert {name for interface, name in DECLARED if interface == CONNECTION} == set(values)
    assert values["URI"] == libvirtd.test_uri
    assert values["Driver"] == plain.getType()
    assert values["State"] == "connected" and values["LastError"] == ""
    assert values["Epoch"]
    assert values["Counters"]["events"] >= 1
    assert values["Counters"]["events"] <= values["Sequence"] < 1 << 53
    for name, value in values.items():
        signature, again = client.get(TEST, CONNECTION, name)
        assert signature == DECLARED[CONNECTION, name][0]
        assert apart_from_calls(again) == apart_from_calls(value)


def test_the_manager(one_bus, libvirtd, run_service, connect):
    names = ["Test", "Second", "Nowhere"]
    run_service(one_bus, {"Test": libvirtd.test_uri, "Second": "test:///default",
                          "Nowhere": "qemu+unix:///system?socket=/nonexistent"})
    client = connect(one_bus)
    wait_connected(client)
    said = subprocess.run(command("--version"), capture_output=True, text=True, check=True).stdout
    version = said.split()[1]
    assert client.get(ROOT, MANAGER1, "Version") == ("s", version)
    signature, paths = client.get(ROOT, MANAGER1, "Connections")
    assert signature == "ao" and sorted(paths) == sorted(f"{ROOT}/{name}" for name in names)
    assert client.get_all(ROOT, MANAGER1) == {"Version": ("s", version), "Connections": ("ao", paths)}


def test_a_connection_that_never_was(one_bus, run_service, connect):
    run_service(one_bus, {"Nowhere": "qemu+unix:///system?socket=/nonexistent"})
    client = connect(one_bus)
    path = f"{ROOT}/Nowhere"
    wait_until(lambda: client.get(path, CONNECTION, "State") == ("s", "disconnected"), WITHIN, "it gave up")
    assert "/nonexistent" in client.get(path, CONNECTION, "LastError")[1]
    assert client.get(path, CONNECTION, "Driver") == ("s", "")
    assert set(picture(client)) == {path}
    error = client.error(f"{path}/domain/{GUEST.rpartition('/')[2]}", PROPERTIES, "GetAll", "s", (DOMAIN1,))
    assert error.name == "org.libvirt.Error" and "/nonexistent" in error.message


def test_nothing_is_written(client, libvirtd):
    objects = [*settled(client, libvirtd.test_uri), ROOT]
    values = {"b": True, "s": "x", "u": 7, "t": 7, "a{st}": {}, "a{ss}": {}, "ao": []}
    for path in objects:
        interface = interface_of(path) or (MANAGER1 if path == ROOT else CONNECTION)
        for (one, name), (signature, _) in DECLARED.items():
            if one != interface:
                continue
            before = client.get(path, interface, name)[1]
            error = client.error(path, PROPERTIES, "Set", "ssv",
                                 (interface, name, (signature, values[signature])))
            assert error.name == ERROR + "InvalidArgs"
            assert error.message == f"property {name} cannot be written"
            assert apart_from_calls(client.get(path, interface, name)[1]) == apart_from_calls(before)


@pytest.mark.parametrize("path, interface, name, error, text", [
    (ABSENT, DOMAIN1, "Name", "UnknownObject", "Test has no domain with that UUID"),
    (ABSENT.replace("/domain/", "/network/"), NETWORK1, "Name", "UnknownObject",
     "Test has no network with that UUID"),
    (ABSENT.replace("/domain/", "/storagepool/"), POOL1, "Name", "UnknownObject",
     "Test has no storagepool with that UUID"),
    (ABSENT + "0", DOMAIN1, "Name", "UnknownObject", f"there is no object at {ABSENT}0"),
    (GUEST.upper(), DOMAIN1, "Name", "UnknownObject", None),
    (f"{ROOT}/None", CONNECTION, "State", "UnknownObject", f"there is no object at {ROOT}/None"),
    (GUEST, DOMAIN1, "Nothing", "InvalidArgs", f"there is no property Nothing in {DOMAIN1}"),
    (GUEST, NETWORK1, "Name", "InvalidArgs", f"the object has no interface {NETWORK1}"),
    (TEST, DOMAIN1, "Name", "InvalidArgs", f"the object has no interface {DOMAIN1}"),
    (ROOT, CONNECTION, "State", "InvalidArgs", f"the object has no interface {CONNECTION}"),
], ids=["domain", "network", "pool", "leaf", "case", "connection", "property", "kind", "level", "root"])
def test_what_is_not_there(client, path, interface, name, error, text):
    for member, args in (("Get", (interface, name)), ("GetAll", (interface,))):
        if member == "GetAll" and name == "Nothing":
            continue
        got = client.error(path, PROPERTIES, member, "s" * len(args), args)
        assert got.name == ERROR + error
        assert text is None or got.message == text


# Without asking

def cost(service, client, *args):
    """Seconds of processor time that a call takes the service, in all its threads."""
    before = processor_time(service)
    for _ in range(READS):
        client.call(GUEST, *args)
    return (processor_time(service) - before) / READS


def processor_time(service):
    total = 0
    for task in pathlib.Path(f"/proc/{service.pid}/task").iterdir():
        total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def test_reading_asks_nobody(one_bus, libvirtd, run_service, connect, capsys):
    """libvirtd stands still; nobody notices. Nothing is counted as asked, either: calls alone. That an answer takes
    little is a matter of the processor time that the service needs for it: how long a call takes is up to the bus and
    the machine, too."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\nkeepalive-interval=0\n")
    client = connect(one_bus)
    wait_connected(client)
    settled(client, libvirtd.test_uri)
    before = counters(client)
    report = {}
    libvirtd.pause()
    try:
        report["Get"] = cost(service, client, PROPERTIES, "Get", "ss", (DOMAIN1, "State"))
        report["GetAll"] = cost(service, client, PROPERTIES, "GetAll", "s", (DOMAIN1,))
        assert max(report.values()) < CHEAP, report
        assert GUEST in picture(client)
        assert client.get(GUEST, DOMAIN1, "Stale") == ("b", False)
        after = counters(client)
        assert apart_from_calls(after) == apart_from_calls(before)
        assert after["calls.ok"] - before["calls.ok"] == 2 * READS + 2  # and Stale, and the first reading
    finally:
        libvirtd.resume()
    with capsys.disabled():
        print("\n" + ", ".join(f"{what} {took * 1000:.3f} ms" for what, took in report.items()) + " of processor time")


def test_a_picture_while_it_is_opened_for_the_first_time(one_bus, libvirtd, run_service, connect):
    """A connection that does not answer holds the first picture up, for as long as calls may wait for it."""
    libvirtd.pause()
    try:
        service = run_service(one_bus, {"Test": libvirtd.test_uri, "Second": "test:///default"},
                              config="[limits]\nopen-timeout=1\n")
        client = connect(one_bus)
        assert client.get(TEST, CONNECTION, "State") == ("s", "connecting")
        found = picture(client)
        assert found[TEST][CONNECTION]["State"] == "disconnected"
        assert "takes longer than 1 s" in found[TEST][CONNECTION]["LastError"]
        assert GUEST not in found and GUEST.replace("/Test/", "/Second/") in found
    finally:
        libvirtd.resume()
    wait_until(lambda: GUEST in picture(client), WITHIN, service.stderr)


# What changes

def test_what_is_announced_has_changed(client, service, plain, libvirtd):
    """The models that are made of what is announced check each word of it; in the end they are libvirt's."""
    standard, stream = StandardListener(service.bus, "standard"), EventListener(service.bus, "stream")
    try:
        standard.come()
        stream.come()
        populate(plain)
        for _ in range(20):
            plain.lookupByName("on").destroy()
            plain.lookupByName("on").create()
            plain.lookupByName("paused").resume()
            plain.lookupByName("paused").suspend()
        plain.lookupByName("off").rename("of")
        plain.lookupByName("transient").destroy()
        plain.networkLookupByName("passing").destroy()
        resync(client)
        expected = objects_of(settled(client, libvirtd.test_uri))
        standard.up_to_date(TEST)
        stream.up_to_date(TEST)
        assert stream.objects == expected
        assert {path: {name: value for name, value in values.items() if name != "Stale"}
                for path, values in standard.objects.items()} == expected
    finally:
        standard.leave()
        stream.leave()


def test_one_signal_for_each_round(client, service, plain, connect):
    """However many events there are: an object's news of one round are one signal."""
    listener = connect(service.bus).match()
    domain = plain.lookupByName("test")
    resync(client)
    before = counters(client)
    service.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(100):
            domain.suspend()
            domain.resume()
        domain.destroy()
    finally:
        service.process.send_signal(signal.SIGCONT)
    wait_until(lambda: client.get(GUEST, DOMAIN1, "State") == ("s", "shutoff"), WITHIN, "it is shut off")
    resync(client)
    after = counters(client)
    told = changes(listener, GUEST, DOMAIN1)
    rounds = after["refreshes"] - before["refreshes"]
    assert 1 <= len(told) <= rounds < 100
    # A round that is under way is not counted yet.
    assert after["refreshes.coalesced"] - before["refreshes.coalesced"] >= 201 - rounds - 1
    assert after["events.lifecycle"] - before.get("events.lifecycle", 0) == 201
    assert {"Active", "State", "StateReason", "Id"} <= {name for changed in told for name in changed}


def test_every_property_of_a_domain_that_says_so_is_announced(client, service, plain, libvirtd, connect):
    listener = connect(service.bus).match()
    path = object_path(TEST, "domain", str(uuid.uuid5(uuid.NAMESPACE_OID, "one")))
    domain = plain.createXML(filled(XML, "one"))
    wait_until(lambda: path in picture(client), WITHIN, "it is there")
    plain.defineXML(filled(XML, "one"))
    domain.suspend()
    domain.destroy()
    wait_until(lambda: client.get(path, DOMAIN1, "OSType") == ("s", domain.OSType()), WITHIN, "type is read")
    domain.rename("another")
    domain.setAutostart(1)
    resync(client)
    domain.create()
    wait_until(lambda: client.get(path, DOMAIN1, "State") == ("s", "running"), WITHIN, "it runs")
    libvirtd.stop()
    wait_until(lambda: client.get(path, DOMAIN1, "Stale") == ("b", True), WITHIN, "it is stale")
    # The type may be known when the domain is told of.
    assert announced(listener, path, DOMAIN1) | {"OSType"} == saying_so(DOMAIN1)
    libvirtd.start()


@pytest.mark.parametrize("kind, template, define, look_up", [
    ("network", NETWORK, "networkDefineXML", "networkLookupByUUIDString"),
    ("storagepool", POOL, "storagePoolDefineXML", "storagePoolLookupByUUIDString")], ids=["network", "pool"])
def test_every_property_of_the_others_that_says_so_is_announced(client, service, plain, libvirtd, connect,
                                                                kind, template, define, look_up):
    listener = connect(service.bus).match()
    interface, number = INTERFACES[kind], str(uuid.uuid5(uuid.NAMESPACE_OID, "one"))
    path = object_path(TEST, kind, number)

    def shows(name, value):
        wait_until(lambda: path in picture(client) and client.get(path, interface, name)[1] == value, WITHIN,
                   f"{name} is {value}")
    create = plain.networkCreateXML if kind == "network" else plain.storagePoolCreateXML
    create(filled(template, "one"))
    shows("Persistent", False)
    getattr(plain, define)(filled(template, "one"))
    shows("Persistent", True)
    getattr(plain, look_up)(number).destroy()
    shows("Active", False)
    getattr(plain, look_up)(number).setAutostart(1)
    resync(client)
    # In the eyes of who looks once, another of the same number is the same under another name.
    service.process.send_signal(signal.SIGSTOP)
    getattr(plain, look_up)(number).undefine()
    getattr(plain, define)(filled(template, "one").replace("<name>one<", "<name>two<"))
    service.process.send_signal(signal.SIGCONT)
    shows("Name", "two")
    libvirtd.stop()
    shows("Stale", True)
    assert announced(listener, path, interface) == saying_so(interface)
    libvirtd.start()


def test_every_property_of_a_connection_that_says_so_is_announced(one_bus, libvirtd, run_service, connect):
    libvirtd.stop()
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client, listener = connect(one_bus), connect(one_bus).match()

    def comes_to(state):
        wait_until(lambda: client.get(TEST, CONNECTION, "State") == ("s", state), WITHIN, service.stderr)
    comes_to("disconnected")
    libvirtd.start()
    comes_to("connected")
    libvirtd.stop()
    comes_to("disconnected")
    assert announced(listener, TEST, CONNECTION) == saying_so(CONNECTION)
    libvirtd.start()


@pytest.mark.parametrize("path, interface", [(GUEST, DOMAIN1), (TEST, CONNECTION), (ROOT, MANAGER1)])
def test_busctl_shows_the_flags(client, service, path, interface):
    argv = ["busctl", f"--address={service.bus.address}", "--no-legend", "--full", "introspect",
            "org.guestbus1"]
    said = subprocess.run([*argv, path, interface], capture_output=True, text=True, check=True,
                          timeout=60 * PATIENCE).stdout
    lines = [line.split() for line in said.splitlines()]
    flags = {line[0].lstrip("."): line[-1] for line in lines if line[1] == "property"}
    types = {line[0].lstrip("."): line[2] for line in lines if line[1] == "property"}
    expected = {}
    tree = ElementTree.fromstring(client.introspect(path))
    for one in tree.findall(f"interface[@name='{interface}']/property"):
        words = {note.get("name"): note.get("value") for note in one.findall("annotation")}
        word = words["org.freedesktop.DBus.Property.EmitsChangedSignal"]
        expected[one.get("name")] = {"true": "emits-change", "const": "const", "false": "-"}[word]
    assert flags == expected and "const" in flags.values()
    assert types == {name: DECLARED[interface, name][0] for name in flags}


# Everything at once

def test_the_picture_is_the_sum_of_its_parts(client, plain, libvirtd):
    populate(plain)
    resync(client)
    settled(client, libvirtd.test_uri)
    objects, = client.call(ROOT, MANAGER, "GetManagedObjects")
    for path, interfaces in objects.items():
        native = interface_of(path) or CONNECTION
        assert interfaces == {native: client.get_all(path, native), LIBVIRT[native]: {}}
    expected = {TEST}
    for collection in INTERFACES:
        children = ElementTree.fromstring(client.introspect(f"{TEST}/{collection}")).findall("node")
        expected |= {f"{TEST}/{collection}/{child.get('name')}" for child in children}
    assert set(objects) == expected
    assert len(expected) == 1 + 6 + 4 + 4


@pytest.mark.parametrize("kind, template, define", [("domain", XML, "defineXML"),
                                                    ("network", NETWORK, "networkDefineXML"),
                                                    ("storagepool", POOL, "storagePoolDefineXML")],
                         ids=["domain", "network", "pool"])
def test_what_comes_and_goes_is_told(client, service, plain, connect, kind, template, define):
    listener = connect(service.bus).match()
    path = object_path(TEST, kind, str(uuid.uuid5(uuid.NAMESPACE_OID, "one")))
    interface = INTERFACES[kind]
    assert path not in picture(client)
    thing = getattr(plain, define)(filled(template, "one"))
    added = listener.wait_for(lambda one: one.member == "InterfacesAdded" and one.body[0] == path, WITHIN)
    assert (added.path, added.signature) == (ROOT, "oa{sa{sv}}")
    assert set(added.body[1]) == {interface, LIBVIRT[interface]} and added.body[1][LIBVIRT[interface]] == {}
    known = dict(added.body[1][interface])
    assert known["Name"] == ("s", "one") and known["Persistent"] == ("b", True)
    if kind == "domain":
        system = ("s", thing.OSType())
        wait_until(lambda: client.get(path, interface, "OSType") == system, WITHIN, "its type is read")
    for changed in changes(listener, path, interface):
        known.update(changed)
    assert known == client.get_all(path, interface)
    assert path in picture(client)
    thing.undefine()
    removed = listener.wait_signal("InterfacesRemoved", WITHIN)
    assert (removed.path, removed.signature) == (ROOT, "oas")
    assert removed.body[0] == path and sorted(removed.body[1]) == sorted([interface, LIBVIRT[interface]])
    assert path not in picture(client)
    listener.drain()
    told = [one.member for one in listener.signals if one.path == ROOT and one.body[0] == path]
    assert told == ["InterfacesAdded", "InterfacesRemoved"]


def test_the_picture_and_its_number_belong_together(client, service, plain, libvirtd):
    """Who takes a picture in the middle of everything and applies the events after its number has what
    is."""
    late = []
    try:
        for turn in range(30):
            name = f"n{turn % 5}"
            domain = plain.defineXML(filled(XML, name))
            late.append(EventListener(service.bus, f"newcomer {turn}"))
            late[-1].come()
            domain.create()
            late[turn // 2].read()
            domain.suspend()
            domain.destroy()
            if turn % 3:
                domain.undefine()
        resync(client)
        expected = objects_of(settled(client, libvirtd.test_uri))
        for listener in late:
            listener.up_to_date(TEST)
            assert listener.pictures == 1 and listener.objects == expected
    finally:
        for listener in late:
            listener.leave()


def test_the_names_are_the_same_objects(client, service, connect):
    """Both names of the service have both kinds of interfaces."""
    other = connect(service.bus, "org.guestbus1")
    assert picture(other).keys() == picture(client).keys()
    assert other.get(GUEST, "org.libvirt.Domain", "Name") == ("s", "test")
