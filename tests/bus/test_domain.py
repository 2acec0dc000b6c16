# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.libvirt.Connect and org.libvirt.Domain, member by member, against what python3-libvirt gives.

The hypervisor is the test driver inside a libvirtd, so that both sides see one state."""

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, DBusError
from support.hosts.methods import outcome
from support.hosts.native import plain, service  # noqa: F401 (fixtures)

ROOT = "/org/libvirt/Test"
UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
PATH = f"{ROOT}/domain/_" + UUID.replace("-", "_")
OTHER = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
XML = f"""<domain type='test'><name>other</name><uuid>{OTHER}</uuid><memory>65536</memory>
<currentMemory>65536</currentMemory><vcpu current='1'>4</vcpu><os><type>hvm</type></os></domain>"""
OTHER_PATH = f"{ROOT}/domain/_" + OTHER.replace("-", "_")
DISK = """<disk type='block' device='disk'><source dev='/dev/null'/><target dev='vdz' bus='virtio'/></disk>"""
TYPES = {"Active": "b", "Autostart": "b", "Id": "u", "Name": "s", "OSType": "s", "Persistent": "b",
         "SchedulerType": "(si)", "Updated": "b", "UUID": "s"}

libvirt.registerErrorHandler(lambda context, error: None, None)


def domain_path(uuid):
    return f"{ROOT}/domain/_" + uuid.replace("-", "_")


@pytest.fixture
def domain(plain):
    return plain.lookupByUUIDString(UUID)


def said(client, path, member, signature="", *args, interface=DOMAIN):
    """outcome() of a D-Bus call; an error must have libvirt-dbus's name."""
    try:
        body = client.call(path, interface, member, signature, args)
    except DBusError as error:
        assert error.name == "org.libvirt.Error"
        return "error", error.message
    return "value", body[0] if body else None


def done(result):
    """What python3-libvirt returns as 0 is nothing on D-Bus."""
    return (result[0], None) if result == ("value", 0) else result


# org.libvirt.Connect

@pytest.mark.parametrize("name, kind, read", [
    ("Encrypted", "b", lambda c: bool(c.isEncrypted())),
    ("Hostname", "s", lambda c: c.getHostname()),
    ("LibVersion", "t", lambda c: c.getLibVersion()),
    ("Secure", "b", lambda c: bool(c.isSecure())),
    ("Version", "t", lambda c: c.getVersion()),
])
def test_connection_property(client, plain, name, kind, read):
    assert client.get(ROOT, CONNECT, name) == (kind, read(plain))
    assert client.get_all(ROOT, CONNECT)[name] == ("v", (kind, read(plain)))


def test_connection_get_all_is_complete(client):
    assert set(client.get_all(ROOT, CONNECT)) == {"Encrypted", "Hostname", "LibVersion", "Secure", "Version"}


def test_secure_and_encrypted_differ(client):
    """A UNIX socket is secure and not encrypted."""
    assert client.get(ROOT, CONNECT, "Secure") == ("b", True)
    assert client.get(ROOT, CONNECT, "Encrypted") == ("b", False)


def test_get_capabilities(client, plain):
    assert client.connect("GetCapabilities") == plain.getCapabilities()


@pytest.mark.parametrize("flags", [0, *(1 << bit for bit in range(14)), 1 << 20, 3, 1 | 4 | 16, 0xffffffff])
def test_list_domains(client, plain, flags):
    plain.defineXML(XML)
    expected = outcome(plain.listAllDomains, flags - (1 << 32) if flags >> 31 else flags)
    if expected[0] == "value":
        expected = ("value", sorted(domain_path(one.UUIDString()) for one in expected[1]))
    result = said(client, ROOT, "ListDomains", "u", flags, interface=CONNECT)
    assert (result[0], sorted(result[1]) if result[0] == "value" else result[1]) == expected


def test_lookups(client, plain, domain):
    assert client.connect("DomainLookupByName", "s", "test") == PATH
    assert client.connect("DomainLookupByUUID", "s", UUID) == PATH
    assert client.connect("DomainLookupByUUID", "s", UUID.upper()) == PATH
    assert client.connect("DomainLookupByID", "i", domain.ID()) == PATH


@pytest.mark.parametrize("member, kind, value, function", [
    ("DomainLookupByName", "s", "none", "lookupByName"),
    ("DomainLookupByName", "s", "", "lookupByName"),
    ("DomainLookupByName", "s", "Ä ö%s/$", "lookupByName"),
    ("DomainLookupByUUID", "s", OTHER, "lookupByUUIDString"),
    ("DomainLookupByUUID", "s", "", "lookupByUUIDString"),
    ("DomainLookupByUUID", "s", "no uuid", "lookupByUUIDString"),
    ("DomainLookupByID", "i", 4711, "lookupByID"),
    ("DomainLookupByID", "i", -1, "lookupByID"),
])
def test_lookup_of_nothing(client, plain, member, kind, value, function):
    expected = outcome(getattr(plain, function), value)
    assert expected[0] == "error"
    assert said(client, ROOT, member, kind, value, interface=CONNECT) == expected


def test_lookup_error_starts_as_clients_expect(client):
    error = client.error(ROOT, CONNECT, "DomainLookupByName", "s", ("none",))
    assert error.name == "org.libvirt.Error"
    assert error.message.startswith("Domain not found")


def test_define_and_undefine(client, plain):
    assert client.connect("DomainDefineXML", "s", XML) == OTHER_PATH
    assert plain.lookupByName("other").UUIDString() == OTHER
    assert OTHER_PATH in client.connect("ListDomains", "u", 2)
    assert client.domain(OTHER_PATH, "Undefine", "u", 0) is None
    assert outcome(plain.lookupByName, "other")[0] == "error"
    assert OTHER_PATH not in client.connect("ListDomains", "u", 0)


def test_create_xml(client, plain):
    assert client.connect("DomainCreateXML", "su", XML, 0) == OTHER_PATH
    other = plain.lookupByName("other")
    assert other.isActive() and not other.isPersistent()
    assert client.domain(OTHER_PATH, "Destroy", "u", 0) is None
    assert outcome(plain.lookupByName, "other")[0] == "error"
    assert client.error(OTHER_PATH, PROPERTIES, "GetAll", "s", (DOMAIN,)).message


@pytest.mark.parametrize("xml", ["", "no xml", "<domain/>", "<network/>", XML.replace("other", "a/b"),
                                 XML.replace(OTHER, "x")])
def test_bad_xml(client, plain, xml):
    assert said(client, ROOT, "DomainDefineXML", "s", xml, interface=CONNECT) == outcome(plain.defineXML, xml)
    created = said(client, ROOT, "DomainCreateXML", "su", xml, 0, interface=CONNECT)
    assert created == outcome(plain.createXML, xml, 0)


# org.libvirt.Domain: properties

def properties(one):
    """What python3-libvirt says of a domain, as D-Bus types. The Id of one that is off is 0, as libvirt-dbus
    has it; a property that cannot be read is left out, as GetAll does."""
    identifier = one.ID()
    found = {
        "Active": bool(one.isActive()),
        "Autostart": bool(one.autostart()),
        "Id": identifier if identifier >= 0 else 0,
        "Name": one.name(),
        "OSType": one.OSType(),
        "Persistent": bool(one.isPersistent()),
        "Updated": bool(one.isUpdated()),
        "UUID": one.UUIDString(),
    }
    scheduler = outcome(one.schedulerType)
    if scheduler[0] == "value":
        found["SchedulerType"] = tuple(scheduler[1])
    return found


def test_properties_of_a_running_domain(client, domain):
    expected = properties(domain)
    assert "SchedulerType" in expected
    for name, value in expected.items():
        assert client.get(PATH, DOMAIN, name) == (TYPES[name], value)
    assert client.get_all(PATH, DOMAIN) == {name: ("v", (TYPES[name], value))
                                            for name, value in expected.items()}


def test_properties_of_a_domain_that_is_off(client, plain):
    expected = properties(plain.defineXML(XML))
    assert expected["Id"] == 0 and expected["Active"] is False
    assert client.get_all(OTHER_PATH, DOMAIN) == {name: ("v", (TYPES[name], value))
                                                  for name, value in expected.items()}


def test_get_all_is_wrapped_twice_and_get_once(client):
    for name, (outer, inner) in client.get_all(PATH, DOMAIN).items():
        assert outer == "v" and inner[0] == TYPES[name]
        assert client.get(PATH, DOMAIN, name)[0] == TYPES[name]


def test_get_all_of_a_foreign_interface(client):
    assert client.error(PATH, PROPERTIES, "GetAll", "s", ("org.libvirt.Nonsense",)).name in (
        "org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.DBus.Error.InvalidArgs")


def test_set_autostart(client, plain):
    other = plain.defineXML(XML)
    for value in (True, False, True):
        client.set(OTHER_PATH, DOMAIN, "Autostart", "b", value)
        assert bool(other.autostart()) is value
        assert client.get(OTHER_PATH, DOMAIN, "Autostart") == ("b", value)


def test_set_autostart_of_a_domain_that_is_gone(client):
    error = client.error(OTHER_PATH, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", True)))
    assert error.name in ("org.libvirt.Error", "org.freedesktop.DBus.Error.UnknownObject")


def test_get_all_of_a_domain_that_is_not_there(client):
    error = client.error(OTHER_PATH, PROPERTIES, "GetAll", "s", (DOMAIN,))
    assert error.name in ("org.libvirt.Error", "org.freedesktop.DBus.Error.UnknownObject")
    assert error.message.startswith("Domain not found") or "UnknownObject" in error.name


def test_method_on_a_domain_that_is_not_there(client):
    assert client.error(OTHER_PATH, DOMAIN, "GetState", "u", (0,)).message.startswith("Domain not found")


# org.libvirt.Domain: methods

def test_a_life(client, domain, plain):
    """Each step is done over D-Bus and seen by libvirt; each error is libvirt's."""
    running, paused, off = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF)

    def step(member, state, *args):
        assert client.domain(PATH, member, "u" * len(args), *args) is None
        assert domain.state()[0] == state
        assert client.domain(PATH, "GetState", "u", 0) == tuple(domain.state())
    step("Suspend", paused)
    step("Resume", running)
    step("Reset", running, 0)
    step("Reboot", domain.state()[0], 0)
    if domain.state()[0] == off:
        step("Create", running, 0)
    step("Destroy", off, 0)
    step("Create", running, 0)
    step("Shutdown", off, 0)
    step("Create", running, 0)


@pytest.mark.parametrize("member, signature, args, function", [
    ("Create", "u", (0,), lambda d: d.createWithFlags(0)),
    ("Create", "u", (1 << 30,), lambda d: d.createWithFlags(1 << 30)),
    ("Resume", "", (), lambda d: d.resume()),
    ("Reset", "u", (1,), lambda d: d.reset(1)),
    ("Shutdown", "u", (1 << 30,), lambda d: d.shutdownFlags(1 << 30)),
    ("Reboot", "u", (1 << 30,), lambda d: d.reboot(1 << 30)),
    ("Destroy", "u", (1 << 30,), lambda d: d.destroyFlags(1 << 30)),
    ("Undefine", "u", (1 << 30,), lambda d: d.undefineFlags(1 << 30)),
    ("GetState", "u", (1 << 30,), lambda d: d.state(1 << 30)),
    ("GetXMLDesc", "u", (1 << 30,), lambda d: d.XMLDesc(1 << 30)),
    ("SetMemory", "tu", (1 << 40, 1), lambda d: d.setMemoryFlags(1 << 40, 1)),
    ("SetMemory", "tu", (0, 0), lambda d: d.setMemoryFlags(0, 0)),
    ("SetVcpus", "uu", (99, 1), lambda d: d.setVcpusFlags(99, 1)),
    ("SetVcpus", "uu", (0, 0), lambda d: d.setVcpusFlags(0, 0)),
    ("AttachDevice", "su", ("", 0), lambda d: d.attachDeviceFlags("", 0)),
    ("AttachDevice", "su", ("<disk/>", 1), lambda d: d.attachDeviceFlags("<disk/>", 1)),
    ("DetachDevice", "su", (DISK, 1), lambda d: d.detachDeviceFlags(DISK, 1)),
    ("UpdateDevice", "su", (DISK, 1), lambda d: d.updateDeviceFlags(DISK, 1)),
])
def test_error_is_libvirts(client, domain, member, signature, args, function):
    expected = done(outcome(function, domain))
    assert expected[0] == "error"
    assert said(client, PATH, member, signature, *args) == expected


def test_get_xml_desc(client, domain):
    for flags in (0, libvirt.VIR_DOMAIN_XML_SECURE, libvirt.VIR_DOMAIN_XML_INACTIVE):
        assert client.domain(PATH, "GetXMLDesc", "u", flags) == domain.XMLDesc(flags)


def test_set_memory(client, domain):
    assert client.domain(PATH, "SetMemory", "tu", 1048576, libvirt.VIR_DOMAIN_AFFECT_LIVE) is None
    assert domain.info()[2] == 1048576


def test_set_vcpus(client, plain):
    other = plain.defineXML(XML)
    assert client.domain(OTHER_PATH, "SetVcpus", "uu", 3, libvirt.VIR_DOMAIN_AFFECT_CONFIG) is None
    assert other.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG) == 3


def same_type(value):
    """The D-Bus type of a typed parameter's value as python3-libvirt shows it, where Python tells."""
    return {str: "s", bool: "b"}.get(type(value))


@pytest.mark.parametrize("stats", [0, libvirt.VIR_DOMAIN_STATS_STATE, libvirt.VIR_DOMAIN_STATS_VCPU])
def test_get_stats(client, plain, domain, stats):
    expected = outcome(lambda: plain.domainListGetStats([domain], stats, 0)[0][1])
    result = said(client, PATH, "GetStats", "uu", stats, 0)
    if expected[0] == "error":
        assert result == expected
        return
    assert {name: value[1][1] for name, value in result[1].items()} == expected[1]
    for name, (outer, (kind, _)) in result[1].items():
        assert outer == "v"
        assert kind == (same_type(expected[1][name]) or kind) and kind in "siuxtdb"


def test_state_group_of_stats_is_in_ints(client):
    stats = client.domain(PATH, "GetStats", "uu", libvirt.VIR_DOMAIN_STATS_STATE, 0)
    assert stats["state.state"] == ("v", ("i", libvirt.VIR_DOMAIN_RUNNING))


# Signals

def test_domain_event_is_on_the_connection(client, connect, service):
    listener = connect(service.bus).match()
    client.domain(PATH, "Suspend")
    seen = listener.wait_signal("DomainEvent")
    assert (seen.path, seen.interface, seen.signature) == (ROOT, CONNECT, "oii")
    assert seen.body == (PATH, libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)
    assert seen.sender == client.owner("org.libvirt")


def test_domain_events_of_a_life(client, connect, service):
    listener = connect(service.bus).match()
    client.connect("DomainDefineXML", "s", XML)
    for member, signature, args in (("Create", "u", (0,)), ("Suspend", "", ()), ("Resume", "", ()),
                                    ("Destroy", "u", (0,)), ("Undefine", "u", (0,))):
        client.domain(OTHER_PATH, member, signature, *args)
    listener.wait_signal("DomainEvent", body=(OTHER_PATH, libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 0))
    events = [s.body[1] for s in listener.signals if s.member == "DomainEvent" and s.body[0] == OTHER_PATH]
    assert events == [libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_STARTED,
                      libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_RESUMED,
                      libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED]


def test_event_of_somebody_elses_change(client, connect, service, domain):
    listener = connect(service.bus).match()
    domain.suspend()
    listener.wait_signal("DomainEvent", body=(PATH, libvirt.VIR_DOMAIN_EVENT_SUSPENDED, 0))
    assert client.domain(PATH, "GetState", "u", 0) == tuple(domain.state())


def test_no_signal_twice(client, connect, service, domain):
    listener = connect(service.bus).match()
    for _ in range(20):
        domain.suspend()
        domain.resume()
    domain.destroy()
    listener.wait_for(lambda s: s.body[:2] == (PATH, libvirt.VIR_DOMAIN_EVENT_STOPPED))
    events = [s.body[1] for s in listener.signals if s.member == "DomainEvent"]
    assert events == [libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_RESUMED] * 20 + [
        libvirt.VIR_DOMAIN_EVENT_STOPPED]
