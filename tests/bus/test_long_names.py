# SPDX-License-Identifier: LGPL-2.1-or-later
"""Objects whose names are too long for a path: sd-bus takes 64 KiB, libvirt's names may be as long as a document.
They are left out of lists and of the stream, once with a word in the log, and cost no other object anything."""

import libvirt
import pytest

from support.client import CONNECT, DOMAIN
from support.hosts.methods import hexed
from support.hosts.native import DEVICE, GUEST, TEST, get_events, last
from support.process import PATIENCE, wait_until
from support.service import wait_connected

LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
PATH_MAX = 64 * 1024
OMITTED = "is left out of lists and signals"
POOL = "org.libvirt.StoragePool"
VOLUME = "<volume><name>{}</name><capacity>1024</capacity></volume>"
SNAPSHOT = "<domainsnapshot><name>{}</name></domainsnapshot>"
# Escaped, each byte of such a name is three.
LONG = "-" * 22000
NODE = """<node>
<interface type='ethernet' name='eth0'><start mode='onboot'/><mac address='52:54:00:00:00:01'/></interface>
<interface type='ethernet' name='{0}'><start mode='onboot'/><mac address='52:54:00:00:00:02'/></interface>
<interface type='ethernet' name='{0}2'><start mode='onboot'/><mac address='52:54:00:00:00:02'/></interface>
<device><name>computer</name><capability type='system'><hardware><vendor>v</vendor><serial>1</serial>
<uuid>11111111-2222-3333-4444-555555555555</uuid></hardware>
<firmware><vendor>v</vendor><version>1</version><release_date>1</release_date></firmware></capability></device>
<device><name>{0}</name><parent>computer</parent><capability type='system'>
<hardware><vendor>v</vendor><serial>1</serial><uuid>11111111-2222-3333-4444-555555555555</uuid></hardware>
<firmware><vendor>v</vendor><version>1</version><release_date>1</release_date></firmware></capability></device>
</node>"""


def omitted(service):
    return [line for line in service.lines() if OMITTED in line]


def children(client, collection):
    return client.introspect(f"{TEST}/{collection}").count('<node name="')


@pytest.fixture(name="pool")
def default_pool(client):
    return client.connect("ListStoragePools", "u", 0)[0]


def test_volumes(client, service, pool):
    def listed():
        return client.call(pool, POOL, "ListStorageVolumes", "u", (0,))[0]

    def create(name):
        return client.error(pool, POOL, "StorageVolCreateXML", "su", (VOLUME.format(name), 0))

    before = sorted(listed())
    short, = client.call(pool, POOL, "StorageVolCreateXML", "su", (VOLUME.format("short"), 0))
    error = create(LONG)
    assert error.name == LIMITS and "path of the object" in error.message and "bytes" in error.message
    # libvirt has it, and says so.
    assert create(LONG).name == "org.libvirt.Error"
    for _ in range(3):
        assert sorted(listed()) == sorted([*before, short])
        assert children(client, "storagevol") == len(before) + 1
    looked_up = client.error(pool, POOL, "StorageVolLookupByName", "s", (LONG,))
    assert looked_up.name == LIMITS
    assert len(omitted(service)) == 1
    # Another object is another line.
    create(f"{LONG}2")
    assert len(listed()) == len(before) + 1
    assert len(omitted(service)) == 2
    assert f"{TEST}/storagevol/" in omitted(service)[1] and len(omitted(service)[1]) < 500


def test_snapshots(client, service):
    def create(name):
        return "su", (SNAPSHOT.format(name), 0)

    short, = client.call(GUEST, DOMAIN, "SnapshotCreateXML", *create("short"))
    assert client.error(GUEST, DOMAIN, "SnapshotCreateXML", *create(LONG)).name == LIMITS
    assert client.call(GUEST, DOMAIN, "ListDomainSnapshots", "u", (0,)) == ([short],)
    assert children(client, "domainsnapshot") == 1
    assert client.error(GUEST, DOMAIN, "SnapshotLookupByName", "su", (LONG, 0)).name == LIMITS
    assert client.error(GUEST, DOMAIN, "SnapshotCurrent", "u", (0,)).name == LIMITS
    assert len(omitted(service)) == 1


def test_the_longest_path(client, pool):
    """What fits in the library goes all the way, and a byte more does not."""
    first, = client.call(pool, POOL, "StorageVolCreateXML", "su", (VOLUME.format("x"), 0))
    room = PATH_MAX - len(first)
    longest, = client.call(pool, POOL, "StorageVolCreateXML", "su", (VOLUME.format("x" * (room + 1)), 0))
    assert len(longest) == PATH_MAX
    assert longest in client.call(pool, POOL, "ListStorageVolumes", "u", (0,))[0]
    assert client.get(longest, "org.libvirt.StorageVol", "Name") == ("s", "x" * (room + 1))
    assert client.error(pool, POOL, "StorageVolCreateXML", "su", (VOLUME.format("x" * (room + 2)), 0)).name == LIMITS


def test_devices_and_interfaces(bus, home, run_service, connect):
    file = home / "node.xml"
    file.write_text(NODE.format(LONG), encoding="utf-8")
    service = run_service(bus, {"Test": f"test://{file}"})
    client = connect(bus)
    wait_connected(client)
    for _ in range(3):
        assert client.connect("ListNodeDevices", "u", 0) == [f"{TEST}/nodedev/computer"]
        assert client.connect("ListInterfaces", "u", 0) == [f"{TEST}/interface/{hexed('52:54:00:00:00:01')}"]
        assert (children(client, "nodedev"), children(client, "interface")) == (1, 1)
    assert client.error(TEST, CONNECT, "NodeDeviceLookupByName", "s", (LONG,)).name == LIMITS
    assert client.error(TEST, CONNECT, "InterfaceLookupByName", "s", (LONG,)).name == LIMITS
    assert len(omitted(service)) == 3


def test_events(bus, libvirtd, run_service, connect, preload):
    """One that cannot be told is neither told nor kept; the numbers have no hole for it."""
    service = run_service(bus, {"Test": libvirtd.test_uri}, env=preload("long_device_names"))
    client = connect(bus)
    wait_connected(client)
    client.match()
    before = last(client)
    plain = libvirt.open(libvirtd.test_uri)
    plain.nodeDeviceCreateXML(DEVICE, 0).destroy()
    wait_until(lambda: omitted(service), 10 * PATIENCE, service.stderr)
    plain.lookupByName("test").suspend()
    wait_until(lambda: "suspended" in str(get_events(client, before)), 10 * PATIENCE, "the suspension is told")
    plain.close()
    events = get_events(client, before)
    assert "suspended" in str(events) and "nodedev" not in str(events)
    assert [event.sequence for event in events] == list(range(before + 1, before + 1 + len(events)))
    assert len(omitted(service)) == 1
