# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.libvirt.Domain on the test driver: what it reads and what it changes, beside python3-libvirt."""

import libvirt
import pytest

from support.hosts import methods
from support.hosts.methods import module_world, running_guest  # noqa: F401 (fixtures)

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
STATS = ["swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "actual", "rss",
         "usable", "last_update", "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail"]
MAC = "52:54:00:00:00:01"
DESCRIPTION, ELEMENT = libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, libvirt.VIR_DOMAIN_METADATA_ELEMENT


@pytest.fixture
def off(world):
    with methods.guest(world, running=False) as domain:
        yield domain


def plainly(value):
    return methods.expected_value(value)


# (member, arguments, the same call of python3-libvirt, how its result is shaped on D-Bus)
READS = [
    ("GetBlockIOParameters", (0,), lambda d: d.blkioParameters(0), plainly),
    ("GetBlockIOParameters", (CONFIG,), lambda d: d.blkioParameters(CONFIG), plainly),
    ("GetBlockIOTune", ("vda", 0), lambda d: d.blockIoTune("vda", 0), plainly),
    ("GetBlockIOTune", ("vdz", 0), lambda d: d.blockIoTune("vdz", 0), plainly),
    ("GetControlInfo", (0,), lambda d: d.controlInfo(0), plainly),
    ("GetDiskErrors", (0,), lambda d: d.diskErrors(0), lambda v: [list(one) for one in v.items()]),
    ("GetEmulatorPinInfo", (0,), lambda d: d.emulatorPinInfo(0), plainly),
    ("GetFSInfo", (0,), lambda d: d.fsInfo(0), lambda v: [[m, n, t, list(a)] for m, n, t, a in v]),
    ("GetHostname", (0,), lambda d: d.hostname(0), plainly),
    ("GetHostname", (1 << 20,), lambda d: d.hostname(1 << 20), plainly),
    ("GetIOThreadInfo", (0,), lambda d: d.ioThreadInfo(0), plainly),
    ("GetInterfaceParameters", (MAC, 0), lambda d: d.interfaceParameters(MAC, 0), plainly),
    ("GetInterfaceParameters", ("testnet7", 0), lambda d: d.interfaceParameters("testnet7", 0), plainly),
    ("GetMemoryParameters", (0,), lambda d: d.memoryParameters(0), plainly),
    ("GetNumaParameters", (0,), lambda d: d.numaParameters(0), plainly),
    ("GetPerfEvents", (0,), lambda d: d.perfEvents(0), plainly),
    ("GetSchedulerParameters", (0,), lambda d: d.schedulerParametersFlags(0), plainly),
    ("GetState", (0,), lambda d: d.state(0), plainly),
    ("GetState", (1,), lambda d: d.state(1), plainly),
    ("GetStats", (1 | 8, 0), lambda d: d.connect().domainListGetStats([d], 1 | 8, 0)[0][1], plainly),
    ("GetTime", (0,), lambda d: d.getTime(0), lambda v: [v["seconds"], v["nseconds"]]),
    ("GetVcpuPinInfo", (0,), lambda d: d.vcpuPinInfo(0), plainly),
    ("GetVcpus", (libvirt.VIR_DOMAIN_VCPU_MAXIMUM,), lambda d: d.vcpusFlags(4), plainly),
    ("GetVcpus", (0,), lambda d: d.vcpusFlags(0), plainly),
    ("GetXMLDesc", (0,), lambda d: d.XMLDesc(0), plainly),
    ("GetXMLDesc", (3,), lambda d: d.XMLDesc(3), plainly),
    ("HasManagedSaveImage", (0,), lambda d: bool(d.hasManagedSaveImage(0)), plainly),
    ("InterfaceAddresses", (0, 0), lambda d: d.interfaceAddresses(0, 0), lambda v: [
        [name, one["hwaddr"], [[a["type"], a["addr"], a["prefix"]] for a in one["addrs"]]]
        for name, one in v.items()]),
    ("InterfaceAddresses", (99, 0), lambda d: d.interfaceAddresses(99, 0), plainly),
    ("MemoryPeek", (0, 5, libvirt.VIR_MEMORY_VIRTUAL),
     lambda d: d.memoryPeek(0, 5, libvirt.VIR_MEMORY_VIRTUAL), bytes),
    ("MemoryPeek", (1, 256, libvirt.VIR_MEMORY_VIRTUAL),
     lambda d: d.memoryPeek(1, 256, libvirt.VIR_MEMORY_VIRTUAL), bytes),
    ("MemoryStats", (0,), lambda d: d.memoryStats(), lambda v: {STATS.index(k): n for k, n in v.items()}),
    ("FSFreeze", ([], 0), lambda d: 2 if d.connect() else None, plainly),
    ("FSFreeze", (["/"], 0), lambda d: 1 if d.connect() else None, plainly),
]


@pytest.mark.parametrize("member, args, python, shape", READS, ids=[f"{r[0]}{r[1]}" for r in READS])
def test_reads(world, guest, member, args, python, shape):
    kind, value = world.same(guest, member, args, python, shape)
    if kind == "value" and isinstance(value, bytes):
        assert len(value) == args[1]


TYPES = {"GetBlockIOTune": {"total_bytes_sec": "t", "group_name": "s"},
         "GetMemoryParameters": {"hard_limit": "t"},
         "GetNumaParameters": {"numa_mode": "i", "numa_nodeset": "s"},
         "GetPerfEvents": {"cmt": "b"},
         "GetBlockIOParameters": {"weight": "u", "device_weight": "s"}}


@pytest.mark.parametrize("member", TYPES)
def test_typed_parameters_are_wrapped_twice(world, guest, member):
    args = ("vda", 0) if member == "GetBlockIOTune" else (0,)
    _, value = world.raw(guest, member, *args)
    for name, kind in TYPES[member].items():
        assert (value[name][0], value[name][1][0]) == ("v", kind)


def variants(**values):
    """Typed parameters of (type, value)."""
    return values


def part(parameters, *names):
    return [parameters[name] for name in names]


def state(domain):
    return domain.state()[0]


# (member, arguments, how a plain client looks, what it sees afterwards)
CHANGES = [
    ("AddIOThread", (7, LIVE), lambda d: [one[0] for one in d.ioThreadInfo(LIVE)], [1, 2, 7]),
    ("DelIOThread", (1, LIVE), lambda d: [one[0] for one in d.ioThreadInfo(LIVE)], [2]),
    ("Destroy", (0,), state, libvirt.VIR_DOMAIN_SHUTOFF),
    ("Shutdown", (0,), state, libvirt.VIR_DOMAIN_SHUTOFF),
    ("Suspend", (), state, libvirt.VIR_DOMAIN_PAUSED),
    ("PinEmulator", ([False, True], 0), lambda d: d.emulatorPinInfo(0)[:3], (False, True, False)),
    ("PinIOThread", (2, [True, False, True], LIVE), lambda d: d.ioThreadInfo(LIVE)[1][1][:4],
     [True, False, True, False]),
    ("PinVcpu", (1, [False, False, True], 0), lambda d: d.vcpuPinInfo(0)[1][:4],
     (False, False, True, False)),
    ("PinVcpu", (0, [True] + [False] * 200, 0), lambda d: d.vcpuPinInfo(0)[0], (True,) + (False,) * 7),
    ("SetBlockIOParameters", (variants(weight=("u", 300), device_weight=("s", "/dev/sda,200")), LIVE),
     lambda d: part(d.blkioParameters(LIVE), "weight", "device_weight"), [300, "/dev/sda,200"]),
    ("SetBlockIOTune", ("vda", variants(read_iops_sec=("t", 1 << 40), read_iops_sec_max=("t", 1 << 41),
                                       write_bytes_sec=("t", 7),
                                       write_bytes_sec_max=("t", 9)), LIVE),
     lambda d: part(d.blockIoTune("vda", LIVE), "read_iops_sec", "write_bytes_sec"), [1 << 40, 7]),
    ("SetInterfaceParameters", (MAC, {"inbound.average": ("u", 1000), "outbound.peak": ("u", 9),
                                      "outbound.average": ("u", 5)}, LIVE),
     lambda d: part(d.interfaceParameters(MAC, LIVE), "inbound.average", "outbound.peak"), [1000, 9]),
    ("SetMemory", (100000, LIVE), lambda d: d.info()[2], 100000),
    ("SetMemoryParameters", (variants(hard_limit=("t", 1 << 33), soft_limit=("t", 1 << 32)), LIVE),
     lambda d: part(d.memoryParameters(LIVE), "hard_limit", "soft_limit"), [1 << 33, 1 << 32]),
    ("SetMemoryStatsPeriod", (17, CONFIG), lambda d: "<stats period='17'/>" in d.XMLDesc(2), True),
    ("SetMetadata", (DESCRIPTION, "words & more", "", "", LIVE),
     lambda d: d.metadata(DESCRIPTION, None, LIVE), "words & more"),
    ("SetMetadata", (ELEMENT, "<a/>", "k", "urn:x", CONFIG), lambda d: d.metadata(ELEMENT, "urn:x", CONFIG),
     "<a/>"),
    ("SetNumaParameters", (variants(numa_nodeset=("s", "0-1"), numa_mode=("i", 1)), CONFIG),
     lambda d: part(d.numaParameters(CONFIG), "numa_nodeset", "numa_mode"), ["0-1", 1]),
    ("SetPerfEvents", (variants(cmt=("b", True), cache_misses=("b", True)), LIVE),
     lambda d: part(d.perfEvents(LIVE), "cmt", "cache_misses", "mbmt"), [True, True, False]),
    ("SetVcpus", (3, LIVE), lambda d: d.vcpusFlags(LIVE), 3),
    ("SetVcpus", (1, CONFIG), lambda d: d.vcpusFlags(CONFIG), 1),
    ("ManagedSave", (0,), lambda d: (d.hasManagedSaveImage(), d.state()[0]), (1, 5)),
]


@pytest.mark.parametrize("member, args, look, after", CHANGES, ids=[f"{r[0]}-{i}" for i, r in
                                                                     enumerate(CHANGES)])
def test_changes(world, guest, member, args, look, after):
    world.changes(guest, member, args, look, after)


def test_a_long_cpu_map_of_one_guest_leaves_the_other_cpu_alone(world, guest):
    world.value(guest, "PinVcpu", 0, [False] * 7 + [True], 0)
    assert guest.vcpuPinInfo(0) == [(False,) * 7 + (True,), (True,) * 8]


def test_life(world, off):
    assert world.client.get(methods.path_of(off), "org.libvirt.Domain", "Active") == ("b", False)
    world.changes(off, "SetMemory", (1 << 33, CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM),
                  lambda d: d.maxMemory(), 1 << 33)
    world.changes(off, "Create", (0,), state, libvirt.VIR_DOMAIN_RUNNING)
    world.value(off, "Suspend")
    world.changes(off, "Resume", (), state, libvirt.VIR_DOMAIN_RUNNING)
    world.value(off, "Reboot", 0)
    world.value(off, "Reset", 0)
    assert state(off) == libvirt.VIR_DOMAIN_RUNNING
    world.value(off, "Destroy", 0)
    world.changes(off, "Rename", ("renamed guest", 0), lambda d: world.test.lookupByUUID(d.UUID()).name(),
                  "renamed guest")
    world.value(off, "Undefine", 0)
    assert not [one for one in world.test.listAllDomains(0) if one.UUIDString() == off.UUIDString()]


def test_managed_save(world, guest):
    world.value(guest, "ManagedSave", 0)
    assert world.value(guest, "HasManagedSaveImage", 0) is True
    world.changes(guest, "ManagedSaveRemove", (0,), lambda d: d.hasManagedSaveImage(0), 0)
    assert world.value(guest, "HasManagedSaveImage", 0) is False


def test_save_and_restore(world, guest):
    """The file is the daemon's, so it is in a directory of the daemon's."""
    file = f"{world.libvirtd.env['HOME']}/{guest.name()}"
    connection = world.test
    inactive = guest.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    world.changes(guest, "Save", (file, "", 0), state, libvirt.VIR_DOMAIN_SHUTOFF)
    world.same(connection, "DomainSaveImageGetXMLDesc", (file, 0), lambda c: c.saveImageGetXMLDesc(file, 0))
    world.changes(connection, "DomainSaveImageDefineXML",
                  (file, inactive.replace("<devices>", "<description>other</description><devices>"), 0),
                  lambda c: "<description>other" in c.saveImageGetXMLDesc(file, 0), True)
    world.changes(connection, "DomainRestore", (file, "", 0), lambda c: state(c.lookupByUUID(guest.UUID())),
                  libvirt.VIR_DOMAIN_RUNNING)
    world.refused(connection, "DomainRestore", ("/no such file", "", 0),
                  lambda c: c.restoreFlags("/no such file", None, 0))


def test_core_dump(world, guest):
    file = f"{world.libvirtd.env['HOME']}/core-{guest.name()}"
    world.value(guest, "CoreDump", file, 0, 0)
    with open(file, "rb") as dump:
        assert dump.read()
    world.refused(guest, "CoreDump", (file, 99, 0), lambda d: d.coreDumpWithFormat(file, 99, 0))


def test_freeze_and_thaw(world, guest):
    """The test driver counts what is not frozen yet, so each side sees what the other did."""
    assert world.value(guest, "FSFreeze", ["/"], 0) == 1
    assert guest.fsFreeze(["/"], 0) == 0
    assert guest.fsFreeze(None, 0) == 1
    assert world.value(guest, "FSThaw", [], 0) == 2
    assert guest.fsThaw(None, 0) == 0
    world.value(guest, "FSTrim", "/", 0, 0)
    world.value(guest, "FSTrim", "", 0, 0)
    world.refused(guest, "FSTrim", ("", 1, 9), lambda d: d.fSTrim(None, 1, 9))


def test_inputs(world, guest):
    """What a guest of the test driver takes leaves nothing to look at but libvirt's checks."""
    world.value(guest, "InjectNMI", 0)
    world.refused(guest, "InjectNMI", (1,), lambda d: d.injectNMI(1))
    world.value(guest, "SendKey", 0, 100, [29, 56, 111], 0)
    world.refused(guest, "SendKey", (0, 0, [1, 70000], 0), lambda d: d.sendKey(0, 0, [1, 70000], 2, 0))
    world.refused(guest, "SendKey", (99, 0, [1], 1), lambda d: d.sendKey(99, 0, [1], 1, 1))
    world.value(guest, "SendProcessSignal", 1, libvirt.VIR_DOMAIN_PROCESS_SIGNAL_TERM, 0)
    world.refused(guest, "SendProcessSignal", (-1, 15, 0), lambda d: d.sendProcessSignal(-1, 15, 0))
    world.value(guest, "SetUserPassword", "root", "secret", 0)
    world.value(guest, "SetUserPassword", "root", "secret", libvirt.VIR_DOMAIN_PASSWORD_ENCRYPTED)
    world.refused(guest, "SetUserPassword", ("root", "x", 8), lambda d: d.setUserPassword("root", "x", 8))
    world.changes(guest, "SetTime", (1234567890, 42, 0), lambda d: d.getTime(0),
                  {"seconds": 1234567890, "nseconds": 42})


def test_scheduler(world, guest):
    """The test driver takes the parameter and keeps none."""
    world.value(guest, "SetSchedulerParameters", variants(weight=("u", 60)), 0)


WRONG = [("SetMemoryParameters", (variants(hard_limit=("s", "much")), LIVE), "hard_limit"),
         ("SetBlockIOTune", ("vda", variants(read_iops_sec=("b", True)), LIVE), "read_iops_sec"),
         ("SetPerfEvents", (variants(cmt=("d", 1.5)), LIVE), "cmt"),
         ("SetNumaParameters", (variants(numa_mode=("x", 1)), LIVE), "numa_mode"),
         ("SetSchedulerParameters", (variants(weight=("s", "x")), 0), "weight"),
         ("SetSchedulerParameters", (variants(none=("u", 60)), 0), "none"),
         ("SetMemoryParameters", (variants(nonsense=("t", 1)), LIVE), "nonsense")]


@pytest.mark.parametrize("member, args, named", WRONG)
def test_typed_parameters_of_a_wrong_type_are_refused_by_name(world, guest, member, args, named):
    kind, text = world.raw(guest, member, *args)
    assert kind == "error" and named in text


def test_properties(world, guest):
    for name, kind, value in [("Active", "b", True), ("Id", "u", guest.ID()), ("Name", "s", guest.name()),
                              ("OSType", "s", guest.OSType()), ("Persistent", "b", True),
                              ("SchedulerType", "(si)", tuple(guest.schedulerType())),
                              ("Updated", "b", False), ("UUID", "s", guest.UUIDString())]:
        world.property(guest, name, kind, value)
    world.autostart(guest)
