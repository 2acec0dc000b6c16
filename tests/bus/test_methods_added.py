# SPDX-License-Identifier: LGPL-2.1-or-later
"""Methods that libvirt-dbus does not have, on the test driver, beside python3-libvirt. What the driver does not have
must have reached the function that the interface file names: libvirt's error says which."""

import os
import re
import xml.etree.ElementTree as ElementTree

import libvirt
import pytest

from support import coverage, declared
from support.client import CONNECT, DOMAIN, DBusError, body_of
from support.hosts import methods
from support.hosts.methods import module_world, running_guest  # noqa: F401 (fixtures)
from support.models.targets import DEFAULTS
from support.process import PATIENCE
from support.programs.fd_client import FdClient

SNAPSHOT, NETWORK = "org.libvirt.DomainSnapshot", "org.libvirt.Network"
NODE_DEVICE, VOLUME = "org.libvirt.NodeDevice", "org.libvirt.StorageVol"
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
NETWORK_XML = """<network><name>{}</name><uuid>bbbbbbbb-1111-2222-3333-44444444444{}</uuid>
<bridge name='virbr{}'/></network>"""


@pytest.mark.parametrize("member, args, python", [
    ("GetMaxVcpus", ("",), lambda c: c.getMaxVcpus(None)),
    ("GetMaxVcpus", ("test",), lambda c: c.getMaxVcpus("test")),
    ("GetType", (), lambda c: c.getType()),
    ("GetURI", (), lambda c: c.getURI()),
    ("NodeGetInfo", (), lambda c: [c.getInfo()[0], c.getInfo()[1] << 10, *c.getInfo()[2:]]),
    ("NodeGetCellsFreeMemory", (0, 2), lambda c: c.getCellsFreeMemory(0, 2)),
    ("NodeGetCellsFreeMemory", (1, 1024), lambda c: c.getCellsFreeMemory(1, 1024)),
    ("NodeGetCellsFreeMemory", (7, 2), lambda c: c.getCellsFreeMemory(7, 2)),
], ids=lambda value: None if callable(value) else str(value))
def test_reads_of_the_connection(world, member, args, python):
    world.same(world.test, member, args, python)


def test_free_pages(world):
    """Of the host: the test driver fails without an error. Those of the usual size come and go."""
    host = world.plain["QEMU"]
    sizes = [int(size) for size in re.findall(r"<pages unit='KiB' size='(\d+)'/>", host.getCapabilities())]
    if huge := sizes[1:]:
        plain = host.getFreePages(huge, -1, 1, 0)[-1]
        assert world.value(host, "NodeGetFreePages", huge, -1, 1, 0) == [plain[size] for size in huge]
    assert len(world.value(host, "NodeGetFreePages", sizes, -1, 1, 0)) == len(sizes)
    world.refused(host, "NodeGetFreePages", ([4], -1, 1, 9), lambda c: c.getFreePages([4], -1, 1, 9))
    world.refused(host, "NodeGetFreePages", ([5], -1, 1, 0), lambda c: c.getFreePages([5], -1, 1, 0))


@pytest.mark.parametrize("member, args", [
    ("NodeGetCellsFreeMemory", (0, 1025)), ("NodeGetCellsFreeMemory", (0, (1 << 31) - 1)),
    ("NodeGetFreePages", ([4] * 1025, 0, 1, 0)), ("NodeGetFreePages", ([4], 0, 1025, 0)),
    ("NodeGetFreePages", ([4, 8], 0, (1 << 32) - 1, 0))])
def test_sizes_of_the_connection_are_checked_first(world, member, args):
    signature = methods.SIGNATURES[CONNECT, member]
    error = world.client.error(methods.path_of(world.test), CONNECT, member, signature, args)
    assert (error.name, "at most" in error.message) == ("org.freedesktop.DBus.Error.InvalidArgs", True)


def test_definitions_with_flags(world, guest):
    text = guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    world.same(world.test, "DomainDefineXMLFlags", (text, 0), lambda c: c.defineXMLFlags(text, 0))
    world.refused(world.test, "DomainDefineXMLFlags", (text, 1 << 9), lambda c: c.defineXMLFlags(text, 1 << 9))
    defined, created = (NETWORK_XML.format(name, digit, digit + 5) for digit, name in enumerate(("defined", "created")))
    for member, xml, active in (("NetworkDefineXMLFlags", defined, 0), ("NetworkCreateXMLFlags", created, 1)):
        path = world.value(world.test, member, xml, 0)
        made = world.test.networkLookupByName(re.search("<name>(.*)</name>", xml)[1])
        assert (path, made.isActive()) == (methods.path_of(made), active)
        made.destroy() if active else made.undefine()


@pytest.mark.parametrize("member, args, python", [
    ("GetBlockInfo", ("vdz", 0), lambda d: d.blockInfo("vdz", 0)),
    ("GetMessages", (0,), lambda d: d.messages(0)),
    ("GetMessages", (1 << 20,), lambda d: d.messages(1 << 20)),
    ("GetLaunchSecurityInfo", (9,), lambda d: d.launchSecurityInfo(9)),
], ids=lambda value: None if callable(value) else str(value))
def test_reads_of_a_domain(world, guest, member, args, python):
    world.same(guest, member, args, python)


def test_info(world, guest):
    state, largest, memory, vcpus, time = world.value(guest, "GetInfo")
    expected = guest.info()
    assert [state, largest, memory, vcpus] == expected[:4] and 0 < time <= expected[4]


def test_block_info(world, guest):
    """The driver adds to the sizes with the time."""
    sizes, expected = world.value(guest, "GetBlockInfo", "vda", 0), guest.blockInfo("vda", 0)
    assert sizes[0] == expected[0] and sizes[2] == expected[2]


def test_statistics_of_cpus(world, guest):
    total, = world.value(guest, "GetCPUStats", -1, 1, 0)
    assert total.keys() == guest.getCPUStats(True)[0].keys() and total["cpu_time"] > 0
    expected = guest.getCPUStats(False)
    found = world.value(guest, "GetCPUStats", 0, len(expected), 0)
    assert [one.keys() for one in found] == [one.keys() for one in expected]
    second, = world.value(guest, "GetCPUStats", 1, 1, 0)
    assert second["cpu_time"] >= found[1]["cpu_time"]
    for args in ((0, 0, 0), (99, 1, 0), (-1, 2, 0), (0, 1, 1 << 20)):
        assert world.raw(guest, "GetCPUStats", *args)[0] == "error", args
    error = world.client.error(methods.path_of(guest), DOMAIN, "GetCPUStats", "iuu", (0, 129, 0))
    assert error.name == "org.freedesktop.DBus.Error.InvalidArgs"


def test_what_becomes_of_a_guest(world, guest):
    for kind, element in enumerate(("on_poweroff", "on_reboot", "on_crash")):
        assert world.value(guest, "SetLifecycleAction", kind, 3 if kind == 2 else 1, CONFIG) is None
        words = "preserve" if kind == 2 else "restart"
        assert f"<{element}>{words}</{element}>" in guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_an_io_thread_that_is_not_there(world, guest):
    values = {"poll_max_ns": ("t", 1000), "poll_grow": ("u", 2)}
    world.refused(guest, "SetIOThreadParams", (9, values, 0),
                  lambda d: d.setIOThreadParams(9, {"poll_max_ns": 1000, "poll_grow": 2}, 0))


def test_other_kinds(world, guest):
    network, pool = world.test.networkLookupByName("default"), world.test.storagePoolLookupByName("default-pool")
    world.same(network, "GetBridgeName", (), lambda n: n.bridgeName())
    volume = pool.createXML("<volume><name>added</name><capacity>1</capacity></volume>", 0)
    world.same(volume, "StoragePoolLookupByVolume", (), lambda v: v.storagePoolLookupByVolume())
    volume.delete(0)
    snapshot = guest.snapshotCreateXML("<domainsnapshot><name>added</name></domainsnapshot>", 0)
    world.same(snapshot, "HasMetadata", (0,), lambda s: bool(s.hasMetadata(0)))
    world.refused(snapshot, "HasMetadata", (1,), lambda s: s.hasMetadata(1))


def test_checkpoints(world, guest):
    names, xml = ["one", "two-with_.", "3"], "<domaincheckpoint><name>{}</name></domaincheckpoint>"
    paths = [world.value(guest, "CheckpointCreateXML", xml.format(name), 0) for name in names]
    found = [guest.checkpointLookupByName(name, 0) for name in names]
    assert paths == [methods.path_of(one) for one in found]
    for name in [*names, "none", ""]:
        world.same(guest, "CheckpointLookupByName", (name, 0), lambda d, n=name: d.checkpointLookupByName(n, 0))
    kind, listed = world.raw(guest, "ListDomainCheckpoints", 0)
    assert (kind, sorted(listed)) == ("value", sorted(paths))
    world.same(guest, "ListDomainCheckpoints", (1,), lambda d: d.listAllCheckpoints(1))
    world.same(guest, "ListDomainCheckpoints", (1 << 30,), lambda d: d.listAllCheckpoints(1 << 30))
    for one in found:
        world.same(one, "GetName", (), lambda c: c.getName())
        world.same(one, "GetParent", (0,), lambda c: c.getParent(0))
        world.same(one, "GetXMLDesc", (0,), lambda c: c.getXMLDesc(0))
        world.same(one, "GetXMLDesc", (2,), lambda c: c.getXMLDesc(2))
        world.same(one, "ListChildren", (0,), lambda c: c.listAllChildren(0))
    world.refused(guest, "CheckpointCreateXML", ("<x/>", 0), lambda d: d.checkpointCreateXML("<x/>", 0))
    assert {path.rpartition("/")[2] for path in paths} <= {
        node.get("name") for node in ElementTree.fromstring(world.client.introspect(
            "/org/libvirt/Test/domaincheckpoint")).findall("node")}
    assert world.value(found[0], "Delete", 0) is None
    assert sorted(one.getName() for one in guest.listAllCheckpoints(0)) == sorted(names[1:])
    for one in found[1:]:
        one.delete(0)
    world.refused((paths[0], "org.libvirt.DomainCheckpoint"), "GetXMLDesc", (0,),
                  lambda d: d.checkpointLookupByName("one", 0), guest)


UNSUPPORTED = [(CONNECT, name) for name in (
    "BaselineHypervisorCPU", "CompareHypervisorCPU", "DomainRestoreParams", "DomainXMLFromNative", "DomainXMLToNative",
    "GetStoragePoolCapabilities", "NWFilterDefineXMLFlags", "NodeAllocPages", "NodeDeviceDefineXML", "NodeGetSEVInfo",
    "NodeSuspendForDuration", "StoragePoolLookupByTargetPath")] + [(DOMAIN, name) for name in (
        "AbortJobFlags", "AgentSetResponseTimeout", "AnnounceInterface", "AuthorizedSSHKeysGet", "AuthorizedSSHKeysSet",
        "BackupBegin", "BackupGetXMLDesc", "DelThrottleGroup", "DetachDeviceAlias", "FDAssociate", "GetAutostartOnce",
        "GetGuestInfo", "GraphicsReload", "ManagedSaveDefineXML", "ManagedSaveGetXMLDesc", "MigrateGetMaxDowntime",
        "PMSuspendForDuration", "QemuAgentCommand", "SaveParams", "SetAutostartOnce", "SetLaunchSecurityState",
        "SetThrottleGroup", "SetVcpu", "StartDirtyRateCalc")] + [(NODE_DEVICE, name) for name in (
            "Create", "GetAutostart", "IsActive", "IsPersistent", "SetAutostart", "Undefine", "Update")]
# Something that libvirt looks at before it finds that the driver lacks the function.
GIVEN = {"s": "x", "as": ["x"], "a{sv}": {"x": ("t", 1)}, "a{ut}": {4: 1}, "i": 1, "t": 60}
THERE = {(interface, name): signature for interface, name, signature in declared.methods()}


@pytest.mark.parametrize("interface, member", UNSUPPORTED, ids=[name for _, name in UNSUPPORTED])
def test_what_the_driver_does_not_have(world, guest, interface, member):
    element = next(one for one in declared.every(interface).findall("method") if one.get("name") == member)
    function, = declared.functions_of(element)
    if (interface, member) not in THERE:
        pytest.skip(f"libvirt here has no {function}")
    target = {CONNECT: world.test, DOMAIN: guest, NODE_DEVICE: world.test.nodeDeviceLookupByName("computer")}[interface]
    types = re.findall(r"a\{\w+\}|a\w|\w", THERE[interface, member])
    kind, text = world.raw(target, member, *(GIVEN.get(one, DEFAULTS[one]) for one in types))
    assert kind == "error" and re.search(rf": {function}$|in {function} must not be zero", text), text


def test_metadata_of_a_network(world):
    if (NETWORK, "GetMetadata") not in THERE:
        pytest.skip("libvirt here has no virNetworkGetMetadata")
    network = world.test.networkLookupByName("default")
    for kind, text, key, uri in ((0, "words & more", "", ""), (1, "a title", "", ""), (2, "<a/>", "k", "urn:x")):
        assert world.value(network, "SetMetadata", kind, text, key, uri, 0) is None
        assert world.value(network, "GetMetadata", kind, uri, 0) == text
    assert world.raw(network, "GetMetadata", 2, "urn:none", 0)[0] == "error"


def with_pipe(world, target, member, signature, *args):
    """A stream's method: ("value", the reply, what came out of the pipe) or ("error", its text)."""
    interface = methods.INTERFACES[type(target)]
    reading, writing = os.pipe()
    with open(reading, "rb") as file, FdClient(world.bus.address) as client:
        end = reading if member == "Upload" else writing
        serial = client.send_with([], methods.path_of(target), interface, member, signature, (end, *args))
        os.close(writing)
        try:
            body = body_of(client.take_reply(serial, 60 * PATIENCE))
        except DBusError as error:
            assert error.name == "org.libvirt.Error"
            coverage.note(interface, member, "error only")
            return "error", error.message
        coverage.note(interface, member, "test")
        return "value", body, file.read()


def test_streams(world, guest):
    """The test driver has one picture for all guests, which takes less than a pipe, no content of volumes and no console."""
    stream = world.test.newStream()
    kind = guest.screenshot(stream, 0)
    picture = b""
    while piece := stream.recv(1 << 16):
        picture += piece
    stream.finish()
    assert with_pipe(world, guest, "Screenshot", "huu", 0, 0) == ("value", (kind,), picture)
    pool = world.test.storagePoolLookupByName("default-pool")
    volume = pool.createXML("<volume><name>streamed</name><capacity>4096</capacity></volume>")
    for member, function in (("Download", volume.download), ("Upload", volume.upload)):
        assert with_pipe(world, volume, member, "httu", 0, 0, 0) == \
            methods.outcome(function, world.test.newStream(), 0, 0)
    volume.delete()
    for member, function in (("OpenConsole", "openConsole"), ("OpenChannel", "openChannel")):
        world.refused(guest, member, ("", 0), lambda d, f=function: getattr(d, f)(None, world.test.newStream(), 0))
