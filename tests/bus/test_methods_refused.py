# SPDX-License-Identifier: LGPL-2.1-or-later
"""Methods that the test driver does not have: the error is libvirt's own text, as python3-libvirt raises it
for the same call. And what is refused before libvirt is asked."""

import os

import libvirt
import pytest
from jeepney.io.blocking import open_dbus_connection

from support import coverage
from support.client import CONNECT, DOMAIN, body_of
from support.hosts import methods
from support.hosts.methods import module_world, running_guest  # noqa: F401 (fixtures)
from support.process import PATIENCE, wait_until

DISK = "<disk type='file' device='disk'><source file='/x'/><target dev='vdb' bus='virtio'/></disk>"
TARGET = "<disk type='file'><source file='/copy'/></disk>"
NONE = "00000000-1111-2222-3333-444444444444"
CREATED = "00000000-1111-2222-3333-555555555555"
SECRET = f"<secret><uuid>{NONE}</uuid><usage type='volume'><volume>/v</volume></usage></secret>"
FILTER = f"<filter name='none'><uuid>{NONE}</uuid></filter>"
XML = methods.GUEST.format(name="with-files", uuid=CREATED)


OF_DOMAIN = [
    ("AbortJob", (), lambda d: d.abortJob()),
    ("AttachDevice", (DISK, 1), lambda d: d.attachDeviceFlags(DISK, 1)),
    ("BlockCommit", ("vda", "", "", 0, 0), lambda d: d.blockCommit("vda", None, None, 0, 0)),
    ("BlockCopy", ("vda", TARGET, {"bandwidth": ("t", 1 << 20)}, 0),
     lambda d: d.blockCopy("vda", TARGET, {"bandwidth": 1 << 20}, 0)),
    ("BlockJobAbort", ("vda", 0), lambda d: d.blockJobAbort("vda", 0)),
    ("BlockPeek", ("vda", 0, 512, 0), lambda d: d.blockPeek("vda", 0, 512, 0)),
    ("BlockPull", ("vda", 0, 0), lambda d: d.blockPull("vda", 0, 0)),
    ("BlockRebase", ("vda", "", 0, 0), lambda d: d.blockRebase("vda", None, 0, 0)),
    ("BlockResize", ("vda", 1 << 20, 0), lambda d: d.blockResize("vda", 1 << 20, 0)),
    ("BlockJobSetSpeed", ("vda", 10, 0), lambda d: d.blockJobSetSpeed("vda", 10, 0)),
    ("CreateWithFiles", ([], 0), lambda d: d.createWithFiles([], 0)),
    ("DetachDevice", (DISK, 1), lambda d: d.detachDeviceFlags(DISK, 1)),
    ("GetBlockJobInfo", ("vda", 0), lambda d: d.blockJobInfo("vda", 0)),
    ("GetJobInfo", (), lambda d: d.jobInfo()),
    ("GetJobStats", (0,), lambda d: d.jobStats(0)),
    ("GetSecurityLabelList", (), lambda d: d.securityLabelList()),
    ("MigrateGetMaxSpeed", (0,), lambda d: d.migrateGetMaxSpeed(0)),
    ("MigrateSetCompressionCache", (1 << 26, 0), lambda d: d.migrateSetCompressionCache(1 << 26, 0)),
    ("MigrateSetMaxDowntime", (100, 0), lambda d: d.migrateSetMaxDowntime(100, 0)),
    ("MigrateSetMaxSpeed", (10, 0), lambda d: d.migrateSetMaxSpeed(10, 0)),
    ("MigrateStartPostCopy", (0,), lambda d: d.migrateStartPostCopy(0)),
    ("MigrateToURI3", ("test:///default", {"bandwidth": ("t", 5)}, 0),
     lambda d: d.migrateToURI3("test:///default", {"bandwidth": 5}, 0)),
    ("MigrateToURI3", ("", {}, 2), lambda d: d.migrateToURI3(None, {}, 2)),
    ("OpenGraphicsFD", (0, 0), lambda d: d.openGraphicsFD(0, 0)),
    ("PMWakeup", (0,), lambda d: d.pMWakeup(0)),
    ("SetBlockThreshold", ("vda", 1 << 33, 0), lambda d: d.setBlockThreshold("vda", 1 << 33, 0)),
    ("SetGuestVcpus", ([True, False, True], 1, 0), lambda d: d.setGuestVcpus("0,2", 1, 0)),
    ("UpdateDevice", (DISK, 1), lambda d: d.updateDeviceFlags(DISK, 1)),
]
OF_CONNECTION = [
    ("CompareCPU", ("<cpu/>", 0), lambda c: c.compareCPU("<cpu/>", 0)),
    ("GetDomainCapabilities", ("", "", "", "", 0),
     lambda c: c.getDomainCapabilities(None, None, None, None, 0)),
    ("ListNWFilters", (0,), lambda c: c.listAllNWFilters(0)),
    ("ListSecrets", (0,), lambda c: c.listAllSecrets(0)),
    ("NodeGetMemoryParameters", (0,), lambda c: c.getMemoryParameters(0)),
    ("NodeGetMemoryStats", (0, 0), lambda c: c.getMemoryStats(0, 0)),
    ("NWFilterDefineXML", (FILTER,), lambda c: c.nwfilterDefineXML(FILTER)),
    ("NWFilterLookupByName", ("none",), lambda c: c.nwfilterLookupByName("none")),
    ("NWFilterLookupByUUID", (NONE,), lambda c: c.nwfilterLookupByUUIDString(NONE)),
    ("SecretDefineXML", (SECRET, 0), lambda c: c.secretDefineXML(SECRET, 0)),
    ("SecretLookupByUUID", (NONE,), lambda c: c.secretLookupByUUIDString(NONE)),
    ("SecretLookupByUsage", (1, "/v"), lambda c: c.secretLookupByUsage(1, "/v")),
]
ABSENT = [
    ("nwfilter", "NWFilter", "GetXMLDesc", (0,), lambda c: c.nwfilterLookupByUUIDString(NONE)),
    ("nwfilter", "NWFilter", "Undefine", (), lambda c: c.nwfilterLookupByUUIDString(NONE)),
    ("secret", "Secret", "GetValue", (0,), lambda c: c.secretLookupByUUIDString(NONE)),
    ("domain", "Domain", "GetState", (0,), lambda c: c.lookupByUUIDString(NONE)),
    ("network", "Network", "Destroy", (), lambda c: c.networkLookupByUUIDString(NONE)),
    ("storagepool", "StoragePool", "Undefine", (), lambda c: c.storagePoolLookupByUUIDString(NONE)),
]


@pytest.mark.parametrize("member, args, python", OF_DOMAIN, ids=[f"{r[0]}{len(r[1])}" for r in OF_DOMAIN])
def test_of_a_domain(world, guest, member, args, python):
    world.refused(guest, member, args, python)


@pytest.mark.parametrize("member, args, python", OF_CONNECTION, ids=[r[0] for r in OF_CONNECTION])
def test_of_the_connection(world, member, args, python):
    world.refused(world.test, member, args, python)


@pytest.mark.parametrize("collection, kind, member, args, python", ABSENT,
                         ids=[f"{r[1]}.{r[2]}" for r in ABSENT])
def test_of_an_object_that_is_not_there(world, collection, kind, member, args, python):
    path = f"/org/libvirt/Test/{methods.below(collection, NONE)}"
    world.refused((path, f"org.libvirt.{kind}"), member, args, python, world.test)


@pytest.mark.parametrize("member, function, python", [
    ("GetGuestVcpus", "virDomainGetGuestVcpus", lambda d: d.guestVcpus(0)),
    ("MigrateGetCompressionCache", "virDomainMigrateGetCompressionCache",
     lambda d: d.migrateGetCompressionCache(0)),
])
def test_errors_that_python_loses(world, guest, member, function, python):
    """python3-libvirt returns None where these fail, so the text is made of that of another function."""
    assert python(guest) is None
    with pytest.raises(libvirt.libvirtError) as caught:
        guest.jobInfo()
    expected = caught.value.get_error_message().replace("virDomainGetJobInfo", function)
    assert world.raw(guest, member, 0) == ("error", expected)


def test_node_memory_parameters(world):
    """python3-libvirt asks for the parameters first and fails there, so its text names the other function."""
    with pytest.raises(libvirt.libvirtError):
        world.test.setMemoryParameters({"shm_pages_to_scan": 10}, 0)
    kind, text = world.raw(world.test, "NodeSetMemoryParameters", {"shm_pages_to_scan": ("u", 10)}, 0)
    assert (kind, text.rpartition(" ")[2]) == ("error", "virNodeSetMemoryParameters")


def exchange(world, path, interface, member, signature, args):
    """A call on a connection that passes descriptors."""
    with open_dbus_connection(world.bus.address, enable_fds=True) as connection:
        message = world.client.message(path, interface, member, signature, args)
        return connection.send_and_get_reply(message, timeout=30)


@pytest.fixture
def files():
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    yield opened
    for file in opened:
        os.close(file)


@pytest.mark.parametrize("number", [1, 3])
def test_descriptors_reach_libvirt(world, guest, files, number):
    """The test driver has no such function; that it is asked shows that the handles were taken."""
    some = files[:number]
    with pytest.raises(methods.DBusError) as caught:
        body_of(exchange(world, methods.path_of(guest), DOMAIN, "CreateWithFiles", "ahu", (some, 0)))
    with pytest.raises(libvirt.libvirtError) as expected:
        guest.createWithFiles(some, 0)
    text = expected.value.get_error_message()
    assert (caught.value.name, caught.value.message) == ("org.libvirt.Error", text)
    before = world.service.descriptors()
    for _ in range(20):
        exchange(world, methods.path_of(guest), DOMAIN, "CreateWithFiles", "ahu", (some, 0))
    wait_until(lambda: world.service.descriptors() <= before, 10 * PATIENCE, "the descriptors are closed")


@pytest.mark.parametrize("number", [0, 3])
def test_a_guest_with_files(world, files, number):
    """This one the test driver has; it starts the guest and closes the files."""
    reply = exchange(world, "/org/libvirt/Test", CONNECT, "DomainCreateXMLWithFiles", "sahu",
                     (XML, files[:number], 0))
    made = world.test.lookupByUUIDString(CREATED)
    assert body_of(reply) == (methods.path_of(made),)
    coverage.note(CONNECT, "DomainCreateXMLWithFiles", "test")
    assert (made.isActive(), made.isPersistent()) == (1, 0)
    made.destroy()


@pytest.mark.parametrize("handle", [0, 1, 0x7fffffff, 0xffffffff])
def test_a_handle_without_a_descriptor_is_refused(world, guest, handle):
    """jeepney writes no such message; the bytes are those of an array of u with another name."""
    serial, data = world.client.serialise(world.client.message(
        methods.path_of(guest), DOMAIN, "CreateWithFiles", "auu", ([handle], 0)))
    assert data.count(b"\x03auu\0") == 1
    world.client.send_bytes(data.replace(b"\x03auu\0", b"\x03ahu\0"))
    with pytest.raises(methods.DBusError) as caught:
        body_of(world.client.take_reply(serial, 30))
    assert caught.value.name == "org.freedesktop.DBus.Error.InvalidArgs"


@pytest.mark.parametrize("member, args", [
    ("MemoryPeek", (0, 1 << 63, 1)), ("MemoryPeek", (0, (1 << 64) - 1, 2)),
    ("BlockPeek", ("vda", 0, 1 << 40, 0)), ("SendKey", (0, 0, [1] * 17, 0))])
def test_sizes_are_checked_first(world, guest, member, args):
    signature = methods.SIGNATURES[DOMAIN, member]
    before = world.service.rss()
    error = world.client.error(methods.path_of(guest), DOMAIN, member, signature, args)
    assert error.message and error.name.rpartition(".")[2] in ("InvalidArgs", "LimitsExceeded", "Error")
    assert world.service.rss() < before + 65536
