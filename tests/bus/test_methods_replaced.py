# SPDX-License-Identifier: LGPL-2.1-or-later
"""Methods that no driver of a test host has, as they need a guest's agent, a migration, or a device that can be
spared: libvirt's functions are replaced by ones that write down what they are given, and succeed."""

import array
import os
import socket
import struct

import pytest
from jeepney.io.blocking import open_dbus_connection

from support import coverage
from support.client import CONNECT, DBusError, body_of, field
from support.hosts import methods
from support.hosts.native import GUEST, TEST
from support.service import wait_connected

DOMAIN, NODE_DEVICE = "org.libvirt.Domain", "org.libvirt.NodeDevice"
DEVICE = f"{TEST}/nodedev/{methods.hexed('scsi_host1')}"
FLAGS = 0x80000005
HANDLES = struct.Struct("=3I")


class Recorded:
    """The service, whose libvirt writes down; `calls` are what it wrote since the last look."""

    def __init__(self, bus, client, file):
        self.bus, self.client, self.file = bus, client, file

    def calls(self):
        lines = self.file.read_text(encoding="utf-8").splitlines()
        self.file.write_text("", encoding="utf-8")
        return lines

    def made(self, path, interface, member, *args):
        """The result of a call that succeeds, and what libvirt was called with."""
        signature = methods.SIGNATURES[interface, member]
        with open_dbus_connection(self.bus.address, enable_fds=True) as connection:
            message = self.client.message(path, interface, member, signature, args)
            body = body_of(connection.send_and_get_reply(message, timeout=60))
        coverage.note(interface, member, "replaced")
        return body[0] if body else None, self.calls()


@pytest.fixture
def recorded(home, one_bus, run_service, connect, preload):
    file = home / "record"
    file.touch()
    run_service(one_bus, env=preload("record_calls", RECORD=str(file)))
    client = connect(one_bus)
    wait_connected(client)
    return Recorded(one_bus, client, file)


@pytest.mark.parametrize("bits, text", [
    ([True], "0"), ([False, True], "1"), ([False] * 8 + [True], "8"),
    ([True, False, False, True, True, False, False, True, True, True], "0,3,4,7,8,9"),
    ([False] * 255 + [True], "255"), ([False] * 9, ""), ([], "")], ids=lambda value: None)
def test_bits_become_a_list_of_numbers(recorded, bits, text):
    for state in (1, 0, -1):
        assert recorded.made(GUEST, DOMAIN, "SetGuestVcpus", bits, state, FLAGS) == (
            None, [f"virDomainSetGuestVcpus test '{text}' {state} {FLAGS}"])


def test_parameters_of_a_domain(recorded):
    assert recorded.made(GUEST, DOMAIN, "GetGuestVcpus", FLAGS) == (
        {"vcpus": ("v", ("s", "0-3")), "online": ("v", ("s", "0,2")), "other": ("v", ("u", 7))},
        [f"virDomainGetGuestVcpus test {FLAGS}"])
    # As much room as libvirt says that there is; less may come.
    assert recorded.made(GUEST, DOMAIN, "GetSchedulerParameters", FLAGS) == (
        {"cpu_shares": ("v", ("t", 1 << 40)), "vcpu_quota": ("v", ("x", -1))},
        [f"virDomainGetSchedulerParametersFlags test 3 {FLAGS}"])


@pytest.fixture
def files(home):
    opened = [os.open(home / f"file{index}", os.O_CREAT | os.O_RDWR) for index in range(3)]
    yield opened
    for file in opened:
        os.close(file)


def asked_for(files, function="virDomainCreateWithFiles test"):
    """How a function with these files is written down."""
    found = [os.fstat(file) for file in files]
    words = [str(len(files)), *(f"{one.st_dev}:{one.st_ino}" for one in found), str(FLAGS)]
    return [f"{function} {' '.join(words)}"]


@pytest.mark.parametrize("order", [(), (0,), (2, 0, 1), (1, 1)], ids=str)
def test_files_are_those_that_were_sent(recorded, files, order):
    sent = [files[index] for index in order]
    assert recorded.made(GUEST, DOMAIN, "CreateWithFiles", sent, FLAGS) == (None, asked_for(sent))


@pytest.mark.parametrize("handles", [(2, 0, 1), (1, 1, 1)], ids=str)
def test_handles_are_places_among_the_descriptors(recorded, files, handles):
    """jeepney numbers them as it sends them. Others need not."""
    fds = array.array("i")
    with open_dbus_connection(recorded.bus.address, enable_fds=True) as connection:
        message = recorded.client.message(GUEST, DOMAIN, "CreateWithFiles", "ahu", (files, FLAGS))
        serial = next(connection.outgoing_serial)
        data = message.serialise(serial, fds=fds)
        assert data.count(HANDLES.pack(0, 1, 2)) == 1
        connection.sock.sendmsg([data.replace(HANDLES.pack(0, 1, 2), HANDLES.pack(*handles))],
                                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        while field(reply := connection.receive(timeout=60), "reply_serial") != serial:
            pass
        assert body_of(reply) == ()
    assert recorded.calls() == asked_for([files[handle] for handle in handles])


def test_flags_of_a_domain(recorded):
    for flags in (0, FLAGS):
        assert recorded.made(GUEST, DOMAIN, "MigrateStartPostCopy", flags) == (
            None, [f"virDomainMigrateStartPostCopy test {flags}"])
        assert recorded.made(GUEST, DOMAIN, "PMWakeup", flags) == (None, [f"virDomainPMWakeup test {flags}"])


def test_an_empty_text_is_none_where_it_is_said_so(recorded):
    """A mount point need not be named. A driver's name has no such rule: it reaches libvirt as it is."""
    for value, text in (("", "NULL"), ("/mnt", "'/mnt'")):
        assert recorded.made(GUEST, DOMAIN, "FSTrim", value, 1 << 40, FLAGS) == (
            None, [f"virDomainFSTrim test {text} {1 << 40} {FLAGS}"])
    for driver in ("", "vfio"):
        assert recorded.made(DEVICE, NODE_DEVICE, "Detach", driver, FLAGS) == (
            None, [f"virNodeDeviceDetachFlags scsi_host1 '{driver}' {FLAGS}"])


def test_a_device(recorded):
    assert recorded.made(DEVICE, NODE_DEVICE, "ReAttach") == (None, ["virNodeDeviceReAttach scsi_host1"])
    assert recorded.made(DEVICE, NODE_DEVICE, "Reset") == (None, ["virNodeDeviceReset scsi_host1"])
    assert recorded.made(TEST, CONNECT, "NodeDeviceLookupSCSIHostByWWN", "2001", "2002", FLAGS) == (
        DEVICE, [f"virNodeDeviceLookupSCSIHostByWWN TEST '2001' '2002' {FLAGS}"])
    with pytest.raises(DBusError):
        recorded.made(f"{TEST}/nodedev/none", NODE_DEVICE, "Reset")
    assert recorded.calls() == []


def test_parameters_of_the_host(recorded):
    """Each type of D-Bus is one of libvirt's, and the text is that of the caller."""
    values = {"a": ("i", -5), "b": ("u", 4000000000), "c": ("x", -(1 << 40)), "d": ("t", 1 << 63), "e": ("d", 0.5),
              "f": ("b", True), "g": ("s", "gäst")}
    _, (first, *lines) = recorded.made(TEST, CONNECT, "NodeSetMemoryParameters", values, FLAGS)
    assert first == f"virNodeSetMemoryParameters TEST 7 {FLAGS}"
    assert lines == ["a int -5", "b uint 4000000000", f"c llong {-(1 << 40)}", f"d ullong {1 << 63}",
                     "e double 0.5", "f boolean 1", "g string 'gäst'"]
    assert recorded.made(TEST, CONNECT, "NodeSetMemoryParameters", {}, 0) == (
        None, ["virNodeSetMemoryParameters TEST 0 0"])


@pytest.mark.parametrize("values, given", [
    ({"migrate_disks": ("as", ["vda", "vdb", ""])}, ["migrate_disks 'vda'", "migrate_disks 'vdb'", "migrate_disks ''"]),
    ([("migrate_disks", ("s", "vda")), ("uri", ("s", "u")), ("migrate_disks", ("s", "vdb"))],
     ["migrate_disks 'vda'", "uri 'u'", "migrate_disks 'vdb'"]),
    ([("compression", ("as", ["mt", "xbzrle"])), ("migrate_disks", ("s", "vda")),
      ("compression", ("v", ("as", ["zstd"])))],
     ["compression 'mt'", "compression 'xbzrle'", "migrate_disks 'vda'", "compression 'zstd'"]),
    ({"migrate_disks": ("as", [])}, [])], ids=["array", "keys", "both", "none"])
def test_a_parameter_that_comes_several_times(recorded, values, given):
    """As one key with all values, and as a key that comes as often: libvirt is given as many parameters."""
    recorded.client.call(GUEST, DOMAIN, "MigrateToURI3", "sa{sv}u", ("qemu://host/system", values, FLAGS))
    first, *lines = recorded.calls()
    assert first == f"virDomainMigrateToURI3 test 'qemu://host/system' {len(given)} {FLAGS}"
    assert lines == [one.replace(" ", " string ", 1) for one in given]


@pytest.mark.parametrize("value", [("ai", [1]), ("av", [("s", "vda")]), ("aas", [["vda"]])], ids=str)
def test_no_other_array_is_a_parameter(recorded, value):
    error = recorded.client.error(GUEST, DOMAIN, "MigrateToURI3", "sa{sv}u", ("u", {"migrate_disks": value}, 0))
    assert error.name == "org.freedesktop.DBus.Error.InvalidArgs"
    assert "migrate_disks" in error.message and "come several times, as" in error.message
    assert recorded.calls() == []


def test_files_with_a_name(recorded, files):
    assert recorded.made(GUEST, DOMAIN, "FDAssociate", "group", files, FLAGS) == (
        None, asked_for(files, "virDomainFDAssociate test 'group'"))


def test_an_agent(recorded):
    """All that the agent says comes through; what is no UTF-8 is made so."""
    assert recorded.made(GUEST, DOMAIN, "AuthorizedSSHKeysGet", "root", FLAGS) == (
        ["ssh-rsa one", "\ufffd"], [f"virDomainAuthorizedSSHKeysGet test 'root' {FLAGS}"])
    for keys in ([], ["one", "two"]):
        assert recorded.made(GUEST, DOMAIN, "AuthorizedSSHKeysSet", "root", keys, FLAGS) == (
            None, [f"virDomainAuthorizedSSHKeysSet test 'root' {len(keys)} {FLAGS}", *(f"key '{one}'" for one in keys)])
    assert recorded.made(GUEST, DOMAIN, "GetGuestInfo", 3, FLAGS) == (
        {"os.id": ("v", ("s", "debian")), "user.count": ("v", ("u", 0))}, [f"virDomainGetGuestInfo test 3 {FLAGS}"])
    assert recorded.made(GUEST, DOMAIN, "QemuAgentCommand", '{"execute":"guest-ping"}', -2, FLAGS) == (
        '{"return":{}}', [f"""virDomainQemuAgentCommand test '{{"execute":"guest-ping"}}' -2 {FLAGS}"""])


def test_a_guest_and_a_host_that_suspend_themselves(recorded):
    assert recorded.made(GUEST, DOMAIN, "PMSuspendForDuration", 1, 1 << 40, FLAGS) == (
        None, [f"virDomainPMSuspendForDuration test 1 {1 << 40} {FLAGS}"])
    assert recorded.made(TEST, CONNECT, "NodeSuspendForDuration", 2, 1 << 40, FLAGS) == (
        None, [f"virNodeSuspendForDuration TEST 2 {1 << 40} {FLAGS}"])


def test_confidential_guests(recorded):
    assert recorded.made(GUEST, DOMAIN, "SetLaunchSecurityState", {"sev-secret": ("s", "x")}, FLAGS) == (
        None, [f"virDomainSetLaunchSecurityState test 1 {FLAGS}", "sev-secret string 'x'"])
    assert recorded.made(TEST, CONNECT, "NodeGetSEVInfo", FLAGS) == (
        {"cbitpos": ("v", ("u", 47))}, [f"virNodeGetSEVInfo TEST {FLAGS}"])


def test_a_configuration_of_another_kind(recorded):
    assert recorded.made(TEST, CONNECT, "DomainXMLFromNative", "lxc-tools", "lxc = 1", FLAGS) == (
        "<domain/>", [f"virConnectDomainXMLFromNative TEST 'lxc-tools' 'lxc = 1' {FLAGS}"])


def test_huge_pages(recorded):
    assert recorded.made(TEST, CONNECT, "NodeAllocPages", {2048: 3, 1 << 20: 1 << 40}, -1, 2, FLAGS) == (
        2, [f"virNodeAllocPages TEST 2 -1 2 {FLAGS}", "pages 2048 3", f"pages {1 << 20} {1 << 40}"])


def test_a_device_that_is_defined(recorded):
    assert recorded.made(TEST, CONNECT, "NodeDeviceDefineXML", "<device/>", FLAGS) == (
        DEVICE, [f"virNodeDeviceDefineXML TEST '<device/>' {FLAGS}"])
    for member in ("Create", "Undefine"):
        assert recorded.made(DEVICE, NODE_DEVICE, member, FLAGS) == (
            None, [f"virNodeDevice{member} scsi_host1 {FLAGS}"])
    assert recorded.made(DEVICE, NODE_DEVICE, "GetAutostart") == (True, ["virNodeDeviceGetAutostart scsi_host1"])
    for value in (True, False):
        assert recorded.made(DEVICE, NODE_DEVICE, "SetAutostart", value) == (
            None, [f"virNodeDeviceSetAutostart scsi_host1 {int(value)}"])
