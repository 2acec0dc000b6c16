# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running guest, tuned, pinned, looked into, typed to and watched: each answer is plain libvirt's.

What an ordinary user's libvirtd or a guest without an agent cannot do must fail with libvirt's own words."""

import socket

import libvirt
import pytest

from support.client import DOMAIN
from support.hosts.guests import (  # noqa: F401 -- stage is a fixture
    WITHIN, outcome, plain_values, stage)
from support.process import wait_until

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
AGENT = libvirt.VIR_DOMAIN_VCPU_GUEST
VIDEO = "<video><model type='vga' vram='8192'/></video>"
DEVICES = """<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<graphics type='vnc'><listen type='none'/></graphics>""" + VIDEO
TABLET = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"


@pytest.fixture(scope="module")
def guest(stage):  # noqa: F811
    """A guest that runs all along; what a test changes of it, another does not look at."""
    with stage.guest("running", DEVICES, more="<iothreads>1</iothreads>") as one:
        yield one


def params(values):
    """Typed parameters as D-Bus has them."""
    kinds = {bool: "b", int: "t", str: "s", float: "d"}
    return {name: value if isinstance(value, tuple) else (kinds[type(value)], value)
            for name, value in values.items()}


def unwrapped(result):
    """Typed parameters of a reply as python3-libvirt has them."""
    kind, value = result
    return (kind, plain_values(value)) if isinstance(value, dict) else result


# What is read

@pytest.mark.parametrize("flags", [0, LIVE, CONFIG, 1 << 20])
@pytest.mark.parametrize("member, function", [
    ("GetBlockIOParameters", "blkioParameters"), ("GetMemoryParameters", "memoryParameters"),
    ("GetNumaParameters", "numaParameters"), ("GetPerfEvents", "perfEvents"),
    ("GetSchedulerParameters", "schedulerParametersFlags"), ("GetGuestVcpus", "guestVcpus"),
    ("HasManagedSaveImage", "hasManagedSaveImage"),
    ("MigrateGetMaxSpeed", "migrateGetMaxSpeed"), ("MigrateGetCompressionCache", "migrateGetCompressionCache"),
])
def test_read(guest, member, function, flags):
    result = unwrapped(guest.said(member, "u", flags))
    expected = outcome(getattr(guest.plain, function), flags)
    if member == "HasManagedSaveImage" and expected[0] == "value":
        expected = "value", bool(expected[1])
    if expected == ("value", None) and result[0] == "value":
        expected = "value", 0
    assert result == expected


def test_state_of_the_control(guest):
    state, details, time = guest.call("GetControlInfo", "u", 0)
    expected = guest.plain.controlInfo(0)
    assert [state, details] == expected[:2] and 0 <= time <= expected[2] + 60000
    assert guest.said("GetControlInfo", "u", 8) == outcome(guest.plain.controlInfo, 8)


def test_jobs_of_a_guest_without_any(guest):
    assert list(guest.call("GetJobInfo")) == guest.plain.jobInfo()
    kind, stats = guest.call("GetJobStats", "u", 0)
    expected = guest.plain.jobStats(0)
    assert kind == expected.pop("type") and plain_values(stats) == expected
    assert guest.said("GetJobStats", "u", 1 << 20) == outcome(guest.plain.jobStats, 1 << 20)
    assert guest.said("AbortJob") == outcome(guest.plain.abortJob)
    assert guest.said("MigrateStartPostCopy", "u", 0) == outcome(guest.plain.migrateStartPostCopy, 0)


def test_vcpus_and_pins(guest):
    assert guest.call("GetVcpus", "u", LIVE) == guest.plain.vcpusFlags(LIVE)
    cpus = guest.plain.connect().getInfo()[2]
    for flags in (LIVE, CONFIG):
        maps = guest.call("GetVcpuPinInfo", "u", flags)
        assert [tuple(bool(bit) for bit in one) for one in maps] == guest.plain.vcpuPinInfo(flags)
        one = guest.call("GetEmulatorPinInfo", "u", flags)
        assert tuple(bool(bit) for bit in one) == guest.plain.emulatorPinInfo(flags)
    first = [True] + [False] * (cpus - 1)
    for member, signature, args, function, read in (
            ("PinVcpu", "uabu", (0, first, CONFIG), lambda: guest.plain.pinVcpuFlags(0, tuple(first), CONFIG),
             lambda: guest.plain.vcpuPinInfo(CONFIG)[0]),
            ("PinEmulator", "abu", (first, CONFIG), lambda: guest.plain.pinEmulator(tuple(first), CONFIG),
             lambda: guest.plain.emulatorPinInfo(CONFIG)),
            ("PinIOThread", "uabu", (1, first, CONFIG),
             lambda: guest.plain.pinIOThread(1, tuple(first), CONFIG),
             lambda: tuple(guest.plain.ioThreadInfo(CONFIG)[0][1]))):
        result = guest.said(member, signature, *args)
        assert result[0] == "error" or read() == tuple(first), member
        assert result == outcome(function), member


def test_io_threads(guest):
    def threads(flags=LIVE):
        plain = [(number, list(cpus)) for number, cpus in guest.plain.ioThreadInfo(flags)]
        assert [(number, list(map(bool, cpus)))
                for number, cpus in guest.call("GetIOThreadInfo", "u", flags)] == plain
        return sorted(number for number, _ in plain)
    assert threads() == [1]
    assert guest.call("AddIOThread", "uu", 5, LIVE) is None
    assert threads() == [1, 5]
    assert guest.said("AddIOThread", "uu", 5, LIVE) == outcome(guest.plain.addIOThread, 5, LIVE)
    assert guest.call("DelIOThread", "uu", 5, LIVE) is None
    assert threads() == [1] and threads(CONFIG) == [1]
    assert guest.said("DelIOThread", "uu", 5, LIVE) == outcome(guest.plain.delIOThread, 5, LIVE)
    every = (True,) * guest.plain.connect().getInfo()[2]
    for number in (1, 9):
        assert (guest.said("PinIOThread", "uabu", number, list(every), LIVE)
                == outcome(guest.plain.pinIOThread, number, every, LIVE))


# What is set: where this libvirtd can, both sides read it; where it cannot, both say why

@pytest.mark.parametrize("member, values, function", [
    ("SetMemoryParameters", {"hard_limit": 1 << 20}, "setMemoryParameters"),
    ("SetBlockIOParameters", {"weight": ("u", 500)}, "setBlkioParameters"),
    ("SetNumaParameters", {"numa_nodeset": "0"}, "setNumaParameters"),
    ("SetSchedulerParameters", {"cpu_shares": 2000}, "setSchedulerParametersFlags"),
    ("SetPerfEvents", {"cpu_cycles": True}, "setPerfEvents"),
    ("SetPerfEvents", {"cpu_cycles": False}, "setPerfEvents"),
])
@pytest.mark.parametrize("flags", [LIVE, CONFIG])
def test_tune(guest, member, values, function, flags):
    plain = {name: value[1] if isinstance(value, tuple) else value for name, value in values.items()}
    result = guest.said(member, "a{sv}u", params(values), flags)
    if result[0] == "value":
        read = {"setPerfEvents": "perfEvents", "setNumaParameters": "numaParameters",
                "setMemoryParameters": "memoryParameters", "setBlkioParameters": "blkioParameters",
                "setSchedulerParametersFlags": "schedulerParametersFlags"}[function]
        assert plain.items() <= getattr(guest.plain, read)(flags).items()
    expected = outcome(getattr(guest.plain, function), plain, flags)
    assert result[0] == expected[0]
    # python3-libvirt reads first, and names what went wrong there.
    assert result == expected or result[1].partition(": ")[2] == expected[1].partition(": ")[2]


def test_interface_limits(stage, guest):  # noqa: F811
    """A guest that is off has an interface that can be limited; the other one's cannot."""
    for mac, flags in (("52:54:00:00:00:01", LIVE), ("52:54:00:00:00:09", LIVE)):
        assert (guest.said("SetInterfaceParameters", "sa{sv}u", mac, {"inbound.average": ("u", 100)}, flags)
                == outcome(guest.plain.setInterfaceParameters, mac, {"inbound.average": 100}, flags))
    mac = "52:54:00:00:00:02"
    bridged = f"<interface type='bridge'><mac address='{mac}'/><source bridge='none'/></interface>"
    with stage.guest("limited", bridged, start=False) as off:
        values = {"inbound.average": 100, "inbound.burst": 7, "outbound.average": 200}
        assert off.call("SetInterfaceParameters", "sa{sv}u", mac,
                        {name: ("u", value) for name, value in values.items()}, CONFIG) is None
        limits = off.plain.interfaceParameters(mac, CONFIG)
        assert plain_values(off.call("GetInterfaceParameters", "su", mac, CONFIG)) == limits
        assert values.items() <= limits.items()


def test_memory(guest):
    assert guest.call("SetMemoryStatsPeriod", "iu", 3, LIVE) is None
    assert "<stats period='3'/>" in guest.plain.XMLDesc(0)
    stats = guest.call("MemoryStats", "u", 0)
    numbers = {"actual": libvirt.VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON}
    assert stats[numbers["actual"]] == guest.plain.memoryStats()["actual"]
    assert guest.call("SetMemory", "tu", 40 << 10, CONFIG) is None
    assert "<currentMemory unit='KiB'>40960<" in guest.plain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    guest.plain.suspend()  # a BIOS at work writes to its memory
    physical = libvirt.VIR_MEMORY_PHYSICAL
    for offset, size in ((0xf0000, 4096), (0xffff0, 16), (0xf0001, 1)):
        data = bytes(guest.call("MemoryPeek", "ttu", offset, size, physical))
        assert data == guest.plain.memoryPeek(offset, size, physical) and len(data) == size
    assert any(guest.call("MemoryPeek", "ttu", 0xf0000, 65536, physical)), "the BIOS is there"
    assert (guest.said("MemoryPeek", "ttu", 0, 16, 0) == outcome(guest.plain.memoryPeek, 0, 16, 0))


def test_metadata(guest):
    description, title, element = range(3)
    assert guest.call("SetMetadata", "isssu", description, "Ä\n$", "", "", LIVE) is None
    assert guest.call("SetMetadata", "isssu", title, "a title", "", "", LIVE) is None
    assert guest.call("SetMetadata", "isssu", element, "<a b='1'/>", "k", "urn:x", LIVE) is None
    for kind, uri in ((description, None), (title, None), (element, "urn:x")):
        assert guest.call("GetMetadata", "isu", kind, uri or "", LIVE) == guest.plain.metadata(kind, uri, LIVE)
    assert guest.plain.metadata(description, None, LIVE) == "Ä\n$"
    assert (guest.said("GetMetadata", "isu", element, "urn:none", LIVE)
            == outcome(guest.plain.metadata, element, "urn:none", LIVE))
    told = [one for one in guest.told(*["MetadataChange"] * 3) if one[0] == "MetadataChange"]
    assert told == [["MetadataChange", 0, ""], ["MetadataChange", 1, ""], ["MetadataChange", 2, "urn:x"]]


# What is typed, and what is not there

def test_keys_and_interrupts(guest):
    assert guest.call("SendKey", "uuauu", 0, 0, [29, 56, 111], 0) is None
    assert (guest.said("SendKey", "uuauu", 99, 0, [29], 0) == outcome(guest.plain.sendKey, 99, 0, [29], 1, 0))
    assert guest.call("InjectNMI", "u", 0) is None
    assert guest.said("InjectNMI", "u", 1) == outcome(guest.plain.injectNMI, 1)
    assert guest.said("PMWakeup", "u", 0) == outcome(guest.plain.pMWakeup, 0)
    assert (guest.said("SendProcessSignal", "xuu", 1, 9, 0)
            == outcome(guest.plain.sendProcessSignal, 1, 9, 0))
    labels = outcome(guest.plain.securityLabelList)
    assert (labels[0], [list(one) for one in guest.call("GetSecurityLabelList")]) == (
        "value", [[one[0], bool(one[1])] for one in labels[1]])


@pytest.mark.parametrize("member, signature, args, function", [
    ("FSFreeze", "asu", ([], 0), lambda d: d.fsFreeze()),
    ("FSFreeze", "asu", (["/a", "/ä"], 0), lambda d: d.fsFreeze(["/a", "/ä"])),
    ("FSThaw", "asu", ([], 0), lambda d: d.fsThaw()),
    ("FSTrim", "stu", ("", 0, 0), lambda d: d.fSTrim(None, 0)),
    ("FSTrim", "stu", ("/a", 4096, 0), lambda d: d.fSTrim("/a", 4096)),
    ("GetFSInfo", "u", (0,), lambda d: d.fsInfo()),
    ("GetHostname", "u", (0,), lambda d: d.hostname()),
    ("GetHostname", "u", (2,), lambda d: d.hostname(2)),
    ("GetTime", "u", (0,), lambda d: d.getTime()),
    ("SetTime", "tuu", (1, 2, 0), lambda d: d.setTime({"seconds": 1, "nseconds": 2})),
    ("SetUserPassword", "ssu", ("u", "p", 0), lambda d: d.setUserPassword("u", "p")),
    ("SetGuestVcpus", "abiu", ([True], 1, 0), lambda d: d.setGuestVcpus("0", 1)),
    ("GetGuestVcpus", "u", (0,), lambda d: d.guestVcpus()),
    ("SetVcpus", "uu", (1, AGENT), lambda d: d.setVcpusFlags(1, AGENT)),
    ("InterfaceAddresses", "uu", (0, 0), lambda d: d.interfaceAddresses(0)),
    ("InterfaceAddresses", "uu", (1, 0), lambda d: d.interfaceAddresses(1)),
    ("InterfaceAddresses", "uu", (9, 0), lambda d: d.interfaceAddresses(9)),
    ("MigrateSetMaxDowntime", "tu", (100, 0), lambda d: d.migrateSetMaxDowntime(100)),
    ("MigrateSetMaxSpeed", "tu", (10, 0), lambda d: d.migrateSetMaxSpeed(10)),
    ("MigrateSetCompressionCache", "tu", (1 << 22, 0), lambda d: d.migrateSetCompressionCache(1 << 22)),
])
def test_of_no_agent_and_no_migration(guest, member, signature, args, function):
    result, expected = guest.said(member, signature, *args), outcome(function, guest.plain)
    if result == ("value", []):
        expected = expected[0], list(expected[1] or [])
    assert result == expected


def test_addresses_that_the_host_knows(guest):
    """From the host's table of neighbours."""
    expected = outcome(guest.plain.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)
    kind, result = guest.said("InterfaceAddresses", "uu", 2, 0)
    if kind == "value":
        result = {one[0]: one[1] for one in result}
        expected = expected[0], {name: one["hwaddr"] for name, one in expected[1].items()}
    assert (kind, result) == expected


def test_tablet_comes_and_goes(stage, guest):  # noqa: F811
    assert guest.call("AttachDevice", "su", TABLET, LIVE) is None
    assert "ua-tablet" in guest.plain.XMLDesc(0)
    assert (guest.said("DetachDevice", "su", TABLET.replace("tablet", "mouse"), LIVE)
            == outcome(guest.plain.detachDeviceFlags, TABLET.replace("tablet", "mouse"), LIVE))
    stage.listener.wait_signal("DeviceAdded", WITHIN, path=guest.path, body=("ua-tablet",))
    assert guest.call("DetachDevice", "su", TABLET, LIVE) is None
    wait_until(lambda: "ua-tablet" not in guest.plain.XMLDesc(0), WITHIN, "the tablet is gone")
    guest.told("DeviceAdded", "DeviceRemoved")


# The screen

def test_screen_as_a_descriptor(stage, guest):  # noqa: F811
    reply, = stage.with_files(guest.path, DOMAIN, "OpenGraphicsFD", "uu", (0, 0))
    with reply.to_socket() as screen:
        screen.settimeout(WITHIN)
        assert screen.recv(12).startswith(b"RFB ")
    for number, flags in ((9, 0), (0, 8)):
        error = stage.client.error(guest.path, DOMAIN, "OpenGraphicsFD", "uu", (number, flags))
        assert ("error", error.message) == outcome(guest.plain.openGraphicsFD, number, flags)


def test_screen_is_told(stage):  # noqa: F811
    """A viewer comes, is let in, and leaves."""
    with stage.guest("screen", "<graphics type='vnc' autoport='yes' listen='127.0.0.1'/>" + VIDEO) as guest:
        port = int(guest.plain.XMLDesc(0).partition("type='vnc' port='")[2].partition("'")[0])
        with socket.create_connection(("127.0.0.1", port), WITHIN) as viewer:
            assert viewer.recv(12).startswith(b"RFB ")
            viewer.sendall(b"RFB 003.008\n")
            assert viewer.recv(2) == b"\1\1", "no password is asked for"
            viewer.sendall(b"\1")
            assert viewer.recv(4) == bytes(4)
            viewer.sendall(b"\1")
            assert viewer.recv(4)
        stage.listener.wait_for(lambda s: s.path == guest.path and s.member == "Graphics" and s.body[0] == 2,
                                WITHIN)
        told = [one for one in guest.told("Graphics") if one[0] == "Graphics"]
        assert [one[1] for one in told] == [0, 1, 2]
        assert told[0][2] == [0, "127.0.0.1", str(port)]
