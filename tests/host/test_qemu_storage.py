# SPDX-License-Identifier: LGPL-2.1-or-later
"""Storage, secrets, network filters and node devices of a real libvirtd, each against plain libvirt."""

import os

import libvirt
import pytest

from support.client import CONNECT
from support.hosts.guests import (  # noqa: F401 -- stage is a fixture
    POOL, ROOT, SECRET, VOLUME, object_path, outcome, stage)

NODE_DEVICE = "org.libvirt.NodeDevice"
FILTER = "org.libvirt.NWFilter"
MIB = 1 << 20
UNKNOWN = 1 << 20


def pool_xml(name, path):
    return f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


def volume_xml(name, capacity=MIB, kind="raw"):
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity><allocation>0</allocation>"
            f"<target><format type='{kind}'/></target></volume>")


def volume_path(key):
    """Every byte of the key that is not a letter or a digit is "_" and two hex digits."""
    encoded = "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"_{byte:02x}"
                      for byte in key.encode())
    return f"{ROOT}/storagevol/{encoded}"


class Pool:
    """A pool of a directory of its own, as the tests see it on both sides."""

    def __init__(self, stage, name, path):  # noqa: F811
        self.stage = stage
        self.plain = stage.plain.storagePoolLookupByName(name)
        self.number = self.plain.UUIDString()
        self.path = object_path("storagepool", self.number)
        assert path == self.path

    def call(self, member, signature="", *args):
        return self.stage.call(self.path, POOL, member, signature, *args)

    def said(self, member, signature="", *args):
        return self.stage.said(self.path, POOL, member, signature, *args)


@pytest.fixture
def pool(stage):  # noqa: F811
    """An active pool."""
    name = "Pool Ä_%$"
    target = stage.directory("pool")
    one = Pool(stage, name, stage.connect("StoragePoolCreateXML", "su", pool_xml(name, target), 0))
    yield one
    for volume in one.plain.listAllVolumes():
        volume.delete()
    one.plain.destroy()


def test_life_of_a_pool(stage):  # noqa: F811
    target = os.path.join(stage.directory("pools"), "with space")
    xml = pool_xml("life of a pool", target)
    one = Pool(stage, "life of a pool", stage.connect("StoragePoolDefineXML", "su", xml, 0))
    assert stage.connect("ListStoragePools", "u", 0) == [one.path]
    assert stage.connect("StoragePoolLookupByName", "s", "life of a pool") == one.path
    assert stage.connect("StoragePoolLookupByUUID", "s", one.number) == one.path
    assert one.said("Create", "u", 0) == outcome(one.plain.create)
    assert one.call("Build", "u", 0) is None
    assert os.path.isdir(target)
    assert one.call("Create", "u", 0) is None
    assert one.plain.isActive() == 1
    assert one.said("Create", "u", 0) == outcome(one.plain.create)
    assert one.call("GetXMLDesc", "u", 0) == one.plain.XMLDesc(0)
    state, capacity, _, _ = one.call("GetInfo")
    assert [state, capacity] == one.plain.info()[:2]
    for name, value in (("Active", True), ("Autostart", False), ("Name", "life of a pool"),
                        ("Persistent", True), ("UUID", one.number)):
        assert stage.client.get(one.path, POOL, name)[1] == value
    stage.client.set(one.path, POOL, "Autostart", "b", True)
    assert one.plain.autostart() == 1
    assert one.call("Refresh", "u", 0) is None
    assert one.said("Refresh", "u", UNKNOWN) == outcome(one.plain.refresh, UNKNOWN)
    assert one.call("Destroy") is None
    assert one.plain.isActive() == 0 and one.said("Destroy") == outcome(one.plain.destroy)
    assert one.call("Delete", "u", 0) is None
    assert not os.path.exists(target)
    assert one.call("Undefine") is None
    kind, text = one.said("Undefine")
    assert kind == "error" and text.startswith("Storage pool not found: no storage pool with matching uuid")
    told = stage.same(one.path, one.number, "Refresh", *["StoragePoolEvent"] * 6)
    assert [word[1] for word in told if word[0] == "StoragePoolEvent"] == [0, 4, 2, 3, 5, 1]
    assert ["Refresh"] in told


def test_what_is_no_pool(stage):  # noqa: F811
    for member, signature, args, function in (
            ("StoragePoolDefineXML", "su", ("<pool/>", 0), stage.plain.storagePoolDefineXML),
            ("StoragePoolCreateXML", "su", ("", 0), stage.plain.storagePoolCreateXML),
            ("StoragePoolLookupByName", "s", ("none",), stage.plain.storagePoolLookupByName),
            ("StoragePoolLookupByUUID", "s", ("x",), stage.plain.storagePoolLookupByUUIDString),
            ("StorageVolLookupByKey", "s", ("/none",), stage.plain.storageVolLookupByKey),
            ("StorageVolLookupByPath", "s", ("/none",), stage.plain.storageVolLookupByPath)):
        assert stage.said(ROOT, CONNECT, member, signature, *args) == outcome(function, *args), member
    for kind in ("dir", "netfs", "nonsense"):
        assert (stage.said(ROOT, CONNECT, "FindStoragePoolSources", "ssu", kind, "", 0)
                == outcome(stage.plain.findStoragePoolSources, kind, None, 0))


@pytest.mark.parametrize("name", ["plain", "with space", "Ä ö_%$'.qcow2"])
def test_volume(stage, pool, name):  # noqa: F811
    path = pool.call("StorageVolCreateXML", "su", volume_xml(name), 0)
    plain = pool.plain.storageVolLookupByName(name)
    assert path == volume_path(plain.key())
    for lookup, key in (("StorageVolLookupByKey", plain.key()), ("StorageVolLookupByPath", plain.path())):
        assert stage.connect(lookup, "s", key) == path
    assert pool.call("StorageVolLookupByName", "s", name) == path
    assert pool.call("ListStorageVolumes", "u", 0) == [path]
    for member, value in (("Name", name), ("Key", plain.key()), ("Path", plain.path())):
        assert stage.client.get(path, VOLUME, member) == ("s", value)

    def call(member, signature, *args):
        return stage.call(path, VOLUME, member, signature, *args)
    assert call("GetXMLDesc", "u", 0) == plain.XMLDesc(0)
    assert list(call("GetInfo", "u", 0)) == plain.info()
    physical = libvirt.VIR_STORAGE_VOL_GET_PHYSICAL
    assert list(call("GetInfo", "u", physical)) == plain.infoFlags(physical)
    assert call("Resize", "tu", 2 * MIB, 0) is None
    assert call("GetInfo", "u", 0)[1] == plain.info()[1] == 2 * MIB
    delta = libvirt.VIR_STORAGE_VOL_RESIZE_DELTA
    assert call("Resize", "tu", MIB, delta) is None
    assert plain.info()[1] == 3 * MIB
    assert stage.said(path, VOLUME, "Resize", "tu", 0, 0) == outcome(plain.resize, 0, 0)
    with open(plain.path(), "r+b") as file:
        file.write(b"secret" * 1000)
    assert call("Wipe", "uu", libvirt.VIR_STORAGE_VOL_WIPE_ALG_ZERO, 0) is None
    with open(plain.path(), "rb") as file:
        assert not any(file.read(6000))
    assert stage.said(path, VOLUME, "Wipe", "uu", 99, 0) == outcome(plain.wipePattern, 99, 0)
    copy = pool.call("StorageVolCreateXMLFrom", "ssu", volume_xml(f"{name} copy", 3 * MIB), plain.key(), 0)
    assert copy == volume_path(f"{plain.key()} copy")
    assert sorted(pool.call("ListStorageVolumes", "u", 0)) == sorted((path, copy))
    assert call("Delete", "u", 0) is None
    assert stage.call(copy, VOLUME, "Delete", "u", 0) is None
    assert pool.plain.listAllVolumes() == []
    assert (stage.said(path, VOLUME, "GetInfo", "u", 0)
            == outcome(stage.plain.storageVolLookupByKey, plain.key()))


def test_what_is_no_volume(pool):
    assert (pool.said("StorageVolLookupByName", "s", "none")
            == outcome(pool.plain.storageVolLookupByName, "none"))
    for xml in ("", "<volume/>", volume_xml("a/b")):
        assert pool.said("StorageVolCreateXML", "su", xml, 0) == outcome(pool.plain.createXML, xml, 0)
    for flags in (UNKNOWN,):
        assert (pool.said("ListStorageVolumes", "u", flags)
                == outcome(pool.plain.listAllVolumes, flags))
    assert (pool.said("StorageVolCreateXMLFrom", "ssu", volume_xml("x"), "/none", 0)
            == outcome(pool.plain.connect().storageVolLookupByKey, "/none"))


# Secrets

def secret_xml(usage, private="no"):
    return (f"<secret ephemeral='no' private='{private}'><description>Ä</description>"
            f"<usage type='volume'><volume>{usage}</volume></usage></secret>")


def test_secret(stage):  # noqa: F811
    path = stage.connect("SecretDefineXML", "su", secret_xml("/a Ä"), 0)
    plain, = stage.plain.listAllSecrets()
    assert path == object_path("secret", plain.UUIDString())
    assert stage.connect("ListSecrets", "u", 0) == [path]
    assert stage.connect("SecretLookupByUUID", "s", plain.UUIDString()) == path
    assert stage.connect("SecretLookupByUsage", "is", libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, "/a Ä") == path
    for name, value in (("UUID", plain.UUIDString()), ("UsageID", "/a Ä"), ("UsageType", 1)):
        assert stage.client.get(path, SECRET, name)[1] == value

    def call(member, signature="", *args):
        return stage.said(path, SECRET, member, signature, *args)
    assert call("GetXMLDesc", "u", 0) == ("value", plain.XMLDesc(0))
    assert call("GetValue", "u", 0) == outcome(plain.value)
    for value in (bytes(range(256)), b"\0", b"\0\0end"):
        assert call("SetValue", "ayu", value, 0) == ("value", None)
        kind, got = call("GetValue", "u", 0)
        assert kind == "value" and bytes(got) == plain.value() == value
    assert call("SetValue", "ayu", b"", 0) == outcome(plain.setValue, b"")
    assert call("SetValue", "ayu", b"x", UNKNOWN) == outcome(plain.setValue, b"x", UNKNOWN)
    assert call("Undefine") == ("value", None)
    assert stage.plain.listAllSecrets() == []
    assert call("Undefine")[0] == "error"
    told = stage.same(path, plain.UUIDString(), "SecretEvent", "SecretEvent")
    assert told == [["SecretEvent", 0, 0], *[["ValueChanged"]] * 3, ["SecretEvent", 1, 0]]


def test_the_value_of_a_secret_is_set_by_others(stage):  # noqa: F811
    """Each setting is told, on the secret's object, be the value another one or not."""
    plain = stage.plain.secretDefineXML(secret_xml("/b"), 0)
    number = plain.UUIDString()
    path = object_path("secret", number)
    stage.same(path, number, "SecretEvent")
    for value in ("YQ==", "YQ==", "Yg=="):
        stage.libvirtd.virsh("secret-set-value", number, "--base64", value)
    told = stage.same(path, number, *["ValueChanged"] * 3)
    assert told == [["SecretEvent", 0, 0], *[["ValueChanged"]] * 3]
    assert {(one.interface, one.signature) for one in stage.listener.signals
            if (one.path, one.member) == (path, "ValueChanged")} == {(SECRET, "")}
    plain.undefine()


def test_what_is_no_secret(stage):  # noqa: F811
    for member, signature, args, function in (
            ("SecretDefineXML", "su", ("<x/>", 0), stage.plain.secretDefineXML),
            ("SecretLookupByUUID", "s", ("x",), stage.plain.secretLookupByUUIDString),
            ("SecretLookupByUsage", "is", (1, "/none"), stage.plain.secretLookupByUsage),
            ("ListSecrets", "u", (UNKNOWN,), stage.plain.listAllSecrets)):
        assert stage.said(ROOT, CONNECT, member, signature, *args) == outcome(function, *args), member


# Filters and devices: what this libvirtd has of them

def test_filters(stage):  # noqa: F811
    """An ordinary user's libvirtd has none to define; both sides say the same."""
    xml = "<filter name='f'><uuid>11111111-0000-0000-0000-000000000000</uuid></filter>"
    path = object_path("nwfilter", "11111111-0000-0000-0000-000000000000")
    for member, signature, args, function in (
            ("NWFilterDefineXML", "s", (xml,), stage.plain.nwfilterDefineXML),
            ("NWFilterLookupByName", "s", ("f",), stage.plain.nwfilterLookupByName),
            ("NWFilterLookupByUUID", "s", ("x",), stage.plain.nwfilterLookupByUUIDString),
            ("ListNWFilters", "u", (0,), stage.plain.listAllNWFilters)):
        result = stage.said(ROOT, CONNECT, member, signature, *args)
        expected = outcome(function, *args)
        assert result[0] == expected[0], member
        assert result == expected or result[0] == "value"
    for member, signature, args in (("GetXMLDesc", "u", (0,)), ("Undefine", "", ())):
        assert (stage.said(path, FILTER, member, signature, *args)[0]
                == outcome(stage.plain.nwfilterLookupByName, "f")[0])


def test_node_devices(stage):  # noqa: F811
    expected = outcome(stage.plain.listAllDevices)
    result = stage.said(ROOT, CONNECT, "ListNodeDevices", "u", 0)
    assert result[0] == expected[0]
    if result[0] == "error":
        assert result == expected
        return
    assert len(result[1]) == len(expected[1])
    for device in expected[1][:20]:
        path = stage.connect("NodeDeviceLookupByName", "s", device.name())
        assert path in result[1]
        assert stage.client.get(path, NODE_DEVICE, "Name") == ("s", device.name())
        parent = stage.client.get_all(path, NODE_DEVICE).get("Parent")
        assert parent == (("v", ("s", device.parent())) if device.parent() else None)
        assert stage.call(path, NODE_DEVICE, "GetXMLDesc", "u", 0) == device.XMLDesc(0)
        assert stage.call(path, NODE_DEVICE, "ListCaps") == device.listCaps()
    for member, signature, args, function in (
            ("NodeDeviceLookupByName", "s", ("none",), stage.plain.nodeDeviceLookupByName),
            ("NodeDeviceCreateXML", "su", ("<device/>", 0), stage.plain.nodeDeviceCreateXML),
            ("NodeDeviceLookupSCSIHostByWWN", "ssu", ("1" * 16, "2" * 16, 0),
             stage.plain.nodeDeviceLookupSCSIHostByWWN)):
        assert stage.said(ROOT, CONNECT, member, signature, *args) == outcome(function, *args), member
