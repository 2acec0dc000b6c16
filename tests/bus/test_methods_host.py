# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.libvirt.Connect beside python3-libvirt: on the test driver, and what that lacks on a session's QEMU
driver, which answers it without any guest."""

import uuid as uuids

import libvirt
import pytest

from support.client import CONNECT
from support.hosts import methods
from support.hosts.methods import module_world, running_guest  # noqa: F401 (fixtures)

PLAIN = methods.expected_value
DEFAULT = "6695eb01-f6a4-8304-79aa-97f2502e193f"
CPUS = ["<cpu><arch>x86_64</arch><model>Penryn</model><topology sockets='1' cores='2' threads='1'/></cpu>",
        "<cpu><arch>x86_64</arch><model>Nehalem</model><topology sockets='1' cores='2' threads='1'/></cpu>"]
HOST = "<source><host name='localhost'/></source>"


def records(stats):
    return [[domain.name(), values] for domain, values in stats]


READS = [
    ("BaselineCPU", (CPUS, 0), lambda c: c.baselineCPU(CPUS, 0), PLAIN),
    ("BaselineCPU", ([], 0), lambda c: c.baselineCPU([], 0), PLAIN),
    ("BaselineCPU", (["<x/>"], 0), lambda c: c.baselineCPU(["<x/>"], 0), PLAIN),
    ("DomainLookupByID", (1,), lambda c: c.lookupByID(1), PLAIN),
    ("DomainLookupByID", (-1,), lambda c: c.lookupByID(-1), PLAIN),
    ("DomainLookupByName", ("test",), lambda c: c.lookupByName("test"), PLAIN),
    ("DomainLookupByName", ("none",), lambda c: c.lookupByName("none"), PLAIN),
    ("DomainLookupByUUID", (DEFAULT,), lambda c: c.lookupByUUIDString(DEFAULT), PLAIN),
    ("DomainLookupByUUID", ("x",), lambda c: c.lookupByUUIDString("x"), PLAIN),
    ("FindStoragePoolSources", ("logical", "", 0),
     lambda c: c.findStoragePoolSources("logical", None, 0), PLAIN),
    ("FindStoragePoolSources", ("netfs", HOST, 0),
     lambda c: c.findStoragePoolSources("netfs", HOST, 0), PLAIN),
    ("FindStoragePoolSources", ("none", "", 0),
     lambda c: c.findStoragePoolSources("none", None, 0), PLAIN),
    ("GetAllDomainStats", (0, 0), lambda c: c.getAllDomainStats(0, 0), records),
    ("GetAllDomainStats", (1 << 30, 0), lambda c: c.getAllDomainStats(1 << 30, 0), records),
    ("GetAllDomainStats", (1, 1 << 20), lambda c: c.getAllDomainStats(1, 1 << 20), records),
    ("GetCapabilities", (), lambda c: c.getCapabilities(), PLAIN),
    ("GetCPUModelNames", ("x86_64", 0), lambda c: c.getCPUModelNames("x86_64", 0), PLAIN),
    ("GetCPUModelNames", ("none", 0), lambda c: c.getCPUModelNames("none", 0), PLAIN),
    ("GetSysinfo", (0,), lambda c: c.getSysinfo(0), PLAIN),
    ("GetSysinfo", (8,), lambda c: c.getSysinfo(8), PLAIN),
    ("ListDomains", (0,), lambda c: c.listAllDomains(0), PLAIN),
    ("ListNetworks", (0,), lambda c: c.listAllNetworks(0), PLAIN),
    ("ListNetworks", (1,), lambda c: c.listAllNetworks(1), PLAIN),
    ("ListStoragePools", (0,), lambda c: c.listAllStoragePools(0), PLAIN),
    ("ListStoragePools", (1 << 30,), lambda c: c.listAllStoragePools(1 << 30), PLAIN),
    ("NodeGetCPUMap", (0,), lambda c: c.getCPUMap(0)[1], PLAIN),
    ("NodeGetCPUMap", (1,), lambda c: c.getCPUMap(1)[1], PLAIN),
    ("NodeGetCPUStats", (0, 0), lambda c: c.getCPUStats(0, 0), PLAIN),
    ("NodeGetCPUStats", (libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0), lambda c: c.getCPUStats(-1, 0), PLAIN),
    ("NodeGetFreeMemory", (), lambda c: c.getFreeMemory(), PLAIN),
    ("NodeGetSecurityModel", (), lambda c: c.getSecurityModel(), PLAIN),
]


@pytest.mark.parametrize("member, args, python, shape", READS,
                         ids=[f"{r[0]}-{i}" for i, r in enumerate(READS)])
def test_reads(world, member, args, python, shape):
    world.same(world.test, member, args, python, shape)


REAL = [
    ("GetDomainCapabilities", ("", "x86_64", "q35", "qemu", 0),
     lambda c: c.getDomainCapabilities(None, "x86_64", "q35", "qemu", 0)),
    ("GetDomainCapabilities", ("/none", "x86_64", "", "", 0),
     lambda c: c.getDomainCapabilities("/none", "x86_64", None, None, 0)),
    ("CompareCPU", (CPUS[0], 0), lambda c: c.compareCPU(CPUS[0], 0)),
    ("CompareCPU", ("<x/>", 0), lambda c: c.compareCPU("<x/>", 0)),
    ("BaselineCPU", (CPUS, 0), lambda c: c.baselineCPU(CPUS, 0)),
    ("NodeGetMemoryParameters", (0,), lambda c: c.getMemoryParameters(0)),
    ("NodeGetMemoryStats", (99, 0), lambda c: c.getMemoryStats(99, 0)),
    ("NodeDeviceLookupSCSIHostByWWN", ("2", "1", 0), lambda c: c.nodeDeviceLookupSCSIHostByWWN("2", "1", 0)),
    ("NWFilterLookupByName", ("none",), lambda c: c.nwfilterLookupByName("none")),
]


@pytest.mark.parametrize("member, args, python", REAL, ids=[f"{r[0]}-{i}" for i, r in enumerate(REAL)])
def test_reads_of_a_real_driver(world, member, args, python):
    world.same(world.plain["QEMU"], member, args, python)


def test_memory_of_the_host(world):
    """Other figures at each call, so what is compared is their names, and what does not change."""
    value = world.value(world.plain["QEMU"], "NodeGetMemoryStats", -1, 0)
    expected = world.plain["QEMU"].getMemoryStats(-1, 0)
    assert set(value) == set(expected) and value["total"] == expected["total"]
    free = world.value(world.plain["QEMU"], "NodeGetFreeMemory")
    assert 0 < free <= expected["total"] * 1024


def test_stats_are_wrapped_twice(world):
    _, ((name, stats),) = world.raw(world.test, "GetAllDomainStats", 0, 0)
    assert name == "test" and stats["state.state"] == ("v", ("i", 1))


def test_transient_guest(world):
    identity = str(uuids.uuid4())
    xml = methods.GUEST.format(name="transient", uuid=identity)
    path = world.value(world.test, "DomainCreateXML", xml, 0)
    made = world.test.lookupByUUIDString(identity)
    assert (path, made.isActive(), made.isPersistent()) == (methods.path_of(made), 1, 0)
    made.destroy()
    world.refused(world.test, "DomainCreateXML", ("<x/>", 0), lambda c: c.createXML("<x/>", 0))


def test_defined_guest(world):
    identity = str(uuids.uuid4())
    path = world.value(world.test, "DomainDefineXML", methods.GUEST.format(name="defined", uuid=identity))
    made = world.test.lookupByUUIDString(identity)
    assert (path, made.isActive(), made.isPersistent()) == (methods.path_of(made), 0, 1)
    made.undefine()
    world.refused(world.test, "DomainDefineXML", ("<x/>",), lambda c: c.defineXML("<x/>"))


def test_metadata(world, guest):
    """One kind for each of libvirt's three, and none where there is none."""
    title, element = libvirt.VIR_DOMAIN_METADATA_TITLE, libvirt.VIR_DOMAIN_METADATA_ELEMENT
    guest.setMetadata(title, "a title", None, None, 1)
    guest.setMetadata(element, "<e x='1'/>", "k", "urn:e", 1)
    for kind, uri in ((title, ""), (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, ""), (element, "urn:e"),
                      (element, "urn:none"), (99, "")):
        world.same(guest, "GetMetadata", (kind, uri, 1), lambda d, k=kind, u=uri: d.metadata(k, u or None, 1))
    world.value(guest, "SetMetadata", title, "", "", "", 1)
    world.same(guest, "GetMetadata", (title, "", 1), lambda d: d.metadata(title, None, 1))


@pytest.mark.parametrize("name", ["Test", "QEMU"])
def test_properties(world, name):
    connection = world.plain[name]
    for key, kind, value in [("Encrypted", "b", bool(connection.isEncrypted())),
                             ("Secure", "b", bool(connection.isSecure())),
                             ("Hostname", "s", connection.getHostname()),
                             ("LibVersion", "t", connection.getLibVersion()),
                             ("Version", "t", connection.getVersion())]:
        world.property(connection, key, kind, value)
    assert len(world.client.get_all(f"/org/libvirt/{name}", CONNECT)) == 5
