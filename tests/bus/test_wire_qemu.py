# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in on a real libvirtd: secrets, which the test driver lacks, and a running QEMU guest, as
libvirt-dbus and guestbusd answer it, one after the other."""

import re

import pytest

from support import coverage
from support.client import CONNECT, DOMAIN, Client, DBusError, body_of, field
from support.hosts.host import guest_xml
from support.process import PATIENCE
from support.service import wait_connected
from test_wire import NULL, get, get_all, libvirt_dbus, method, needs_peer
from test_wire_domain import flagged
from test_wire_objects import bare, every, properties

# Those that libvirt-dbus has; others are ours alone.
SIGNALS = {(one.interface, one.name) for one in coverage.contract("signal")}
QEMU = "/org/libvirt/QEMU"
SECRET = "org.libvirt.Secret"
UUID = "cccccccc-dddd-eeee-ffff-0123456789ab"
SECRETS = f"{QEMU}/secret/_" + UUID.replace("-", "_")
GUEST = f"{QEMU}/domain/_11111111_2222_3333_4444_555555555555"
XML = f"""<secret ephemeral='no' private='no'><uuid>{UUID}</uuid><description>Ä</description>
<usage type='ceph'><name>client.ä $ secret</name></usage></secret>"""
DISK = """<disk type='file' device='cdrom'><target dev='sda' bus='sata'/>
<iotune><total_bytes_sec>0</total_bytes_sec></iotune></disk>"""
# What another run of the same guest has otherwise: its id, its terminals and what it has used.
RUNS = re.compile(r"( id='\d+')|(domain-\d+-guest)|(/dev/pts/\d+)|(<label>.*</label>)")

SECRET_CALLS = [
    *method(QEMU, CONNECT, "SecretDefineXML", "su", XML, 0),
    *method(QEMU, CONNECT, "SecretDefineXML", "su", "<nonsense/>", 0),
    *method(QEMU, CONNECT, "SecretDefineXML", "su", "", 1 << 30),
    *every(QEMU, CONNECT, "ListSecrets"),
    *method(QEMU, CONNECT, "SecretLookupByUUID", "s", UUID),
    *[one for usage in ("client.ä $ secret", "none", "") for kind in (0, 2, 99) for one in
      method(QEMU, CONNECT, "SecretLookupByUsage", "is", kind, usage)],
    *properties(SECRETS, SECRET, "UUID", "UsageID", "UsageType"),
    *every(SECRETS, SECRET, "GetXMLDesc"),
    *every(SECRETS, SECRET, "GetValue", flags=(0,)),
    *[one for value in (b"", b"\0\xff value") for flags in (1 << 30, 0) for one in
      method(SECRETS, SECRET, "SetValue", "ayu", value, flags)],
    *[(label + " again", *rest) for label, *rest in every(SECRETS, SECRET, "GetValue")],
    *every(QEMU, CONNECT, "ListNWFilters"),
    *bare(SECRETS, SECRET, "Undefine"),
    *get(SECRETS, SECRET, "UsageID"),
]

READS = ("GetBlockIOParameters", "GetControlInfo", "GetDiskErrors", "GetEmulatorPinInfo", "GetFSInfo",
         "GetGuestVcpus", "GetHostname", "GetIOThreadInfo", "GetJobStats", "GetMemoryParameters",
         "GetNumaParameters", "GetPerfEvents", "GetSchedulerParameters", "GetTime", "GetVcpuPinInfo",
         "GetVcpus", "HasManagedSaveImage", "ListDomainSnapshots", "MigrateGetCompressionCache",
         "MigrateGetMaxSpeed",
         "SnapshotCurrent")
GUEST_CALLS = [
    *method(QEMU, CONNECT, "DomainCreateXML", "su", guest_xml().replace("</devices>", DISK + "</devices>"), 1),
    *[one for member in READS for one in flagged(GUEST, member, flags=(0, 1))],
    *flagged(GUEST, "GetBlockIOTune", "su", "sda", flags=(0,)),
    *flagged(GUEST, "GetBlockJobInfo", "su", "sda", flags=(0,)),
    *flagged(GUEST, "InterfaceAddresses", "uu", 1, flags=(0,)),
    *bare(GUEST, DOMAIN, "GetJobInfo", "GetSecurityLabelList", "AbortJob"),
    *flagged(GUEST, "GetStats", "uu", 1 | 8, flags=(0,)),
    *flagged(GUEST, "GetXMLDesc", flags=(0, 1, 2)),
    *flagged(GUEST, "MemoryPeek", "ttu", 0, 4, flags=(2,)),
    *flagged(GUEST, "FSFreeze", "asu", [], flags=(0,)),
    *flagged(GUEST, "SetMetadata", "isssu", 0, "Ä", "", "", flags=(1,)),
    *flagged(GUEST, "SendKey", "uuauu", 0, 10, [30], flags=(0,)),
    *flagged(GUEST, "SetMemoryStatsPeriod", "iu", 5, flags=(1,)),
    *flagged(GUEST, "SetPerfEvents", "a{sv}u", {"nonsense": ("b", True)}, flags=(0,)),
    *flagged(GUEST, "SetSchedulerParameters", "a{sv}u", {"cpu_shares": ("t", 1024)}, flags=(0,)),
    *flagged(GUEST, "SetBlockIOTune", "sa{sv}u", "sda", {"total_bytes_sec": ("t", 1 << 40)}, flags=(1,)),
    *[(label + " again", *rest) for label, *rest in flagged(GUEST, "GetBlockIOTune", "su", "sda", flags=(0,))],
    *bare(GUEST, DOMAIN, "Resume", "Suspend"),
    *get_all(GUEST, DOMAIN, label="GetAll of the guest"),
    *flagged(GUEST, "Destroy", flags=(0,)),
]

TIMES = re.compile(r"^Id$|\.(time|user|system|wait|halted|delay)$")
# The starts of what libvirt refuses and libvirt-dbus gives out as an empty success.
DIFFERENT = ("GetBlockIOParameters", "GetDiskErrors () 1")


def masked(value):
    if isinstance(value, str):
        return RUNS.sub("", value)
    if isinstance(value, dict):
        return {key: masked(one) for key, one in value.items() if not TIMES.search(str(key))}
    if isinstance(value, (list, tuple)):
        return type(value)(masked(one) for one in value)
    return value


def perform(address, script, last):
    """What each call gave, and the signals up to and with the one that `last` is true of."""
    with Client(address) as client, Client(address) as listener:
        listener.match()
        wait_connected(client, "QEMU")
        results = []
        for label, *call in script:
            reply = client.exchange(*call, within=60 * PATIENCE)
            try:
                results.append((label, "value", field(reply, "signature") or "", masked(body_of(reply))))
            except DBusError as error:
                results.append((label, "error", error.name, masked(error.message)))
        listener.wait_for(last, 20 * PATIENCE)
        return results, [(s.path, s.interface, s.member, s.signature,
                          tuple("" if value == NULL else value for value in s.body))
                         for s in listener.signals if s.interface.startswith("org.libvirt")]


def agreed(mine, theirs):
    if mine[0].startswith(DIFFERENT):
        return mine[1] == "error" and theirs[1] == "value"
    return mine == theirs


@needs_peer
@pytest.mark.parametrize("script, last, succeeded", [
    (SECRET_CALLS, lambda s: s.member == "SecretEvent" and s.body[1:] == (1, 0), 12),
    (GUEST_CALLS, lambda s: s.member == "DomainEvent" and s.body[:2] == (GUEST, 5), 35),
], ids=["secrets", "guest"])
def test_a_real_libvirtd(home, one_bus, libvirtd, run_service, script, last, succeeded):
    with libvirt_dbus(home, libvirtd.env, libvirtd.user) as address:
        theirs, their_signals = perform(address, script, last)
    run_service(one_bus, {"QEMU": libvirtd.uri})
    mine, signals = perform(one_bus.address, script, last)
    wrong = [f"\n    ours   {str(one)[:500]}\n    theirs {str(other)[:500]}"
             for one, other in zip(mine, theirs) if not agreed(one, other)]
    assert not wrong, "\n" + "\n".join(wrong)
    assert [one for one in signals if one[1:3] in SIGNALS] == their_signals
    assert sum(1 for one in mine if one[1] == "value") >= succeeded
