# SPDX-License-Identifier: LGPL-2.1-or-later
"""The signals that need no guest of QEMU's: each is what a plain libvirt client is told, on the object that
the contract says, in libvirt's order. Nobody has called a method of the service on the objects before."""

import subprocess
import sys
import uuid as uuids
import xml.etree.ElementTree as ElementTree

import libvirt
import pytest

from support import PROGRAMS, coverage
from support.hosts import host, methods, privileged
from support.hosts.methods import module_world  # noqa: F401 (fixture)
from support.process import PATIENCE, wait_until

SIGNATURES = {one.name: (one.interface, one.first) for one in coverage.contract("signal")}
# Signals that libvirt-dbus lacks.
SIGNATURES |= {"Update": ("org.libvirt.NodeDevice", ""), "ValueChanged": ("org.libvirt.Secret", "")}
ON_CONNECTION = {"DomainEvent", "NetworkEvent", "NodeDeviceEvent", "SecretEvent", "StoragePoolEvent"}
TITLE, ELEMENT = libvirt.VIR_DOMAIN_METADATA_TITLE, libvirt.VIR_DOMAIN_METADATA_ELEMENT
WITHIN = 10 * PATIENCE


COLLECTIONS = {"DomainEvent": "domain", "MetadataChange": "domain", "BalloonChange": "domain",
               "NetworkEvent": "network", "StoragePoolEvent": "storagepool", "Refresh": "storagepool",
               "SecretEvent": "secret", "ValueChanged": "secret"}


def as_signal(event, name):
    """(path, interface, member, signature, body) for an event of the plain client."""
    member, called, identity, *rest = event
    interface, signature = SIGNATURES[member]
    tail = methods.below(COLLECTIONS[member], identity) if identity else f"nodedev/{methods.hexed(called)}"
    root, path = f"/org/libvirt/{name}", f"/org/libvirt/{name}/{tail}"
    if member in ON_CONNECTION:
        # NetworkEvent has no detail.
        return root, interface, member, signature, (path, *rest)[:len(signature)]
    return path, interface, member, signature, tuple(rest)


@pytest.fixture
def listen(world):
    """listen(name) -> check(members): compares what both sides are told from here on, when the last event of
    each is there."""
    opened = []

    def start(name, where=world):
        uri = where.libvirtd.test_uri if name == "Test" else where.libvirtd.uri
        opened.append(host.Watcher(where.home, uri))
        opened.append(methods.Client(where.bus.address).match())
        plain, client = opened[-2:]

        def told():
            return [(s.path, s.interface, s.member, s.signature, s.body) for s in client.drain()
                    if s.interface.startswith("org.libvirt.") and s.path.startswith(f"/org/libvirt/{name}")]

        def check(members):
            def same():
                expected = [as_signal(event, name) for event in plain.read()]
                return [one[2] for one in expected] == members and told() == expected
            wait_until(same, WITHIN, lambda: f"{told()} as in {plain.events}, which are {members}")
        return check
    yield start
    for one in opened:
        (one.close if isinstance(one, methods.Client) else one.stop)()


@pytest.fixture
def udev(libvirt_cache, monkeypatch):
    """(world, announce): a libvirtd of root's in a network namespace of its own, and announce(action, path,
    subsystem, properties...), which tells it of a device as udevd would."""
    # libudev listens to udevd only where this shows that there is one.
    runs = "mkdir /run/udev\n: >/run/udev/control\nexec libvirtd"
    monkeypatch.setattr(privileged, "SCRIPT", privileged.SCRIPT.replace("exec libvirtd", runs))
    with methods.privileged_world(libvirt_cache) as one:
        inside = ["nsenter", f"--target={one.libvirtd.process.pid}", "--user", "--net", "--setuid=0"]
        program = PROGRAMS / "udev.py"

        def announce(*words):
            subprocess.run([*inside, sys.executable, str(program), *words], check=True, timeout=60)
        yield one, announce


def test_a_domain(world, listen):
    check = listen("Test")
    with methods.guest(world, running=False) as domain:
        domain.create()
        domain.setMetadata(TITLE, "x", None, None, 1)
        domain.setMetadata(ELEMENT, "<a/>", "k", "urn:x", 1)
        domain.suspend()
        domain.resume()
    check(["DomainEvent"] * 2 + ["MetadataChange"] * 2 + ["DomainEvent"] * 4)


def test_a_network(world, listen):
    check = listen("Test")
    network = world.test.networkDefineXML(f"<network><name>n</name><uuid>{uuids.uuid4()}</uuid></network>")
    network.create()
    network.destroy()
    network.undefine()
    check(["NetworkEvent"] * 4)


def test_a_pool(world, listen):
    check = listen("Test")
    pool = world.test.storagePoolDefineXML(
        f"""<pool type='dir'><name>p</name><uuid>{uuids.uuid4()}</uuid>
<target><path>/p</path></target></pool>""", 0)
    pool.build(0)
    pool.create(0)
    pool.refresh(0)
    pool.destroy()
    pool.delete(0)
    pool.undefine()
    check(["StoragePoolEvent"] * 3 + ["Refresh"] + ["StoragePoolEvent"] * 3)


def test_a_node_device(world, listen):
    check = listen("Test")
    device = world.test.nodeDeviceCreateXML("""<device><parent>scsi_host1</parent>
<capability type='scsi_host'><capability type='fc_host'>
<wwnn>2000000012341234</wwnn><wwpn>1000000012341299</wwpn></capability></capability>
</device>""", 0)
    device.destroy()
    check(["NodeDeviceEvent"] * 2)


def test_a_node_device_is_updated(udev, listen):
    """libvirt tells it whenever udev says that a device changed, also where its XML is the same."""
    world, announce = udev
    device, = [one for one in world.plain["QEMU"].listAllDevices() if one.name().startswith("net_lo_")]
    path = ElementTree.fromstring(device.XMLDesc(0)).findtext("path").removeprefix("/sys")
    check = listen("QEMU", world)
    for _ in range(3):
        announce("change", path, "net", "INTERFACE=lo")
    check(["Update"] * 3)


def test_a_secret(world, listen):
    check = listen("QEMU")
    for number in range(3):
        secret = world.plain["QEMU"].secretDefineXML(f"""<secret><uuid>{uuids.uuid4()}</uuid>
<usage type='volume'><volume>/event{number}</volume></usage></secret>""", 0)
        secret.undefine()
    check(["SecretEvent"] * 6)


def test_the_value_of_a_secret(world, listen):
    """Each setting is told, be the value another one or not."""
    check = listen("QEMU")
    secret = world.plain["QEMU"].secretDefineXML("""<secret><usage type='volume'>
<volume>/value</volume></usage></secret>""", 0)
    for value in (b"a", b"a", b"b"):
        secret.setValue(value)
    secret.undefine()
    check(["SecretEvent"] + ["ValueChanged"] * 3 + ["SecretEvent"])


def test_all_at_once_in_order(world, listen):
    """One stream of libvirt's for all kinds is one stream of signals."""
    check = listen("Test")
    identity, test = uuids.uuid4(), world.test
    for number in range(5):
        network = test.networkDefineXML(f"<network><name>n{number}</name><uuid>{identity}</uuid></network>")
        domain = test.defineXML(methods.GUEST.format(name=f"d{number}", uuid=identity))
        test.storagePoolLookupByName("default-pool").refresh(0)
        domain.setMetadata(TITLE, f"{number}", None, None, 2)
        network.undefine()
        domain.undefine()
    check(["NetworkEvent", "DomainEvent", "Refresh", "MetadataChange", "NetworkEvent", "DomainEvent"] * 5)
