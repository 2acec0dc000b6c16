# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks, storage, node devices, interfaces, snapshots and secrets beside python3-libvirt: the test driver,
but for secrets and DHCP leases, which a session's own drivers have without any guest."""

import time
import uuid as uuids

import libvirt
import pytest

from support.hosts import methods
from support.hosts.methods import module_world, running_guest  # noqa: F401 (fixtures)

SNAPSHOT = "<domainsnapshot><name>{}</name></domainsnapshot>"
NETWORK = """<network><name>{}</name><uuid>{}</uuid><bridge name='{}'/><forward mode='nat'/>
<ip address='10.1.2.1' netmask='255.255.255.0'><dhcp><range start='10.1.2.2' end='10.1.2.9'/></dhcp></ip>
</network>"""
POOL = "<pool type='dir'><name>{}</name><uuid>{}</uuid><target><path>/{}</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity>{}</capacity></volume>"
VPORT = """<device><parent>scsi_host1</parent><capability type='scsi_host'><capability type='fc_host'>
<wwnn>2000000012341234</wwnn><wwpn>1000000012341{}</wwpn></capability></capability></device>"""
INTERFACE = """<interface type='ethernet' name='{}'><start mode='onboot'/><mac address='{}'/></interface>"""
SECRET = """<secret private='no'><uuid>{}</uuid><usage type='volume'><volume>{}</volume></usage></secret>"""
PLAIN = methods.expected_value


@pytest.fixture
def fresh():
    """(a name, a UUID) that no test had before."""
    return f"a-{time.monotonic_ns()}", str(uuids.uuid4())


# Snapshots

def test_snapshots(world, guest):
    names = ["one", "two with $ % / _", "drei-ü"]
    paths = [world.value(guest, "SnapshotCreateXML", SNAPSHOT.format(name), 0) for name in names]
    found = [guest.snapshotLookupByName(name) for name in names]
    assert paths == [methods.path_of(one) for one in found]
    for name in [*names, "none", ""]:
        world.same(guest, "SnapshotLookupByName", (name, 0), lambda d, n=name: d.snapshotLookupByName(n, 0))
    kind, listed = world.raw(guest, "ListDomainSnapshots", 0)
    assert (kind, sorted(listed)) == ("value", sorted(PLAIN(guest.listAllSnapshots(0))))
    world.same(guest, "ListDomainSnapshots", (1,), lambda d: d.listAllSnapshots(1))
    world.same(guest, "ListDomainSnapshots", (1 << 30,), lambda d: d.listAllSnapshots(1 << 30))
    world.same(guest, "SnapshotCurrent", (0,), lambda d: d.snapshotCurrent(0))
    for one in found:
        world.same(one, "GetXMLDesc", (0,), lambda s: s.getXMLDesc(0))
        world.same(one, "GetParent", (0,), lambda s: s.getParent(0))
        world.same(one, "IsCurrent", (0,), lambda s: bool(s.isCurrent(0)))
        world.same(one, "ListChildren", (0,), lambda s: s.listAllChildren(0))
    world.refused(guest, "SnapshotCreateXML", ("<x/>", 0), lambda d: d.snapshotCreateXML("<x/>", 0))


def test_revert_and_delete(world, guest):
    first = guest.snapshotCreateXML(SNAPSHOT.format("first"), 0)
    guest.suspend()
    world.refused(guest, "SnapshotLookupByName", ("second", 0), lambda d: d.snapshotLookupByName("second", 0))
    world.changes(first, "Revert", (0,), lambda s: s.getDomain().state()[0], libvirt.VIR_DOMAIN_RUNNING)
    path = methods.path_of(first)
    world.value(first, "Delete", 0)
    assert guest.listAllSnapshots(0) == []
    world.refused((path, "org.libvirt.DomainSnapshot"), "GetXMLDesc", (0,),
                  lambda d: d.snapshotLookupByName("first"), guest)


# Networks

def test_network(world, fresh):
    name, identity = fresh
    xml = NETWORK.format(name, identity, "virbr77")
    path = world.value(world.test, "NetworkDefineXML", xml)
    network = world.test.networkLookupByName(name)
    assert path == methods.path_of(network)
    world.same(world.test, "NetworkLookupByName", (name,), lambda c: c.networkLookupByName(name))
    world.same(world.test, "NetworkLookupByUUID", (identity,),
               lambda c: c.networkLookupByUUIDString(identity))
    world.same(network, "GetXMLDesc", (0,), lambda n: n.XMLDesc(0))
    world.same(network, "GetXMLDesc", (9,), lambda n: n.XMLDesc(9))
    for kind, key, value in [("b", "Active", False), ("s", "Name", name), ("b", "Persistent", True),
                             ("s", "UUID", identity)]:
        world.property(network, key, kind, value)
    world.autostart(network)
    world.changes(network, "Create", (), lambda n: n.isActive(), 1)
    world.refused(network, "Create", (), lambda n: n.create())
    host = "<host mac='52:54:00:00:01:01' ip='10.1.2.7'/>"
    add, section = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
    world.changes(network, "Update", (add, section, -1, host, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE),
                  lambda n: "52:54:00:00:01:01" in n.XMLDesc(0), True)
    world.refused(network, "Update", (add, section, -1, "<x/>", 1),
                  lambda n: n.update(add, section, -1, "<x/>", 1))
    world.refused(network, "GetDHCPLeases", ("", 0), lambda n: n.DHCPLeases(None, 0))
    world.changes(network, "Destroy", (), lambda n: n.isActive(), 0)
    world.value(network, "Undefine")
    world.refused(world.test, "NetworkLookupByName", (name,), lambda c: c.networkLookupByName(name))


def test_transient_network(world, fresh):
    name, identity = fresh
    path = world.value(world.test, "NetworkCreateXML", NETWORK.format(name, identity, "virbr78"))
    network = world.test.networkLookupByUUIDString(identity)
    assert (path, network.isActive(), network.isPersistent()) == (methods.path_of(network), 1, 0)
    world.value(network, "Destroy")
    world.refused(world.test, "NetworkCreateXML", ("<x/>",), lambda c: c.networkCreateXML("<x/>"))


def test_leases_of_a_real_network(world, fresh):
    name, identity = fresh
    network = world.plain["QEMU"].networkDefineXML(
        f"<network><name>{name}</name><uuid>{identity}</uuid></network>")
    for mac in ("", "52:54:00:00:00:01", "nonsense"):
        world.same(network, "GetDHCPLeases", (mac, 0), lambda n, m=mac: n.DHCPLeases(m or None, 0))
    network.undefine()


# Storage

@pytest.fixture
def pool(world, fresh):
    name, identity = fresh
    made = world.test.storagePoolDefineXML(POOL.format(name, identity, name), 0)
    made.create(0)
    yield made
    for one in world.test.listAllStoragePools(0):
        if one.name() == name:
            if one.isActive():
                one.destroy()
            one.undefine()


def test_pool(world, fresh):
    name, identity = fresh
    path = world.value(world.test, "StoragePoolDefineXML", POOL.format(name, identity, name), 0)
    pool = world.test.storagePoolLookupByName(name)
    assert path == methods.path_of(pool)
    world.same(world.test, "StoragePoolLookupByName", (name,), lambda c: c.storagePoolLookupByName(name))
    world.same(world.test, "StoragePoolLookupByUUID", (identity,),
               lambda c: c.storagePoolLookupByUUIDString(identity))
    world.value(pool, "Build", 0)
    world.autostart(pool)
    world.changes(pool, "Create", (0,), lambda p: p.isActive(), 1)
    world.refused(pool, "Create", (0,), lambda p: p.create(0))
    world.refused(pool, "Build", (0,), lambda p: p.build(0))
    world.value(pool, "Refresh", 0)
    for kind, key, value in [("b", "Active", True), ("s", "Name", name), ("b", "Persistent", True),
                             ("s", "UUID", identity)]:
        world.property(pool, key, kind, value)
    world.same(pool, "GetInfo", (), lambda p: p.info())
    world.same(pool, "GetXMLDesc", (0,), lambda p: p.XMLDesc(0))
    world.same(pool, "ListStorageVolumes", (0,), lambda p: p.listAllVolumes(0))
    world.refused(pool, "Delete", (0,), lambda p: p.delete(0))
    world.changes(pool, "Destroy", (), lambda p: p.isActive(), 0)
    world.refused(pool, "Refresh", (0,), lambda p: p.refresh(0))
    world.value(pool, "Delete", 0)
    world.value(pool, "Undefine")
    world.refused(world.test, "StoragePoolLookupByName", (name,), lambda c: c.storagePoolLookupByName(name))


def test_transient_pool(world, fresh):
    name, identity = fresh
    path = world.value(world.test, "StoragePoolCreateXML", POOL.format(name, identity, name), 0)
    pool = world.test.storagePoolLookupByUUIDString(identity)
    assert (path, pool.isActive(), pool.isPersistent()) == (methods.path_of(pool), 1, 0)
    pool.destroy()


def test_volume(world, pool):
    odd = "a b$%_ü.img"
    path = world.value(pool, "StorageVolCreateXML", VOLUME.format(odd, 1 << 33), 0)
    volume = pool.storageVolLookupByName(odd)
    assert path == methods.path_of(volume)
    world.same(pool, "StorageVolLookupByName", (odd,), lambda p: p.storageVolLookupByName(odd))
    world.same(pool, "StorageVolLookupByName", ("none",), lambda p: p.storageVolLookupByName("none"))
    world.same(pool, "ListStorageVolumes", (0,), lambda p: p.listAllVolumes(0))
    key = volume.key()
    world.same(world.test, "StorageVolLookupByKey", (key,), lambda c: c.storageVolLookupByKey(key))
    world.same(world.test, "StorageVolLookupByPath", (key,), lambda c: c.storageVolLookupByPath(key))
    world.same(world.test, "StorageVolLookupByKey", ("/none",), lambda c: c.storageVolLookupByKey("/none"))
    world.same(world.test, "StorageVolLookupByPath", ("/none",), lambda c: c.storageVolLookupByPath("/none"))
    for name, value in [("Name", odd), ("Key", key), ("Path", volume.path())]:
        world.property(volume, name, "s", value)
    world.same(volume, "GetInfo", (0,), lambda v: v.infoFlags(0))
    world.same(volume, "GetXMLDesc", (0,), lambda v: v.XMLDesc(0))
    world.refused(volume, "Resize", (1 << 34, 0), lambda v: v.resize(1 << 34, 0))
    world.refused(volume, "Wipe", (1, 0), lambda v: v.wipePattern(1, 0))
    copy = world.value(pool, "StorageVolCreateXMLFrom", VOLUME.format("copy", 1 << 33), key, 0)
    assert copy == methods.path_of(pool.storageVolLookupByName("copy"))
    world.refused(pool, "StorageVolCreateXMLFrom", (VOLUME.format("other", 1), "/none", 0),
                  lambda c: c.storageVolLookupByKey("/none"), world.test)
    world.changes(volume, "Delete", (0,), lambda v: len(pool.listVolumes()), 1)
    world.refused((path, "org.libvirt.StorageVol"), "GetInfo", (0,),
                  lambda c: c.storageVolLookupByKey(key), world.test)


def test_real_volume(world, fresh):
    """Resize and Wipe, which the test driver lacks, in a directory."""
    name, identity = fresh
    directory = world.libvirtd.directory(name)
    pool = world.plain["QEMU"].storagePoolCreateXML(
        POOL.format(name, identity, "").replace("<path>/<", f"<path>{directory}<"), 0)
    volume = pool.createXML(VOLUME.format("raw", 1 << 16), 0)
    for flags in (0, libvirt.VIR_STORAGE_VOL_GET_PHYSICAL, 1 << 20):
        world.same(volume, "GetInfo", (flags,), lambda v, f=flags: v.infoFlags(f))
    assert world.value(volume, "GetInfo", 0)[1] == 1 << 16
    world.changes(volume, "Resize", (1 << 17, 0), lambda v: v.info()[1], 1 << 17)
    with open(volume.path(), "r+b") as file:
        file.write(b"x" * 100)
    world.changes(volume, "Wipe", (libvirt.VIR_STORAGE_VOL_WIPE_ALG_ZERO, 0),
                  lambda v: open(v.path(), "rb").read().count(b"x"), 0)  # noqa: SIM115
    world.refused(volume, "Wipe", (999, 0), lambda v: v.wipePattern(999, 0))
    pool.destroy()


# Node devices

def test_node_devices(world):
    kind, listed = world.raw(world.test, "ListNodeDevices", 0)
    devices = world.test.listAllDevices(0)
    assert (kind, sorted(listed)) == ("value", sorted(PLAIN(devices))) and len(listed) >= 3
    world.same(world.test, "ListNodeDevices", (1 << 6,), lambda c: c.listAllDevices(1 << 6))
    for device in devices:
        world.same(world.test, "NodeDeviceLookupByName", (device.name(),),
                   lambda c, n=device.name(): c.nodeDeviceLookupByName(n))
        world.same(device, "GetXMLDesc", (0,), lambda d: d.XMLDesc(0))
        world.same(device, "ListCaps", (), lambda d: d.listCaps())
        world.property(device, "Name", "s", device.name())
        if device.parent():
            world.property(device, "Parent", "s", device.parent())
    world.same(world.test, "NodeDeviceLookupByName", ("none",), lambda c: c.nodeDeviceLookupByName("none"))
    wwn = ("2000000012341234", "1000000012341234")
    world.same(world.test, "NodeDeviceLookupSCSIHostByWWN", (*wwn, 0),
               lambda c: c.nodeDeviceLookupSCSIHostByWWN(*wwn, 0))


def test_node_device_life(world):
    world.refused(world.test, "NodeDeviceCreateXML", ("<x/>", 0), lambda c: c.nodeDeviceCreateXML("<x/>", 0))
    path = world.value(world.test, "NodeDeviceCreateXML", VPORT.format("235"), 0)
    device, = [one for one in world.test.listAllDevices(0) if methods.path_of(one) == path]
    world.refused(device, "Detach", ("vfio", 0), lambda d: d.detachFlags("vfio", 0))
    world.refused(device, "Detach", ("", 0), lambda d: d.detachFlags(None, 0))
    world.refused(device, "ReAttach", (), lambda d: d.reAttach())
    world.refused(device, "Reset", (), lambda d: d.reset())
    world.value(device, "Destroy")
    assert path not in PLAIN(world.test.listAllDevices(0))


# Interfaces

def test_interfaces(world):
    world.same(world.test, "ListInterfaces", (0,), lambda c: c.listAllInterfaces(0))
    world.same(world.test, "InterfaceLookupByName", ("eth1",), lambda c: c.interfaceLookupByName("eth1"))
    world.same(world.test, "InterfaceLookupByName", ("none",), lambda c: c.interfaceLookupByName("none"))
    one = world.test.interfaceLookupByName("eth1")
    world.same(world.test, "InterfaceLookupByMAC", (one.MACString(),),
               lambda c: c.interfaceLookupByMACString(one.MACString()))
    world.same(one, "GetXMLDesc", (0,), lambda i: i.XMLDesc(0))
    for kind, name, value in [("b", "Active", bool(one.isActive())), ("s", "Name", one.name()),
                              ("s", "MAC", one.MACString())]:
        world.property(one, name, kind, value)


def test_interface_life(world):
    xml = INTERFACE.format("eth7", "52:54:00:07:07:07")
    path = world.value(world.test, "InterfaceDefineXML", xml, 0)
    one = world.test.interfaceLookupByName("eth7")
    assert path == methods.path_of(one)
    world.changes(one, "Create", (0,), lambda i: i.isActive(), 1)
    world.refused(one, "Create", (0,), lambda i: i.create(0))
    world.changes(one, "Destroy", (0,), lambda i: i.isActive(), 0)
    world.value(one, "Undefine")
    world.refused(world.test, "InterfaceLookupByName", ("eth7",), lambda c: c.interfaceLookupByName("eth7"))


def test_interface_transaction(world):
    connection = world.test
    names = [one.name() for one in connection.listAllInterfaces(0)]
    world.refused(connection, "InterfaceChangeCommit", (0,), lambda c: c.changeCommit(0))
    world.value(connection, "InterfaceChangeBegin", 0)
    world.refused(connection, "InterfaceChangeBegin", (0,), lambda c: c.changeBegin(0))
    connection.interfaceDefineXML(INTERFACE.format("eth8", "52:54:00:08:08:08"), 0)
    world.value(connection, "InterfaceChangeRollback", 0)
    assert [one.name() for one in connection.listAllInterfaces(0)] == names
    world.value(connection, "InterfaceChangeBegin", 0)
    world.value(connection, "InterfaceChangeCommit", 0)
    world.refused(connection, "InterfaceChangeRollback", (0,), lambda c: c.changeRollback(0))


# Secrets, of the session's own driver

def test_secret(world, fresh):
    name, identity = fresh
    connection = world.plain["QEMU"]
    path = world.value(connection, "SecretDefineXML", SECRET.format(identity, f"/{name}"), 0)
    secret = connection.secretLookupByUUIDString(identity)
    assert path == methods.path_of(secret, "QEMU")
    world.same(connection, "ListSecrets", (0,), lambda c: c.listAllSecrets(0), lambda v: PLAIN(v, "QEMU"))
    world.same(connection, "SecretLookupByUUID", (identity,), lambda c: c.secretLookupByUUIDString(identity),
               lambda v: PLAIN(v, "QEMU"))
    usage = (libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, f"/{name}")
    world.same(connection, "SecretLookupByUsage", usage, lambda c: c.secretLookupByUsage(*usage),
               lambda v: PLAIN(v, "QEMU"))
    for kind, key, value in [("s", "UUID", identity), ("s", "UsageID", f"/{name}"), ("i", "UsageType", 1)]:
        world.property(secret, key, kind, value)
    world.same(secret, "GetXMLDesc", (0,), lambda s: s.XMLDesc(0))
    world.refused(secret, "GetValue", (0,), lambda s: s.value(0))
    for value in (b"\x00\xff\x00binary", b"x", bytes(range(256)) * 64):
        world.value(secret, "SetValue", value, 0)
        assert secret.value(0) == value == world.value(secret, "GetValue", 0)
    world.refused(secret, "SetValue", (b"x", 1), lambda s: s.setValue(b"x", 1))
    world.value(secret, "Undefine")
    world.refused((path, "org.libvirt.Secret"), "GetXMLDesc", (0,),
                  lambda c: c.secretLookupByUUIDString(identity), connection)
