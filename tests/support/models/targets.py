# SPDX-License-Identifier: LGPL-2.1-or-later
"""One object of each kind in libvirt's test driver, which members they have, and arguments for these: such as
they take, and at their edges.

The driver is the one inside the service, so nothing here touches the machine; the few functions of it that
write files get names below the test's directory, or names that cannot be made."""

import xml.etree.ElementTree as ElementTree

from ..client import CONNECT, DOMAIN
from ..service import CHECKOUT

TEST = "/org/libvirt/Test"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
LEAF = "_" + UUID.replace("-", "_")
# A domain has snapshots or checkpoints, not both.
MARKED = "aaaaaaaa-bbbb-cccc-dddd-0123456789ac"
MARKED_LEAF = "_" + MARKED.replace("-", "_")
MAC = "52:54:00:12:34:56"
TAILS = {
    "Connect": "",
    "Domain": f"domain/{LEAF}",
    "DomainCheckpoint": f"domaincheckpoint/{MARKED_LEAF}_first",
    "DomainSnapshot": f"domainsnapshot/{LEAF}_first",
    "Interface": "interface/52_3a54_3a00_3a12_3a34_3a56",
    "NWFilter": f"nwfilter/{LEAF}",
    "NWFilterBinding": "nwfilterbinding/vnet7",
    "Network": f"network/{LEAF}",
    "NodeDevice": "nodedev/computer",
    "Secret": f"secret/{LEAF}",
    "StoragePool": f"storagepool/{LEAF}",
    "StorageVol": "storagevol/_2fsweep_2fvolume",
}
# The test driver has no such objects, so none can be asked what it is.
WITHOUT_OBJECTS = ("NWFilter", "NWFilterBinding", "Secret")

DOMAIN_XML = f"""<domain type='test'><name>victim</name><uuid>{UUID}</uuid><memory>65536</memory>
<vcpu current='1'>4</vcpu><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/sweep/disk'/><target dev='vda' bus='virtio'/></disk>
<interface type='network'><mac address='{MAC}'/><source network='default'/><target dev='vnet0'/></interface>
</devices></domain>"""
MARKED_XML = f"""<domain type='test'><name>marked</name><uuid>{MARKED}</uuid><memory>1024</memory>
<os><type>hvm</type></os><devices><disk type='file' device='disk'><source file='/marked'/><target dev='vda'/></disk>
</devices></domain>"""
CHECKPOINT_XML = "<domaincheckpoint><name>first</name></domaincheckpoint>"
NETWORK_XML = f"<network><name>victim</name><uuid>{UUID}</uuid><bridge name='virbr7'/></network>"
POOL_XML = f"""<pool type='dir'><name>victim</name><uuid>{UUID}</uuid>
<target><path>/sweep</path></target></pool>"""
VOLUME_XML = "<volume><name>volume</name><capacity>1048576</capacity></volume>"
SNAPSHOT_XML = "<domainsnapshot><name>first</name></domainsnapshot>"
INTERFACE_XML = f"""<interface type='ethernet' name='eth7'><start mode='none'/><mac address='{MAC}'/>
<mtu size='1500'/></interface>"""

XML = {"DomainDefineXML": DOMAIN_XML, "DomainCreateXML": DOMAIN_XML, "NetworkDefineXML": NETWORK_XML,
       "NetworkCreateXML": NETWORK_XML, "StoragePoolDefineXML": POOL_XML, "StoragePoolCreateXML": POOL_XML,
       "StorageVolCreateXML": VOLUME_XML, "SnapshotCreateXML": SNAPSHOT_XML,
       "InterfaceDefineXML": INTERFACE_XML, "CheckpointCreateXML": CHECKPOINT_XML}
# Arguments for which there is something in the test driver.
GOOD = {"name": "victim", "uuid": UUID, "disk": "vda", "device": "vnet0", "mac": MAC, "dev": "vda",
        "key": "/sweep/volume", "path": "/sweep/volume"}
FILES = ("to", "from", "file")

# A string may end up as the name of a file: none of these can be made.
STRINGS = ["", "/", "x" * 65536, "/none/%s%n%s", "no/name \x01", "<domain/>", "../..", "\u00e4\U0010ffff/"]
NAME = "n" * 80
EDGES = {
    "s": STRINGS,
    "b": [False, True],
    "i": [0, 1, -1, (1 << 31) - 1, -(1 << 31)],
    "u": [0, 1, 2, 1 << 31, (1 << 32) - 1],
    "x": [0, -1, (1 << 63) - 1, -(1 << 63)],
    "t": [0, 1, 1 << 32, 1 << 63, (1 << 64) - 1],
    "h": [0, 1, (1 << 32) - 1],
    "ab": [[], [True], [False], [True] * 9, [True] * 65536],
    "ay": [b"", b"\0", b"x" * 65536],
    "as": [[], [""], ["x" * 65536], ["a"] * 5000],
    "au": [[], [0], [(1 << 32) - 1] * 16, [1] * 5000],
    "ah": [[], [0], [1, 0], [(1 << 32) - 1], [7] * 5000],
    "a{sv}": [{}, {"": ("s", "")}, {"cpu_shares": ("t", 1)}, {"cpu_shares": ("s", "x")},
              {"weight": ("ay", b"x")}, {"bandwidth": ("v", ("v", ("t", 1)))}, {NAME: ("u", 1)},
              {"x": ("a{sv}", {"y": ("i", 1)})}, {"total_bytes_sec": ("t", (1 << 64) - 1)},
              {f"p{index}": ("d", 0.5) for index in range(5000)}],
    "a{ut}": [{}, {4: 0}, {0: 1}, {(1 << 32) - 1: (1 << 64) - 1}, {size: 1 for size in range(5000)}],
}
DEFAULTS = {"s": "", "b": False, "i": 0, "u": 0, "x": 0, "t": 0, "h": 0, "ab": [True], "ay": b"x", "as": [],
            "au": [1], "ah": [], "a{sv}": {}, "a{ut}": {}}


def objects(root):
    """{kind: path} of a connection to the test driver."""
    return {kind: f"{root}/{tail}".rstrip("/") for kind, tail in TAILS.items()}


OBJECTS = objects(TEST)
VICTIM = OBJECTS["Domain"]


class Method:
    """A method as an object's introspection has it."""

    def __init__(self, interface, element):
        self.interface = interface
        self.name = element.get("name")
        self.names, self.types, self.result = [], [], ""
        for argument in element.findall("arg"):
            if argument.get("direction") == "out":
                self.result += argument.get("type")
            else:
                self.names.append(argument.get("name"))
                self.types.append(argument.get("type"))

    def usual(self, home):
        """Arguments with which it may well succeed."""
        values = []
        for name, kind in zip(self.names, self.types):
            value = GOOD.get(name, DEFAULTS[kind]) if kind == "s" else DEFAULTS[kind]
            if name == "xml":
                value = XML.get(self.name, "")
            values.append(f"{home}/{name}" if name in FILES else value)
        return values

    def edges(self, home):
        """[(index of an argument, rows of arguments with that one at its edges)]."""
        usual = self.usual(home)
        result = [(None, [usual])]
        for index, kind in enumerate(self.types):
            result.append((index, [usual[:index] + [value] + usual[index + 1:] for value in EDGES[kind]]))
        return result


def read_methods(client, kind):
    """The methods of a kind, by what an object of it says at this moment."""
    interface = f"org.libvirt.{kind}"
    if kind in WITHOUT_OBJECTS:
        text = (CHECKOUT / "introspection" / f"{interface}.xml").read_text(encoding="utf-8")
    else:
        text = client.introspect(OBJECTS[kind])
    found = ElementTree.fromstring(text).find(f"interface[@name='{interface}']")
    return [Method(interface, element) for element in found.findall("method")]


def prepare(client, root=TEST):
    """Brings everything back that a method may have taken away."""
    path = {**objects(root), "Marked": f"{root}/domain/{MARKED_LEAF}"}
    for kind, interface, member, signature, values in (
            ("Domain", DOMAIN, "Destroy", "u", (0,)),
            ("Domain", DOMAIN, "Undefine", "u", (3,)),
            ("Connect", CONNECT, "DomainDefineXML", "s", (DOMAIN_XML,)),
            ("Domain", DOMAIN, "Create", "u", (0,)),
            ("Domain", DOMAIN, "SnapshotCreateXML", "su", (SNAPSHOT_XML, 0)),
            ("Connect", CONNECT, "DomainDefineXML", "s", (MARKED_XML,)),
            ("Marked", DOMAIN, "Create", "u", (0,)),
            ("Marked", DOMAIN, "CheckpointCreateXML", "su", (CHECKPOINT_XML, 0)),
            ("Connect", CONNECT, "NetworkDefineXML", "s", (NETWORK_XML,)),
            ("Network", "org.libvirt.Network", "Create", "", ()),
            ("Connect", CONNECT, "StoragePoolDefineXML", "su", (POOL_XML, 0)),
            ("StoragePool", "org.libvirt.StoragePool", "Create", "u", (0,)),
            ("StoragePool", "org.libvirt.StoragePool", "StorageVolCreateXML", "su", (VOLUME_XML, 0)),
            ("Connect", CONNECT, "InterfaceDefineXML", "su", (INTERFACE_XML, 0)),
            ("Interface", "org.libvirt.Interface", "Create", "u", (0,))):
        client.exchange(path[kind], interface, member, signature, values)
