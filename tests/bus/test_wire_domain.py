# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in, the guest's knobs: statistics, typed parameters both ways, bit maps, metadata, snapshots, and
what the guest says of itself, as libvirt-dbus and guestbusd answer it."""

from support.client import CONNECT, DOMAIN
from test_wire import GUEST, OTHER, TEST, compare, get_all, method, needs_peer, perform_both  # noqa: F401 (fixture)

SNAPSHOT = "org.libvirt.DomainSnapshot"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
XML = f"""<domain type='test'><name>kn_ob $100% Ünïcode</name><uuid>{UUID}</uuid>
<memory>65536</memory><vcpu current='2'>4</vcpu><iothreads>2</iothreads><os><type>hvm</type></os><devices>
<disk type='block' device='disk'><source dev='/dev/null'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>
<interface type='network'><mac address='aa:bb:cc:dd:ee:01'/><source network='default'/>
<target dev='testnet1'/></interface>
<memballoon model='virtio'/></devices></domain>"""
SNAPSHOTS = ["plain", "Ein Name", "$HOME", "100%", "under_score", "Ünïcode", "a.b-c:d", "中文"]
CPUS = [True, False, True]
GIGABYTE = 1 << 30


def encoded(text):
    """A name as the last element of a path holds it."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"_{byte:02x}"
                   for byte in text.encode())


def snapshot_path(name, uuid=UUID):
    return f"{TEST}/domainsnapshot/_{uuid.replace('-', '_')}_{encoded(name)}"


def flagged(path, member, signature="u", *args, flags=(0, 1, 2)):
    """A method whose last argument is the flags, with each of them and with one that nobody knows."""
    return [one for flag in (*flags, 1 << 30) for one in
            method(path, DOMAIN, member, signature, *args, flag, label=f"{member} {args} {flag} {path[-3:]}")]


def read_all(path):
    """Everything that is read with nothing but flags."""
    return [one for member in (
        "GetBlockIOParameters", "GetControlInfo", "GetDiskErrors", "GetEmulatorPinInfo",
        "GetGuestVcpus", "GetHostname", "GetIOThreadInfo", "GetJobStats", "GetMemoryParameters",
        "GetNumaParameters", "GetPerfEvents", "GetSchedulerParameters", "GetTime", "GetVcpuPinInfo",
        "GetVcpus", "HasManagedSaveImage", "ListDomainSnapshots", "MemoryStats",
        "MigrateGetCompressionCache", "MigrateGetMaxSpeed", "SnapshotCurrent")
        for one in flagged(path, member, flags=(0, 1, 2) if member in ("GetVcpus", "GetIOThreadInfo") else (0,))
        # libvirt-dbus does not hear libvirt's refusal of unknown flags here.
        if not (member == "GetBlockIOParameters" and one[-1] == (1 << 30,))]


def parameters(member, signature, *before, **entries):
    """Typed parameters one by one: each with a right and with a wrong type."""
    return [(f"{member} {before} {name}={value} {flags}", OTHER, DOMAIN, member, signature,
             (*before, {name.replace("__", "."): value}, flags))
            for name, values in entries.items() for value in values for flags in (0, 1, 2)]


READ = [
    *read_all(GUEST),
    *read_all(OTHER),
    *[one for path in (GUEST, OTHER) for one in (
        *flagged(path, "GetBlockIOTune", "su", "vda", flags=(0,)),
        *flagged(path, "GetBlockIOTune", "su", "nope", flags=(0,)),
        *flagged(path, "GetBlockIOTune", "su", "", flags=(0,)),
        *flagged(path, "GetBlockJobInfo", "su", "vda", flags=(0,)),
        *flagged(path, "GetInterfaceParameters", "su", "aa:bb:cc:dd:ee:01", flags=(0,)),
        *flagged(path, "GetInterfaceParameters", "su", "testnet0", flags=(0,)),
        *flagged(path, "GetInterfaceParameters", "su", "", flags=(0,)),
        *flagged(path, "GetStats", "uu", 0, flags=(0,)),
        *flagged(path, "GetStats", "uu", 0x3ff, flags=(0,)),
        *[one for source in (0, 1, 2, 9) for one in
          flagged(path, "InterfaceAddresses", "uu", source, flags=(0,))],
        *[one for kind in (0, 1, 2, 9) for uri in ("", "urn:x") for one in
          flagged(path, "GetMetadata", "isu", kind, uri, flags=(0,))],
        *method(path, DOMAIN, "GetJobInfo", label=f"GetJobInfo {path[-3:]}"),
        *method(path, DOMAIN, "GetSecurityLabelList", label=f"GetSecurityLabelList {path[-3:]}"),
        *method(path, DOMAIN, "AbortJob", label=f"AbortJob {path[-3:]}"),
        *method(path, DOMAIN, "BlockPeek", "sttu", "vda", 0, 16, 0, label=f"BlockPeek {path[-3:]}"),
        *method(path, DOMAIN, "MemoryPeek", "ttu", 0, 16, 1, label=f"MemoryPeek {path[-3:]}"),
    )],
    *method(TEST, CONNECT, "GetAllDomainStats", "uu", 0, 0),
    *method(TEST, CONNECT, "GetAllDomainStats", "uu", 1, 16),
    *method(TEST, CONNECT, "GetAllDomainStats", "uu", 1 << 30, 0),
]

WRITE = [
    *parameters("SetBlockIOTune", "sa{sv}u", "vda", total_bytes_sec=[("t", GIGABYTE), ("u", 5), ("s", "x")],
                read_iops_sec=[("t", 0), ("i", -1)], group_name=[("s", "Gruppe ä"), ("t", 1)],
                nonsense=[("t", 1)], read_bytes_sec_max=[("t", 1 << 40)]),
    *flagged(OTHER, "GetBlockIOTune", "su", "vda"),
    *parameters("SetInterfaceParameters", "sa{sv}u", "aa:bb:cc:dd:ee:01", inbound__average=[("u", 1000),
                ("t", 1000), ("s", "x")], outbound__peak=[("u", 1)], nonsense=[("u", 1)]),
    *flagged(OTHER, "GetInterfaceParameters", "su", "aa:bb:cc:dd:ee:01"),
    *parameters("SetMemoryParameters", "a{sv}u", hard_limit=[("t", 1 << 20), ("d", 1.5), ("b", True)],
                nonsense=[("t", 1)]),
    *flagged(OTHER, "GetMemoryParameters"),
    *parameters("SetNumaParameters", "a{sv}u", numa_nodeset=[("s", "0"), ("i", 0)], numa_mode=[("i", 0)]),
    *flagged(OTHER, "GetNumaParameters"),
    *parameters("SetSchedulerParameters", "a{sv}u", weight=[("u", 7), ("i", 7), ("x", 7)], no=[("u", 1)]),
    *parameters("SetBlockIOParameters", "a{sv}u", weight=[("u", 500)]),
    *parameters("SetPerfEvents", "a{sv}u", cmt=[("b", True), ("u", 1)]),
    *[one for member, signature, args in (
        ("SetMemory", "tu", (32768,)), ("SetMemory", "tu", (0,)), ("SetVcpus", "uu", (3,)),
        ("SetMemoryStatsPeriod", "iu", (5,)), ("SetMemoryStatsPeriod", "iu", (-1,)),
        ("PinVcpu", "uabu", (0, CPUS)), ("PinVcpu", "uabu", (9, CPUS)), ("PinVcpu", "uabu", (0, [])),
        ("PinEmulator", "abu", (CPUS,)), ("PinEmulator", "abu", ([],)),
        ("PinIOThread", "uabu", (1, CPUS)), ("AddIOThread", "uu", (7,)), ("DelIOThread", "uu", (7,)),
        ("SetUserPassword", "ssu", ("root", "geheim")), ("SetTime", "tuu", (1 << 33, 5)),
        ("SendKey", "uuauu", (0, 10, [30, 31])), ("SendKey", "uuauu", (99, 10, [])),
        ("SendProcessSignal", "xuu", (1, 15)), ("SendProcessSignal", "xuu", (-1, 99)),
        ("SetMetadata", "isssu", (0, "Ä <b> text", "", "")), ("SetMetadata", "isssu", (1, "Titel", "", "")),
        ("SetMetadata", "isssu", (2, "<a/>", "k", "urn:x")), ("SetMetadata", "isssu", (0, "", "", "")),
        ("SetMetadata", "isssu", (2, "", "k", "urn:x")), ("SetMetadata", "isssu", (1, "a\nb", "", "")),
        ("FSFreeze", "asu", ([],)), ("FSFreeze", "asu", (["/", "/boot"],)), ("FSThaw", "asu", ([],)),
        ("FSThaw", "asu", (["/"],)), ("FSTrim", "stu", ("", 0)), ("FSTrim", "stu", ("/", 0)),
        ("InjectNMI", "u", ()), ("PMWakeup", "u", ()), ("CoreDump", "suu", ("/dev/null", 0)),
        ("BlockResize", "stu", ("vda", 1 << 20)), ("BlockCommit", "ssstu", ("vda", "", "", 0)),
        ("BlockPull", "stu", ("vda", 0)), ("BlockRebase", "sstu", ("vda", "", 0)),
        ("BlockCopy", "ssa{sv}u", ("vda", "<disk/>", {"bandwidth": ("t", 1)})),
        ("BlockJobAbort", "su", ("vda",)), ("BlockJobSetSpeed", "stu", ("vda", 1)),
        ("SetBlockThreshold", "stu", ("vda", 1)), ("MigrateSetCompressionCache", "tu", (1,)),
        ("MigrateSetMaxDowntime", "tu", (1,)), ("MigrateSetMaxSpeed", "tu", (1,)),
        ("MigrateStartPostCopy", "u", ()), ("MigrateToURI3", "sa{sv}u", ("", {})),
        ("ManagedSaveRemove", "u", ()), ("OpenGraphicsFD", "uu", (0,)), ("CreateWithFiles", "ahu", ([],)))
      for one in flagged(OTHER, member, signature, *args,
                         flags=(0, 1, 2) if member.startswith(("Set", "Pin")) else (0,))],
    *read_all(OTHER),
    *flagged(OTHER, "ManagedSave", flags=(0,)),
    *flagged(OTHER, "HasManagedSaveImage", flags=(0,)),
    *flagged(OTHER, "Create", flags=(0,)),
    *flagged(OTHER, "Rename", "su", "other name", flags=(0,)),
    *flagged(OTHER, "Destroy", flags=(0,)),
    *flagged(OTHER, "Rename", "su", "other name %", flags=(0,)),
    *flagged(OTHER, "GetXMLDesc", flags=(0, 1, 2)),
    *get_all(OTHER, DOMAIN, label="GetAll after Rename"),
]

SNAPSHOT_CALLS = [
    *[one for name in SNAPSHOTS for one in (
        *method(OTHER, DOMAIN, "SnapshotCreateXML", "su",
                f"<domainsnapshot><name>{name}</name><description>€</description></domainsnapshot>", 0,
                label=f"create {name}"),
        *method(OTHER, DOMAIN, "SnapshotLookupByName", "su", name, 0, label=f"look up {name}"),
        *method(snapshot_path(name), SNAPSHOT, "GetXMLDesc", "u", 0, label=f"GetXMLDesc {name}"),
        *method(snapshot_path(name), SNAPSHOT, "GetParent", "u", 0, label=f"GetParent {name}"),
        *method(snapshot_path(name), SNAPSHOT, "IsCurrent", "u", 0, label=f"IsCurrent {name}"))],
    *method(OTHER, DOMAIN, "SnapshotCreateXML", "su", "<domainsnapshot><name>a/b</name></domainsnapshot>", 0),
    *method(OTHER, DOMAIN, "SnapshotCreateXML", "su", "<nonsense/>", 0),
    *method(OTHER, DOMAIN, "SnapshotLookupByName", "su", "none", 0),
    *method(OTHER, DOMAIN, "SnapshotLookupByName", "su", "", 0),
    *flagged(OTHER, "ListDomainSnapshots", flags=(0, 1)),
    *flagged(OTHER, "SnapshotCurrent", flags=(0,)),
    *method(snapshot_path("plain"), SNAPSHOT, "ListChildren", "u", 0),
    *method(snapshot_path("plain"), SNAPSHOT, "ListChildren", "u", 1),
    *method(snapshot_path("plain"), SNAPSHOT, "IsCurrent", "u", 1 << 30),
    *method(snapshot_path("100%"), SNAPSHOT, "Revert", "u", 0),
    *method(snapshot_path("100%"), SNAPSHOT, "IsCurrent", "u", 0, label="IsCurrent after Revert"),
    *method(snapshot_path("Ünïcode"), SNAPSHOT, "Delete", "u", 0),
    *method(snapshot_path("Ünïcode"), SNAPSHOT, "Delete", "u", 0, label="Delete again"),
    *method(snapshot_path("plain"), SNAPSHOT, "Delete", "u", 1, label="Delete with children"),
    *flagged(OTHER, "ListDomainSnapshots", flags=(0,)),
    *flagged(OTHER, "Undefine", flags=(0, 2)),
]

SCRIPT = [
    *method(TEST, CONNECT, "DomainDefineXML", "s", XML, label="define"),
    *flagged(OTHER, "GetXMLDesc", flags=(0,)),
    *flagged(OTHER, "Create", flags=(0,)),
    *READ, *WRITE, *SNAPSHOT_CALLS,
]

DIFFERENT = {
    "GetDiskErrors () 1073741824": ("unsupported flags", "libvirt-dbus drops libvirt's refusal"),
    "GetSchedulerParameters () 1073741824": ("unsupported flags (0x4000000", "it drops the caller's flags"),
    "Delete again": ("no domain snapshot with", "it loses libvirt's message"),
    "SetBlockThreshold": ("org.libvirt.Error", "it describes the method and does not have it"),
}


@needs_peer
def test_the_knobs_of_a_guest(perform_both):  # noqa: F811
    theirs, mine = perform_both(SCRIPT)
    calls, succeeded = compare(theirs, mine, DIFFERENT)
    assert calls >= 500 and succeeded >= 200 and len(mine[1]) >= 20


@needs_peer
def test_file_systems(perform_both):  # noqa: F811
    """The mount point comes before the name."""
    theirs, mine = perform_both(flagged(GUEST, "GetFSInfo", flags=(0,)))
    compare(theirs, mine, {})
    assert ("/boot", "vda2", "ext4", ["vda"]) in theirs[0][0][1][2][0]
