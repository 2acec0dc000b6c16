# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in, everything that is no guest: networks, interfaces, pools, volumes, node devices, secrets,
filters and the node itself, as libvirt-dbus and guestbusd answer it."""

import pytest

from support.client import CONNECT
from test_wire import TEST, compare, get, get_all, method, needs_peer, perform_both, set_value  # noqa: F401 (fixture)
from test_wire_domain import encoded

NETWORK, INTERFACE, NODEDEV = (f"org.libvirt.{name}" for name in ("Network", "Interface", "NodeDevice"))
POOL, VOLUME, SECRET, FILTER = (f"org.libvirt.{name}" for name in
                                ("StoragePool", "StorageVol", "Secret", "NWFilter"))
UUID = "bbbbbbbb-cccc-dddd-eeee-0123456789ab"
LEAF = "_" + UUID.replace("-", "_")
ABSENT = "_00000000_0000_0000_0000_000000000000"
NET = f"{TEST}/network/_dd8fe884_6c02_601e_7551_cca97df1c5df"
DEFAULT_POOL = f"{TEST}/storagepool/_dfe224cb_28fb_8dd0_c4b2_64eb3f0f4566"
NAMES = ["plain", "Ein Name", "$HOME", "100%", "under_score", "Ünïcode", "a.b-c:d", "中文"]
UNKNOWN = 1 << 30


def every(path, interface, *members, flags=(0, UNKNOWN)):
    return [one for member in members for flag in flags
            for one in method(path, interface, member, "u", flag, label=f"{member} {flag} {path}")]


def bare(path, interface, *members):
    return [one for member in members
            for one in method(path, interface, member, label=f"{member} {path}")]


def properties(path, interface, *names):
    return get(path, interface, *names) + get_all(path, interface, label=f"GetAll {path}")


NODE = [
    *[one for signature, call in (
        ("su", ("GetCPUModelNames", "x86_64")), ("su", ("GetCPUModelNames", "nonsense")),
        ("asu", ("BaselineCPU", [])), ("asu", ("BaselineCPU", ["<cpu/>"])),
        ("su", ("CompareCPU", "<cpu/>")), ("su", ("CompareCPU", "")),
        ("ssssu", ("GetDomainCapabilities", "", "", "", "")),
        ("ssssu", ("GetDomainCapabilities", "/bin/x", "i686", "pc", "test")),
        ("ssu", ("FindStoragePoolSources", "logical", "")), ("ssu", ("FindStoragePoolSources", "dir", "")),
        ("ssu", ("FindStoragePoolSources", "", "")), ("u", ("GetSysinfo",)), ("u", ("NodeGetCPUMap",)),
        ("iu", ("NodeGetCPUStats", 0)), ("iu", ("NodeGetCPUStats", -1)), ("iu", ("NodeGetCPUStats", 9999)),
        ("iu", ("NodeGetMemoryStats", -1)), ("iu", ("NodeGetMemoryStats", 0)),
        ("iu", ("NodeGetMemoryStats", 99)), ("u", ("NodeGetMemoryParameters",)),
        ("a{sv}u", ("NodeSetMemoryParameters", {})),
        ("a{sv}u", ("NodeSetMemoryParameters", {"shm_pages_to_scan": ("u", 1)})),
        ("su", ("DomainSaveImageGetXMLDesc", "/nonexistent")), ("ssu", ("DomainRestore", "/nonexistent", "")),
        ("ssu", ("DomainSaveImageDefineXML", "/nonexistent", "<domain/>")),
        ("u", ("ListNetworks",)), ("u", ("ListInterfaces",)), ("u", ("ListNodeDevices",)),
        ("u", ("ListStoragePools",)), ("u", ("ListSecrets",)), ("u", ("ListNWFilters",)),
        ("sahu", ("DomainCreateXMLWithFiles", "<domain/>", [])))
      for flag in (0, UNKNOWN) for one in
      method(TEST, CONNECT, call[0], signature, *call[1:], flag, label=f"{call} {flag}")],
    *bare(TEST, CONNECT, "NodeGetFreeMemory", "NodeGetSecurityModel"),
]


def network(name):
    return f"""<network><name>{name}</name><uuid>{UUID}</uuid><bridge name='virbr9'/>
<ip address='192.168.99.1' netmask='255.255.255.0'/></network>"""


NETWORKS = [
    *properties(NET, NETWORK, "Active", "Autostart", "Name", "Persistent", "UUID"),
    *set_value(NET, NETWORK, "Autostart", ("b", True), ("b", False)),
    *every(NET, NETWORK, "GetXMLDesc", flags=(0, 1, UNKNOWN)),
    *[one for mac in ("", "aa:bb:cc:dd:ee:01", "x") for flag in (0, UNKNOWN) for one in
      method(NET, NETWORK, "GetDHCPLeases", "su", mac, flag)],
    *method(NET, NETWORK, "Update", "uuisu", 3, 4, -1, "<host mac='aa:bb:cc:dd:ee:05' ip='192.168.122.9'/>", 0),
    *method(NET, NETWORK, "Update", "uuisu", 99, 4, -1, "", 0),
    *bare(NET, NETWORK, "Create", "Destroy"),
    *get_all(NET, NETWORK, label="GetAll of a network that is off"),
    *[one for name in NAMES for one in (
        *method(TEST, CONNECT, "NetworkDefineXML", "s", network(name), label=f"NetworkDefineXML {name}"),
        *method(TEST, CONNECT, "NetworkLookupByName", "s", name),
        *get(f"{TEST}/network/{LEAF}", NETWORK, "Name"),
        *bare(f"{TEST}/network/{LEAF}", NETWORK, "Undefine"))],
    *method(TEST, CONNECT, "NetworkCreateXML", "s", network("transient")),
    *get_all(f"{TEST}/network/{LEAF}", NETWORK, label="GetAll of a transient network"),
    *bare(f"{TEST}/network/{LEAF}", NETWORK, "Destroy", "Undefine"),
    *[one for uuid in (UUID, "x", "") for one in method(TEST, CONNECT, "NetworkLookupByUUID", "s", uuid)],
    *[one for member in ("NetworkDefineXML", "NetworkCreateXML", "NetworkLookupByName") for one in
      method(TEST, CONNECT, member, "s", "")],
    *get_all(f"{TEST}/network/{ABSENT}", NETWORK, label="GetAll of no network"),
]


def interface(name):
    return f"""<interface type='ethernet' name='{name}'><start mode='none'/>
<mac address='aa:bb:cc:00:00:01'/></interface>"""


ETH1 = f"{TEST}/interface/{encoded('aa:bb:cc:dd:ee:ff')}"
INTERFACES = [
    *properties(ETH1, INTERFACE, "Active", "MAC", "Name"),
    *every(ETH1, INTERFACE, "GetXMLDesc", "Destroy", "Create"),
    *every(f"{TEST}/interface/eth1", INTERFACE, "GetXMLDesc", flags=(0,)),
    *get_all(f"{TEST}/interface/{encoded('a:b')}", INTERFACE, label="GetAll of no interface"),
    *[one for name in NAMES + ["a/b"] for one in (
        *method(TEST, CONNECT, "InterfaceDefineXML", "su", interface(name), 0, label=f"define {name}"),
        *method(TEST, CONNECT, "InterfaceLookupByName", "s", name),
        *get(f"{TEST}/interface/{encoded('aa:bb:cc:00:00:01')}", INTERFACE, "Name"),
        *every(f"{TEST}/interface/{encoded('aa:bb:cc:00:00:01')}", INTERFACE, "GetXMLDesc", flags=(0,)),
        *bare(f"{TEST}/interface/{encoded('aa:bb:cc:00:00:01')}", INTERFACE, "Undefine"))],
    *[one for mac in ("aa:bb:cc:dd:ee:ff", "AA:BB:CC:DD:EE:FF", "x", "") for one in
      method(TEST, CONNECT, "InterfaceLookupByMAC", "s", mac)],
    *method(TEST, CONNECT, "InterfaceLookupByName", "s", ""),
    *method(TEST, CONNECT, "InterfaceDefineXML", "su", "<interface/>", 0),
    *every(TEST, CONNECT, "InterfaceChangeBegin", "InterfaceChangeCommit", "InterfaceChangeRollback"),
    *every(TEST, CONNECT, "InterfaceChangeBegin", "InterfaceChangeRollback", flags=(0,)),
]


def pool(name):
    return f"""<pool type='dir'><name>{name}</name><uuid>{UUID}</uuid>
<target><path>/a pool</path></target></pool>"""


def volume(name):
    return f"<volume><name>{name}</name><capacity>{1 << 40}</capacity><allocation>5</allocation></volume>"


MINE = f"{TEST}/storagepool/{LEAF}"
POOLS = [
    *properties(DEFAULT_POOL, POOL, "Active", "Autostart", "Name", "Persistent", "UUID"),
    *set_value(DEFAULT_POOL, POOL, "Autostart", ("b", True), ("b", False)),
    *bare(DEFAULT_POOL, POOL, "GetInfo"),
    *every(DEFAULT_POOL, POOL, "GetXMLDesc", "ListStorageVolumes", "Refresh", "Create"),
    *[one for name in NAMES for one in (
        *method(TEST, CONNECT, "StoragePoolDefineXML", "su", pool(name), 0, label=f"define pool {name}"),
        *method(TEST, CONNECT, "StoragePoolLookupByName", "s", name),
        *get(MINE, POOL, "Name"), *bare(MINE, POOL, "Undefine"))],
    *method(TEST, CONNECT, "StoragePoolDefineXML", "su", pool("p"), 0, label="define"),
    *every(MINE, POOL, "Build", "Create", flags=(0,)),
    *[one for name in NAMES + ["a/b"] for one in (
        *method(MINE, POOL, "StorageVolCreateXML", "su", volume(name), 0, label=f"create {name}"),
        *method(MINE, POOL, "StorageVolLookupByName", "s", name),
        *method(TEST, CONNECT, "StorageVolLookupByKey", "s", f"/a pool/{name}"),
        *method(TEST, CONNECT, "StorageVolLookupByPath", "s", f"/a pool/{name}"),
        *properties(f"{TEST}/storagevol/{encoded('/a pool/' + name)}", VOLUME, "Name", "Key", "Path"),
        *every(f"{TEST}/storagevol/{encoded('/a pool/' + name)}", VOLUME, "GetInfo", "GetXMLDesc"))],
    *method(MINE, POOL, "StorageVolCreateXMLFrom", "ssu", volume("copy"), "/a pool/plain", 0),
    *method(MINE, POOL, "StorageVolCreateXMLFrom", "ssu", volume("copy2"), "none", 0),
    *every(MINE, POOL, "ListStorageVolumes", flags=(0,)),
    *[one for member, signature, args in (("Resize", "tu", (1 << 41,)), ("Wipe", "uu", (0,)),
                                          ("Delete", "u", ())) for flag in (UNKNOWN, 0) for one in
      method(f"{TEST}/storagevol/{encoded('/a pool/plain')}", VOLUME, member, signature, *args, flag)],
    *get_all(f"{TEST}/storagevol/{encoded('/a pool/plain')}", VOLUME, label="GetAll of no volume"),
    *get(f"{TEST}/storagevol/{encoded('/a pool/plain')}", VOLUME, "Name"),
    *[one for key in ("", "x") for member in ("StorageVolLookupByKey", "StorageVolLookupByPath") for one in
      method(TEST, CONNECT, member, "s", key)],
    *bare(MINE, POOL, "Destroy", "Destroy"),
    *bare(MINE, POOL, "GetInfo"),
    *every(MINE, POOL, "Delete", "Refresh", "ListStorageVolumes"),
    *bare(MINE, POOL, "Undefine", "Undefine"),
    *method(TEST, CONNECT, "StoragePoolCreateXML", "su", pool("transient"), 0),
    *get_all(MINE, POOL, label="GetAll of a transient pool"),
    *bare(MINE, POOL, "Destroy"),
    *get_all(MINE, POOL, label="GetAll of no pool"),
    *[one for uuid in (UUID, "x", "") for one in method(TEST, CONNECT, "StoragePoolLookupByUUID", "s", uuid)],
    *method(TEST, CONNECT, "StoragePoolLookupByName", "s", ""),
]

VPORT = """<device><parent>scsi_host1</parent><capability type='scsi_host'><capability type='fc_host'>
<wwnn>2000000012341234</wwnn><wwpn>1000000012341234</wwpn></capability></capability></device>"""
NODE_DEVICES = [
    *[one for name in ("computer", "scsi_host1", "scsi_host11", "no ne") for one in (
        *method(TEST, CONNECT, "NodeDeviceLookupByName", "s", name),
        *get(f"{TEST}/nodedev/{encoded(name)}", NODEDEV, "Name", "Parent"),
        *every(f"{TEST}/nodedev/{encoded(name)}", NODEDEV, "GetXMLDesc"),
        *bare(f"{TEST}/nodedev/{encoded(name)}", NODEDEV, "ListCaps", "ReAttach", "Reset"),
        *get_all(f"{TEST}/nodedev/{encoded(name)}", NODEDEV, label=f"GetAll of {name}"),
        *method(f"{TEST}/nodedev/{encoded(name)}", NODEDEV, "Detach", "su", "", 0))],
    *method(TEST, CONNECT, "NodeDeviceLookupByName", "s", ""),
    *[one for wwnn in ("2000000012341234", "", "x") for one in
      method(TEST, CONNECT, "NodeDeviceLookupSCSIHostByWWN", "ssu", wwnn, "1000000012341234", 0)],
    *method(TEST, CONNECT, "NodeDeviceCreateXML", "su", VPORT, 0),
    *method(TEST, CONNECT, "NodeDeviceCreateXML", "su", "<device/>", 0),
    *every(TEST, CONNECT, "ListNodeDevices", flags=(0, 1, 2)),
    *bare(f"{TEST}/nodedev/{encoded('scsi_host12')}", NODEDEV, "Destroy", "Destroy"),
]

# The test driver has neither: what counts is that libvirt's own refusal comes.
REFUSED = [
    *[one for path, kind in ((f"{TEST}/secret/{LEAF}", SECRET), (f"{TEST}/nwfilter/{LEAF}", FILTER))
      for one in (
        *bare(path, kind, "Undefine"), *every(path, kind, "GetXMLDesc", flags=(0,)),
        *get(path, kind, "UUID"), *get_all(path, kind, label=f"GetAll of no {kind}"))],
    *every(f"{TEST}/secret/{LEAF}", SECRET, "GetValue", flags=(0,)),
    *method(f"{TEST}/secret/{LEAF}", SECRET, "SetValue", "ayu", b"abc", 0),
    *get(f"{TEST}/secret/{LEAF}", SECRET, "UsageID", "UsageType"),
    *get(f"{TEST}/nwfilter/{LEAF}", FILTER, "Name"),
    *[one for member, signature, args in (
        ("SecretDefineXML", "su", ("<secret/>", 0)), ("SecretLookupByUUID", "s", (UUID,)),
        ("SecretLookupByUsage", "is", (1, "x")), ("NWFilterDefineXML", "s", ("<filter/>",)),
        ("NWFilterLookupByName", "s", ("x",)), ("NWFilterLookupByUUID", "s", (UUID,)))
      for one in method(TEST, CONNECT, member, signature, *args)],
]

GONE = "an empty success hides that the object is not there"
# (script, intended differences, calls that succeed at least, signals at least)
SCRIPTS = {
    "node": (NODE, {}, 13, 0),
    "networks": (NETWORKS, {"GetAll of no network": ("Network not found", GONE)}, 40, 10),
    "interfaces": (INTERFACES, {"GetXMLDesc 0 /org/libvirt/Test/interface/eth1":
                                ("<interface", "a path may hold a name too: not each interface has a MAC"),
                                "GetAll of no interface": ("Interface not found", GONE)}, 40, 0),
    "pools": (POOLS, {"GetAll of no pool": ("Storage pool not found", GONE),
                      "GetAll of no volume": ("no storage vol with matching", GONE)}, 100, 10),
    "node devices": (NODE_DEVICES, {"GetAll of no ne": ("Node device not found", GONE)}, 20, 2),
    "refused": (REFUSED, {"GetAll of no": ("not supported by the connection driver", GONE)}, 0, 0),
}


@needs_peer
@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_no_guest(perform_both, name):  # noqa: F811
    script, different, values, events = SCRIPTS[name]
    theirs, mine = perform_both(script)
    succeeded = compare(theirs, mine, different)[1]
    assert succeeded >= values
    assert len([one for one in mine[1] if one[2] != "DomainEvent"]) >= events
