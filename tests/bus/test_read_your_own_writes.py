# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who changed something reads the change: when the reply is there, the mirror shows it, to everybody. And
what was sent in one go after a change is not answered with what was before."""

import uuid

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, DBusError, body_of
from support.hosts.native import GUEST, TEST, XML, filled
from support.hosts.workload import object_path
from support.models.listener import INTERFACES, ROOT, picture
from support.process import PATIENCE, wait_until

DOMAIN1 = INTERFACES["domain"]
UNKNOWN = "org.freedesktop.DBus.Error.UnknownObject"
TIMES = 200
WITHIN = 60 * PATIENCE

OTHERS = {
    "network": ("Network", "<network><name>{name}</name><uuid>{number}</uuid></network>"),
    "storagepool": ("StoragePool", "<pool type='dir'><name>{name}</name><uuid>{number}</uuid>"
                                   "<target><path>/{name}</path></target></pool>"),
}


@pytest.fixture(params=["inside", "daemon"])
def uri(request):
    """The test driver inside the service, and inside a libvirtd: there events and calls take ways of their
    own."""
    if request.param == "inside":
        return "test:///default"
    return request.getfixturevalue("libvirtd").test_uri


@pytest.fixture
def service(uri, one_bus, run_service):
    return run_service(one_bus, {"Test": uri})


@pytest.fixture
def other(service, client, connect):
    """Another caller."""
    return connect(service.bus)


def path_of(kind, name):
    return object_path(TEST, kind, str(uuid.uuid5(uuid.NAMESPACE_OID, name)))


def shown(callers, path, **expected):
    """All callers read those values, by Get and by GetAll; None for an object that is not there."""
    interface = INTERFACES[path.split("/")[4]]
    for caller in callers:
        if not expected:
            assert caller.error(path, PROPERTIES, "GetAll", "s", (interface,)).name == UNKNOWN
            continue
        everything = caller.get_all(path, interface)
        for name, value in expected.items():
            assert everything[name][1] == value, (name, everything)
            assert caller.get(path, interface, name)[1] == value


@pytest.fixture
def callers(client, other):
    return client, other


def test_a_domains_life(client, callers):
    for turn in range(TIMES // 10):
        path = client.connect("DomainDefineXML", "s", filled(XML, "d"))
        assert path == path_of("domain", "d")
        shown(callers, path, Name="d", Persistent=True, Active=False, State="shutoff", Id=0, Stale=False)
        client.domain(path, "Create", "u", 0)
        shown(callers, path, Active=True, State="running", StateReason="booted")
        client.domain(path, "Suspend")
        shown(callers, path, Active=True, State="paused")
        client.domain(path, "Resume")
        shown(callers, path, State="running")
        client.set(path, DOMAIN, "Autostart", "b", True)
        shown(callers, path, Autostart=True)
        client.domain(path, "Destroy", "u", 0)
        shown(callers, path, Active=False, State="shutoff", StateReason="destroyed", Id=0)
        client.domain(path, "Rename", "su", f"e{turn}", 0)
        shown(callers, path, Name=f"e{turn}")
        client.set(path, DOMAIN, "Autostart", "b", False)
        shown(callers, path, Autostart=False)
        client.domain(path, "Undefine", "u", 0)
        shown(callers, path)


def test_a_transient_domain(client, callers):
    for _ in range(TIMES // 10):
        path = client.connect("DomainCreateXML", "su", filled(XML, "t"), 0)
        shown(callers, path, Persistent=False, Active=True, State="running")
        client.connect("DomainDefineXML", "s", filled(XML, "t"))
        shown(callers, path, Persistent=True, Active=True)
        client.domain(path, "Undefine", "u", 0)
        shown(callers, path, Persistent=False, Active=True)
        client.domain(path, "Destroy", "u", 0)
        shown(callers, path)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_network_or_pool(client, callers, kind):
    word, template = OTHERS[kind]
    interface = f"org.libvirt.{word}"
    flags = ("u", (0,)) if kind == "storagepool" else ("", ())
    signature, more = ("su", (0,)) if kind == "storagepool" else ("s", ())
    for _ in range(TIMES // 10):
        path, = client.call(TEST, CONNECT, f"{word}DefineXML", signature, (filled(template, "o"), *more))
        assert path == path_of(kind, "o")
        shown(callers, path, Name="o", Persistent=True, Active=False, Autostart=False, Stale=False)
        if kind == "storagepool":
            client.call(path, interface, "Build", *flags)
        client.call(path, interface, "Create", *flags)
        shown(callers, path, Active=True)
        client.set(path, interface, "Autostart", "b", True)
        shown(callers, path, Autostart=True)
        client.set(path, interface, "Autostart", "b", False)
        shown(callers, path, Autostart=False)
        client.call(path, interface, "Destroy")
        shown(callers, path, Active=False)
        client.call(path, interface, "Undefine")
        shown(callers, path)
        path, = client.call(TEST, CONNECT, f"{word}CreateXML", signature, (filled(template, "p"), *more))
        shown(callers, path, Name="p", Persistent=False, Active=True)
        client.call(path, interface, "Destroy")
        shown(callers, path)


def test_over_and_over(client, other):
    """Two hundred times, and both read at once what the first has done."""
    for turn in range(TIMES):
        member, state = (("Suspend", "paused"), ("Resume", "running"))[turn % 2]
        client.domain(GUEST, member)
        serials = [(caller, caller.send(GUEST, PROPERTIES, "Get", "ss", (DOMAIN1, "State")))
                   for caller in (other, client)]
        for caller, serial in serials:
            assert body_of(caller.take_reply(serial, WITHIN)) == (("s", state),)


def test_a_picture_after_it(client, other):
    """GetManagedObjects and the tree, too."""
    for turn in range(TIMES // 4):
        path = client.connect("DomainDefineXML", "s", filled(XML, f"d{turn}"))
        for caller in (client, other):
            objects, = caller.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
            assert objects[path][DOMAIN1]["Name"] == ("s", f"d{turn}")
            assert path.rpartition("/")[2] in caller.introspect(f"{TEST}/domain")
        client.domain(path, "Undefine", "u", 0)
        for caller in (client, other):
            objects, = caller.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
            assert path not in objects
            assert path.rpartition("/")[2] not in caller.introspect(f"{TEST}/domain")


def test_in_one_go(client):
    """What libvirt is asked after Undefine, by one caller and without waiting, is not what was before it:
    the GetAll of org.libvirt may use what the mirror knows, but not while that is about to change."""
    for turn in range(TIMES):
        path = client.connect("DomainCreateXML", "su", filled(XML, "g"), 0)
        client.connect("DomainDefineXML", "s", filled(XML, "g"))
        assert client.get_all(path, DOMAIN)["Persistent"] == ("v", ("b", True))
        undefine = client.send(path, DOMAIN, "Undefine", "u", (0,))
        after = client.send(path, PROPERTIES, "GetAll", "s", (DOMAIN,))
        replies = client.collect([undefine, after], WITHIN)
        body_of(replies[undefine])
        assert body_of(replies[after])[0]["Persistent"] == ("v", ("b", False)), turn
        client.domain(path, "Destroy", "u", 0)


def test_one_go_of_many(client, other):
    """A row of changes and readings in one go: each reading shows the change before it."""
    path = client.connect("DomainDefineXML", "s", filled(XML, "r"))
    for _ in range(TIMES // 10):
        sent = []
        for member, expected in (("Create", True), ("Destroy", False), ("Create", True), ("Destroy", False)):
            sent.append((client.send(path, DOMAIN, member, "u", (0,)), None))
            sent.append((client.send(path, PROPERTIES, "GetAll", "s", (DOMAIN,)), expected))
        replies = client.collect([serial for serial, _ in sent], WITHIN)
        for serial, expected in sent:
            body = body_of(replies[serial])
            if expected is not None:
                assert body[0]["Active"] == ("v", ("b", expected))
        shown((client, other), path, Active=False, State="shutoff")


def test_in_one_go_with_others_at_work(client, other):
    """The same while another caller changes other domains."""
    path, theirs = (client.connect("DomainDefineXML", "s", filled(XML, name)) for name in ("mine", "theirs"))
    for turn in range(TIMES // 4):
        busy = [other.send(theirs, DOMAIN, member, "u", (0,)) for member in ("Create", "Destroy") * 3]
        value = not turn % 2
        change = client.send(path, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", value)))
        reading = client.send(path, PROPERTIES, "GetAll", "s", (DOMAIN,))
        replies = client.collect([change, reading], WITHIN)
        assert body_of(replies[reading])[0]["Autostart"] == ("v", ("b", value))
        for reply in other.collect(busy, WITHIN).values():
            body_of(reply)
        shown((client, other), path, Autostart=value)


def test_what_failed_has_changed_nothing(client, callers):
    path = client.connect("DomainDefineXML", "s", filled(XML, "f"))
    for member, signature, args in (("Resume", "", ()), ("Suspend", "", ()), ("Destroy", "u", (0,))):
        assert client.error(path, DOMAIN, member, signature, args).name == "org.libvirt.Error"
        shown(callers, path, Active=False, State="shutoff")
    client.domain(path, "Undefine", "u", 0)
    shown(callers, path)


def test_what_others_change_at_the_same_time(uri, client, callers):
    """A plain client undefines what a caller starts and stops: what is done is shown, whoever is first."""
    if uri == "test:///default":
        pytest.skip("nobody else has this driver's state")
    plain = libvirt.open(uri)
    for _ in range(TIMES // 4):
        path = client.connect("DomainDefineXML", "s", filled(XML, "c"))
        serial = client.send(path, DOMAIN, "Create", "u", (0,))
        plain.lookupByName("c").undefine()
        try:
            body_of(client.take_reply(serial, WITHIN))
            shown(callers, path, Active=True, State="running")
            client.domain(path, "Destroy", "u", 0)
            shown(callers, path)
        except DBusError as error:
            assert error.name == "org.libvirt.Error"
            wait_until(lambda: path not in picture(client), WITHIN, "it is gone")
    plain.close()
