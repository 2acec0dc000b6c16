# SPDX-License-Identifier: LGPL-2.1-or-later
"""The signals that need no guest of QEMU's: each is what a plain libvirt client is told, on the object that
the contract says, in libvirt's order. Nobody has called a method of the service on the objects before."""

import os
import pathlib
import subprocess
import sys
import uuid as uuids

import libvirt
import pytest

from support import coverage, host, methods
from support.process import PATIENCE, spawn, wait_until

SIGNATURES = {one.name: one for one in coverage.contract("signal")}
ON_CONNECTION = {"DomainEvent", "NetworkEvent", "NodeDeviceEvent", "SecretEvent", "StoragePoolEvent"}
TITLE, ELEMENT = libvirt.VIR_DOMAIN_METADATA_TITLE, libvirt.VIR_DOMAIN_METADATA_ELEMENT
WITHIN = 10 * PATIENCE


class Watcher(host.Watcher):
    """The plain client of what is not a domain's life."""

    def __init__(self, home, uri):
        program = pathlib.Path(host.__file__).with_name("watcher_objects.py")
        self.process = spawn([sys.executable, str(program), uri], home, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, bufsize=0)
        self.buffer = b""
        self.events = []
        os.set_blocking(self.process.stdout.fileno(), False)
        wait_until(lambda: ["ready"] in self.read(), 2 * WITHIN, "the plain client listens")
        self.events.remove(["ready"])


@pytest.fixture(scope="module")
def world(libvirt_cache):
    with methods.world(libvirt_cache) as one:
        yield one


COLLECTIONS = {"DomainEvent": "domain", "MetadataChange": "domain", "BalloonChange": "domain",
               "NetworkEvent": "network", "StoragePoolEvent": "storagepool", "Refresh": "storagepool",
               "SecretEvent": "secret"}


def as_signal(event, name):
    """(path, interface, member, signature, body) for an event of the plain client."""
    member, identity, *rest = event
    row = SIGNATURES[member]
    tail = f"nodedev/{methods.hexed(identity)}" if member == "NodeDeviceEvent" else \
        methods.below(COLLECTIONS[member], identity)
    root, path = f"/org/libvirt/{name}", f"/org/libvirt/{name}/{tail}"
    if member in ON_CONNECTION:
        return root, row.interface, member, row.first, (path, *rest)
    return path, row.interface, member, row.first, tuple(rest)


@pytest.fixture
def listen(world):
    """listen(name) -> check(members): compares what both sides are told from here on, when the last event of
    each is there."""
    opened = []

    def start(name):
        uri = world.libvirtd.test_uri if name == "Test" else world.libvirtd.uri
        opened.append(Watcher(world.home, uri))
        opened.append(methods.Client(world.bus.address).match())
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


def test_a_secret(world, listen):
    check = listen("QEMU")
    for number in range(3):
        secret = world.plain["QEMU"].secretDefineXML(f"""<secret><uuid>{uuids.uuid4()}</uuid>
<usage type='volume'><volume>/event{number}</volume></usage></secret>""", 0)
        secret.undefine()
    check(["SecretEvent"] * 6)


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
