# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method of every kind of object, with each argument at its edges: one reply each, of the type that the
introspection promises, and a service that still works. Then all of them again and again: nothing grows.

The hypervisor is libvirt's test driver in the service itself, so nothing here touches the machine; the few
functions of it that write files get names below the test's directory, or names that cannot be made."""

import random
import time
import xml.etree.ElementTree as ElementTree

import pytest
from jeepney import MessageType
from test_endurance import NUMBER, Rest

from support.client import CONNECT, DOMAIN, PROPERTIES, DBusError, body_of, field
from support.process import PATIENCE
from support.service import CHECKOUT, wait_connected

TEST = "/org/libvirt/Test"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
LEAF = "_" + UUID.replace("-", "_")
MAC = "52:54:00:12:34:56"
VICTIM = f"{TEST}/domain/{LEAF}"
NETWORK = f"{TEST}/network/{LEAF}"
POOL = f"{TEST}/storagepool/{LEAF}"
INTERFACE = f"{TEST}/interface/52_3a54_3a00_3a12_3a34_3a56"
OBJECTS = {
    "Connect": TEST,
    "Domain": VICTIM,
    "DomainSnapshot": f"{TEST}/domainsnapshot/{LEAF}_first",
    "Interface": INTERFACE,
    "NWFilter": f"{TEST}/nwfilter/{LEAF}",
    "Network": NETWORK,
    "NodeDevice": f"{TEST}/nodedev/computer",
    "Secret": f"{TEST}/secret/{LEAF}",
    "StoragePool": POOL,
    "StorageVol": f"{TEST}/storagevol/_2fsweep_2fvolume",
}
# The test driver has no such objects, so none can be asked what it is.
WITHOUT_OBJECTS = ("NWFilter", "Secret")

DOMAIN_XML = f"""<domain type='test'><name>victim</name><uuid>{UUID}</uuid><memory>65536</memory>
<vcpu current='1'>4</vcpu><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/sweep/disk'/><target dev='vda' bus='virtio'/></disk>
<interface type='network'><mac address='{MAC}'/><source network='default'/><target dev='vnet0'/></interface>
</devices></domain>"""
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
       "InterfaceDefineXML": INTERFACE_XML}
# Arguments for which there is something in the test driver.
GOOD = {"name": "victim", "uuid": UUID, "disk": "vda", "device": "vnet0", "mac": MAC, "dev": "vda",
        "key": "/sweep/volume", "path": "/sweep/volume"}
FILES = ("to", "from", "file")

STANDARD = "org.freedesktop.DBus.Error."
# What a request may be refused with. Failed is not among them: it is a fault of the service's own.
REFUSALS = {"org.libvirt.Error", STANDARD + "InvalidArgs", STANDARD + "LimitsExceeded"}

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
    "ab": [[], [True], [False], [True] * 9, [True] * 65536],
    "ay": [b"", b"\0", b"x" * 65536],
    "as": [[], [""], ["x" * 65536], ["a"] * 5000],
    "au": [[], [0], [(1 << 32) - 1] * 16, [1] * 5000],
    "ah": [[], [0], [1, 0], [(1 << 32) - 1], [7] * 5000],
    "a{sv}": [{}, {"": ("s", "")}, {"cpu_shares": ("t", 1)}, {"cpu_shares": ("s", "x")},
              {"weight": ("ay", b"x")}, {"bandwidth": ("v", ("v", ("t", 1)))}, {NAME: ("u", 1)},
              {"x": ("a{sv}", {"y": ("i", 1)})}, {"total_bytes_sec": ("t", (1 << 64) - 1)},
              {f"p{index}": ("d", 0.5) for index in range(5000)}],
}
DEFAULTS = {"s": "", "b": False, "i": 0, "u": 0, "x": 0, "t": 0, "ab": [True], "ay": b"x", "as": [],
            "au": [1], "ah": [], "a{sv}": {}}


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


def send(client, path, method, values):
    """Sends a call. Handles are sent as the numbers they are on the wire, be there descriptors or not."""
    signature = "".join(method.types)
    message = client.message(path, method.interface, method.name, signature.replace("h", "u"), values)
    serial, data = client.serialise(message)
    if "h" in signature:
        wrong = b"\x01g\0" + bytes([len(signature)]) + signature.replace("h", "u").encode() + b"\0"
        right = b"\x01g\0" + bytes([len(signature)]) + signature.encode() + b"\0"
        assert data.count(wrong) == 1
        data = data.replace(wrong, right)
    client.send_bytes(data)
    return serial


def read_methods(client, kind):
    """The methods of a kind, by what an object of it says at this moment."""
    interface = f"org.libvirt.{kind}"
    if kind in WITHOUT_OBJECTS:
        text = (CHECKOUT / "introspection" / f"{interface}.xml").read_text(encoding="utf-8")
    else:
        text = client.introspect(OBJECTS[kind])
    found = ElementTree.fromstring(text).find(f"interface[@name='{interface}']")
    return [Method(interface, element) for element in found.findall("method")]


def prepare(client):
    """Brings everything back that a method may have taken away."""
    for path, interface, member, signature, values in (
            (VICTIM, DOMAIN, "Destroy", "u", (0,)),
            (VICTIM, DOMAIN, "Undefine", "u", (3,)),
            (TEST, CONNECT, "DomainDefineXML", "s", (DOMAIN_XML,)),
            (VICTIM, DOMAIN, "Create", "u", (0,)),
            (VICTIM, DOMAIN, "SnapshotCreateXML", "su", (SNAPSHOT_XML, 0)),
            (TEST, CONNECT, "NetworkDefineXML", "s", (NETWORK_XML,)),
            (NETWORK, "org.libvirt.Network", "Create", "", ()),
            (TEST, CONNECT, "StoragePoolDefineXML", "su", (POOL_XML, 0)),
            (POOL, "org.libvirt.StoragePool", "Create", "u", (0,)),
            (POOL, "org.libvirt.StoragePool", "StorageVolCreateXML", "su", (VOLUME_XML, 0)),
            (TEST, CONNECT, "InterfaceDefineXML", "su", (INTERFACE_XML, 0)),
            (INTERFACE, "org.libvirt.Interface", "Create", "u", (0,))):
        client.exchange(path, interface, member, signature, values)


def still_serves(service, client):
    assert not service.ended(), service.stderr()[-3000:]
    prepare(client)
    assert client.domain(VICTIM, "GetState", "u", 0)[0] == 1
    assert VICTIM in client.connect("ListDomains", "u", 0)


@pytest.fixture
def service(one_bus, run_service):
    return run_service(one_bus)


@pytest.fixture
def sweeper(service, connect):
    client = connect(service.bus)
    wait_connected(client)
    prepare(client)
    return client


def check(reply, method, values):
    """A reply is of the promised type, or a refusal that says why."""
    what = f"{method.interface}.{method.name}{str(values)[:200]}"
    if reply.header.message_type == MessageType.method_return:
        assert (field(reply, "signature") or "") == method.result, what
        return True
    name = field(reply, "error_name")
    assert name in REFUSALS and reply.body[0], f"{what}: {name}: {reply.body}"
    return False


def test_all_kinds_say_what_they_are(sweeper):
    """All ten, and what they say is what the interface files have."""
    total = 0
    for kind in OBJECTS:
        file = ElementTree.parse(CHECKOUT / "introspection" / f"org.libvirt.{kind}.xml")
        methods = read_methods(sweeper, kind)
        expected = [Method(f"org.libvirt.{kind}", one) for one in file.findall("interface/method")]
        assert [vars(one) for one in methods] == [vars(one) for one in expected]
        total += len(methods)
    assert total >= 195


@pytest.mark.parametrize("kind", OBJECTS)
def test_each_argument_at_its_edges(sweeper, service, home, kind):
    good = 0
    for method in read_methods(sweeper, kind):
        for _, rows in method.edges(home):
            prepare(sweeper)
            serials = {send(sweeper, OBJECTS[kind], method, row): row for row in rows}
            replies = sweeper.collect(list(serials), 60 * PATIENCE)
            assert set(replies) == set(serials)
            good += sum(check(reply, method, serials[serial]) for serial, reply in replies.items())
    still_serves(service, sweeper)
    assert good > 0 or kind in WITHOUT_OBJECTS


@pytest.mark.parametrize("kind", OBJECTS)
def test_each_property_at_its_edges(sweeper, service, kind):
    """Properties are written with every type there is, and asked of interfaces that are not there."""
    interface = f"org.libvirt.{kind}"
    values = [("b", True), ("s", "x" * 65536), ("t", (1 << 64) - 1), ("v", ("b", True)), ("ay", b""),
              ("a{sv}", {}), ("(b)", (True,))]
    names = ["Autostart", "Name", "", "x" * 65536, "Active"]
    serials = []
    for name in names:
        serials += [sweeper.send(OBJECTS[kind], PROPERTIES, "Set", "ssv", (interface, name, value))
                    for value in values]
        for other in (interface, "", "org.libvirt.None", "x" * 65536):
            serials.append(sweeper.send(OBJECTS[kind], PROPERTIES, "Get", "ss", (other, name)))
            serials.append(sweeper.send(OBJECTS[kind], PROPERTIES, "GetAll", "s", (other,)))
    replies = sweeper.collect(serials, 60 * PATIENCE)
    assert set(replies) == set(serials)
    for reply in replies.values():
        assert field(reply, "error_name") != STANDARD + "Failed"
    still_serves(service, sweeper)


def probe(client):
    """[(path, method)] that the test driver has: those whose libvirt function it does not lack."""
    found = []
    for kind, path in OBJECTS.items():
        for method in read_methods(client, kind) if kind not in WITHOUT_OBJECTS else ():
            prepare(client)
            values = method.usual("/none")
            try:
                body_of(client.take_reply(send(client, path, method, values), 30 * PATIENCE))
            except DBusError as error:
                if "not supported by the connection driver" in error.message:
                    continue
            found.append((path, method))
    return found


def test_nothing_grows(sweeper, service, home, capsys):
    """Calls spread over all methods that the test driver has, each with arguments as it takes them; many fail
    all the same, for what the calls before them did. Edges are left out: some are large and fill the
    allocator's pools now and then, which is no leak and looks like one."""
    rng = random.Random(7)
    methods = probe(sweeper)
    assert len(methods) > 100
    rest = Rest(service)
    began = time.monotonic()
    sent = 0
    while sent < NUMBER:
        serials = []
        for _ in range(200):
            path, method = rng.choice(methods)
            serials.append(send(sweeper, path, method, method.usual(home)))
        assert len(sweeper.collect(serials, 60 * PATIENCE)) == len(serials)
        prepare(sweeper)
        sent += len(serials)
        if rest.early is None and sent >= NUMBER / 4:
            rest.note()
    still_serves(service, sweeper)
    with capsys.disabled():
        print(f"\n{sent} calls of {len(methods)} methods in {time.monotonic() - began:.1f} s, {rest.check()}")
