# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Cockpit's Machines page asks, in its order: when the page is opened, when a guest's details are, and for
40 guests and 200 node devices at once. It lists nothing where a variant is not wrapped twice, so that is
looked at on the wire."""

import collections

import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, Client, body_of
from support.process import PATIENCE
from support.service import wait_connected

ROOT = "/org/libvirt/Test"
GUESTS = 40
NODE_DEVICES = 200
WITHIN = 30 * PATIENCE
TYPES = {
    CONNECT: {"Encrypted": "b", "Hostname": "s", "LibVersion": "t", "Secure": "b", "Version": "t"},
    DOMAIN: {"Active": "b", "Autostart": "b", "Id": "u", "Name": "s", "OSType": "s", "Persistent": "b",
             "SchedulerType": "(si)", "Updated": "b", "UUID": "s"},
    "org.libvirt.Network": {"Active": "b", "Autostart": "b", "Name": "s", "Persistent": "b", "UUID": "s"},
    "org.libvirt.StoragePool": {"Active": "b", "Autostart": "b", "Name": "s", "Persistent": "b", "UUID": "s"},
    "org.libvirt.StorageVol": {"Name": "s", "Key": "s", "Path": "s"},
    "org.libvirt.NodeDevice": {"Name": "s", "Parent": "s"},
    "org.libvirt.Interface": {"Active": "b", "MAC": "s", "Name": "s"},
}

Call = collections.namedtuple("Call", "path interface member signature args")


def method(path, interface, member, signature="", *args):
    return Call(path, interface, member, signature, args)


def get_all(path, interface):
    return Call(path, PROPERTIES, "GetAll", "s", (interface,))


def of_guest(path):
    """The six calls that each guest costs."""
    return [method(path, DOMAIN, "GetXMLDesc", "u", 0), method(path, DOMAIN, "GetXMLDesc", "u", 2),
            get_all(path, DOMAIN), method(path, DOMAIN, "GetState", "u", 0),
            method(path, DOMAIN, "GetStats", "uu", 0x1 | 0x8 | 0x20, 0),
            method(path, DOMAIN, "ListDomainSnapshots", "u", 0)]


class Page:
    """Cockpit's page: calls that go out together and are all waited for."""

    def __init__(self, client):
        self.client = client

    def all(self, *calls):
        """Sends all calls, then returns the bodies in the order of the calls. An error fails the test."""
        serials = [self.client.send(*call) for call in calls]
        replies = self.client.collect(serials, WITHIN)
        return [body_of(replies[serial])[0] for serial in serials]

    def one(self, *call):
        return self.all(method(*call))[0]

    def objects(self, kind, paths):
        """GetAll of each path, asserted; {path: {name: value}}."""
        interface = f"org.libvirt.{kind}"
        found = self.all(*[get_all(path, interface) for path in paths])
        return {path: properties(interface, entry) for path, entry in zip(paths, found)}


def twice(entries):
    """{name: (type, value)} of a dictionary whose every value is a variant in a variant."""
    found = {}
    for name, (outer, inner) in entries.items():
        assert outer == "v", f"{name}: a {outer} in one variant"
        found[name] = inner
    return found


def properties(interface, entries):
    found = twice(entries)
    expected = dict(TYPES[interface])
    if interface.endswith("NodeDevice") and found["Name"][1] == "computer":
        expected.pop("Parent")
    assert {name: signature for name, (signature, _) in found.items()} == expected
    return {name: value for name, (_, value) in found.items()}


def lacking(page, *call):
    """What the test driver does not have: libvirt's own refusal, with which Cockpit goes on."""
    error = page.client.error(*call)
    assert error.name == "org.libvirt.Error"
    assert error.message.startswith("this function is not supported by the connection driver")


@pytest.fixture
def page(service, connect):
    client = connect(service.bus)
    wait_connected(client)
    return Page(client)


def test_the_page_is_opened(page):
    """In the order of the page: the connection, guests, pools and volumes, interfaces, networks, devices."""
    assert properties(CONNECT, page.all(get_all(ROOT, CONNECT))[0])["LibVersion"] > 0
    assert page.one(ROOT, CONNECT, "GetCapabilities").startswith("<capabilities>")
    guest, = page.one(ROOT, CONNECT, "ListDomains", "u", 0)
    live, stored, entries, state, stats, snapshots = page.all(*of_guest(guest))
    assert "<name>test</name>" in live and "<name>test</name>" in stored
    assert " id='1'" in live and " id='1'" not in stored
    guest_properties = properties(DOMAIN, entries)
    assert guest_properties["Name"] == "test" and guest_properties["Active"] is True
    assert state == (1, 0) and snapshots == []
    assert {name: signature for name, (signature, _) in twice(stats).items()} == {
        "state.state": "i", "state.reason": "i"}

    pool, = page.one(ROOT, CONNECT, "ListStoragePools", "u", 0)
    page.one(pool, "org.libvirt.StoragePool", "StorageVolCreateXML", "su",
             "<volume><name>disk.qcow2</name><capacity>1048576</capacity></volume>", 0)
    assert page.objects("StoragePool", [pool])[pool]["Name"] == "default-pool"
    xml, volumes = page.all(method(pool, "org.libvirt.StoragePool", "GetXMLDesc", "u", 0),
                            method(pool, "org.libvirt.StoragePool", "ListStorageVolumes", "u", 0))
    assert "<name>default-pool</name>" in xml and len(volumes) == 1
    assert page.objects("StorageVol", volumes)[volumes[0]]["Path"] == "/default-pool/disk.qcow2"
    assert "<name>disk.qcow2</name>" in page.one(volumes[0], "org.libvirt.StorageVol", "GetXMLDesc", "u", 0)

    interface, = page.one(ROOT, CONNECT, "ListInterfaces", "u", 2)
    assert page.objects("Interface", [interface])[interface]["Name"] == "eth1"
    assert "name='eth1'" in page.one(interface, "org.libvirt.Interface", "GetXMLDesc", "u", 0)

    network, = page.one(ROOT, CONNECT, "ListNetworks", "u", 0)
    assert page.objects("Network", [network])[network]["Name"] == "default"
    assert "<name>default</name>" in page.one(network, "org.libvirt.Network", "GetXMLDesc", "u", 0)
    lacking(page, network, "org.libvirt.Network", "GetDHCPLeases", "su", ("", 0))

    devices = page.one(ROOT, CONNECT, "ListNodeDevices", "u", 0)
    names = {entry["Name"] for entry in page.objects("NodeDevice", devices).values()}
    assert names == {"computer", "scsi_host1", "scsi_host2", "scsi_host11"}
    for xml in page.all(*[method(path, "org.libvirt.NodeDevice", "GetXMLDesc", "u", 0) for path in devices]):
        assert xml.startswith("<device>")


def test_a_guest_is_opened(page):
    """Its details: the XML with what is secret, the capabilities for it, addresses, snapshots, statistics."""
    guest = page.one(ROOT, CONNECT, "DomainLookupByName", "s", "test")
    live, secure, stored, both, entries, state = page.all(
        *[method(guest, DOMAIN, "GetXMLDesc", "u", flags) for flags in (0, 1, 2, 3)], get_all(guest, DOMAIN),
        method(guest, DOMAIN, "GetState", "u", 0))
    assert [" id='1'" in xml for xml in (live, secure, stored, both)] == [True, True, False, False]
    assert properties(DOMAIN, entries)["Persistent"] is True and state == (1, 0)
    lacking(page, ROOT, CONNECT, "GetDomainCapabilities", "ssssu", ("", "x86_64", "q35", "kvm", 0))
    addresses = page.one(guest, DOMAIN, "InterfaceAddresses", "uu", 0, 0)
    assert [(name, mac) for name, mac, _ in addresses] == [("testnet0", "aa:bb:cc:dd:ee:ff")]
    assert [len(address) for _, _, several in addresses for address in several] == [3]
    created = page.one(guest, DOMAIN, "SnapshotCreateXML", "su",
                       "<domainsnapshot><name>before the update</name></domainsnapshot>", 0)
    snapshots = page.one(guest, DOMAIN, "ListDomainSnapshots", "u", 0)
    assert snapshots == [created]
    xml, current = page.all(method(created, "org.libvirt.DomainSnapshot", "GetXMLDesc", "u", 0),
                            method(created, "org.libvirt.DomainSnapshot", "IsCurrent", "u", 0))
    assert "<name>before the update</name>" in xml and current is True
    for flags in (0, 1):
        assert twice(page.one(guest, DOMAIN, "GetStats", "uu", 0, flags))["state.state"] == ("i", 1)


def test_words_that_cockpit_knows(page):
    """What it finds in error texts, and names of errors."""
    absent = f"{ROOT}/domain/_{'0' * 8}_0000_0000_0000_{'0' * 12}"
    for call in (get_all(absent, DOMAIN), method(absent, DOMAIN, "GetState", "u", 0),
                 method(absent, DOMAIN, "ListDomainSnapshots", "u", 0)):
        error = page.client.error(*call)
        assert error.name == "org.libvirt.Error" and error.message.startswith("Domain not found")
    error = page.client.error(f"{ROOT}/storagevol/_2fx", "org.libvirt.StorageVol", "GetXMLDesc", "u", (0,))
    assert error.name == "org.libvirt.Error" and "no storage vol with matching" in error.message
    guest = page.one(ROOT, CONNECT, "DomainLookupByName", "s", "test")
    error = page.client.error(guest, DOMAIN, "NoSuchMethod")
    assert error.name == "org.freedesktop.DBus.Error.UnknownMethod"


def domain_xml(number):
    return f"""<domain type='test'><name>guest {number}</name><memory>65536</memory><vcpu>1</vcpu>
<os><type>hvm</type></os></domain>"""


def read_everything(page, guests, devices):
    """All calls are sent before a reply is read; what each guest and each device gave."""
    calls = [call for guest in guests for call in of_guest(guest)]
    calls += [get_all(devices[number % len(devices)], "org.libvirt.NodeDevice")
              for number in range(NODE_DEVICES)]
    found = page.all(*calls)
    return ([found[start:start + 6] for start in range(0, 6 * len(guests), 6)], found[6 * len(guests):])


def check(guests, devices):
    assert len(guests) == GUESTS and len(devices) == NODE_DEVICES
    names = set()
    for live, stored, entries, state, stats, snapshots in guests:
        found = properties(DOMAIN, entries)
        names.add(found["Name"])
        assert f"<name>{found['Name']}</name>" in live and f"<uuid>{found['UUID']}</uuid>" in stored
        assert state[0] == 1 and twice(stats)["state.state"] == ("i", 1) and snapshots == []
    assert names == {f"guest {number}" for number in range(GUESTS - 1)} | {"test"}
    for entries in devices:
        assert properties("org.libvirt.NodeDevice", entries)["Name"]


def populate(page):
    page.all(*[method(ROOT, CONNECT, "DomainCreateXML", "su", domain_xml(number), 0)
               for number in range(GUESTS - 1)])
    return page.all(method(ROOT, CONNECT, "ListDomains", "u", 0),
                    method(ROOT, CONNECT, "ListNodeDevices", "u", 0))


def test_everything_at_once(page):
    guests, devices = populate(page)
    check(*read_everything(page, guests, devices))


def test_everything_at_once_of_a_libvirtd(one_bus, libvirtd, run_service):
    """The same over a libvirtd's socket, where each call of libvirt's is a round trip."""
    run_service(one_bus, {"Test": libvirtd.test_uri})
    with Client(one_bus.address) as client:
        wait_connected(client)
        page = Page(client)
        guests, devices = populate(page)
        for _ in range(2):
            check(*read_everything(page, guests, devices))
