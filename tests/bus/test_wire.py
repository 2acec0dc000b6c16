# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in: the same calls to libvirt-dbus and to guestbusd, each on a private bus with a test driver of
its own, get the same replies: types, values, error names, error texts; and the same signals."""

import os
import re
import shutil

import pytest

from support import bus as buses
from support.client import CONNECT, DOMAIN, PROPERTIES, Client, DBusError, body_of, field
from support.process import PATIENCE, end, spawn, wait_until
from support.service import wait_connected

PEER = shutil.which("libvirt-dbus", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
OTHER = f"{TEST}/domain/_" + UUID.replace("-", "_")
ABSENT = f"{TEST}/domain/_" + "0" * 8 + "_0000_0000_0000_" + "0" * 12
XML = f"""<domain type='test'><name>Ä %s $ o-t</name><uuid>{UUID}</uuid><memory>65536</memory>
<vcpu current='1'>4</vcpu><os><type>hvm</type></os></domain>"""
DISK = "<disk type='block' device='disk'><source dev='/dev/null'/><target dev='vdz' bus='virtio'/></disk>"


def get(path, interface, *names):
    return [(f"Get {name}", path, PROPERTIES, "Get", "ss", (interface, name)) for name in names]


def method(path, interface, member, signature="", *args, label=""):
    return [(label or f"{member}{args}", path, interface, member, signature, args)]


DOMAIN_PROPERTIES = ("Active", "Autostart", "Id", "Name", "OSType", "Persistent", "SchedulerType", "Updated",
                     "UUID")

SCRIPT = [
    *get(TEST, CONNECT, "Encrypted", "Hostname", "LibVersion", "Secure", "Version"),
    ("GetAll of the connection", TEST, PROPERTIES, "GetAll", "s", (CONNECT,)),
    *method(TEST, CONNECT, "GetCapabilities"),
    *method(TEST, CONNECT, "ListDomains", "u", 0),
    *method(TEST, CONNECT, "ListDomains", "u", 2),
    *method(TEST, CONNECT, "ListDomains", "u", 1 << 30),
    *method(TEST, CONNECT, "DomainLookupByName", "s", "test"),
    *method(TEST, CONNECT, "DomainLookupByName", "s", "none"),
    *method(TEST, CONNECT, "DomainLookupByName", "s", ""),
    *method(TEST, CONNECT, "DomainLookupByUUID", "s", "6695eb01-f6a4-8304-79aa-97f2502e193f"),
    *method(TEST, CONNECT, "DomainLookupByUUID", "s", UUID),
    *method(TEST, CONNECT, "DomainLookupByUUID", "s", "x"),
    *method(TEST, CONNECT, "DomainLookupByID", "i", 1),
    *method(TEST, CONNECT, "DomainLookupByID", "i", 99),
    *get(GUEST, DOMAIN, *DOMAIN_PROPERTIES),
    ("GetAll of a guest", GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)),
    ("GetAll of nothing", ABSENT, PROPERTIES, "GetAll", "s", (DOMAIN,)),
    ("Get of nothing", ABSENT, PROPERTIES, "Get", "ss", (DOMAIN, "Name")),
    ("Set of nothing", ABSENT, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", True))),
    *method(ABSENT, DOMAIN, "GetState", "u", 0, label="GetState of nothing"),
    *method(ABSENT, DOMAIN, "Suspend", label="Suspend of nothing"),
    *method(GUEST, DOMAIN, "GetState", "u", 0),
    *method(GUEST, DOMAIN, "GetState", "u", 1 << 30),
    *method(GUEST, DOMAIN, "GetXMLDesc", "u", 0),
    *method(GUEST, DOMAIN, "GetXMLDesc", "u", 1),
    *method(GUEST, DOMAIN, "GetStats", "uu", 1, 0),
    *method(GUEST, DOMAIN, "GetStats", "uu", 1 << 30, 0),
    *method(GUEST, DOMAIN, "SetMemory", "tu", 1048576, 1),
    *method(GUEST, DOMAIN, "SetMemory", "tu", 1 << 50, 1),
    *method(GUEST, DOMAIN, "SetVcpus", "uu", 1, 1),
    *method(GUEST, DOMAIN, "SetVcpus", "uu", 99, 1),
    *method(GUEST, DOMAIN, "AttachDevice", "su", DISK, 1),
    *method(GUEST, DOMAIN, "AttachDevice", "su", "<disk/>", 1),
    *method(GUEST, DOMAIN, "AttachDevice", "su", "", 0),
    *method(GUEST, DOMAIN, "DetachDevice", "su", DISK, 1),
    *method(GUEST, DOMAIN, "UpdateDevice", "su", DISK, 1),
    *method(GUEST, DOMAIN, "Create", "u", 0),
    *method(GUEST, DOMAIN, "Suspend"),
    *method(GUEST, DOMAIN, "Resume"),
    *method(GUEST, DOMAIN, "Resume", label="Resume again"),
    *method(GUEST, DOMAIN, "Reset", "u", 0),
    *method(GUEST, DOMAIN, "Reboot", "u", 0),
    *method(GUEST, DOMAIN, "GetState", "u", 0, label="GetState after Reboot"),
    *method(GUEST, DOMAIN, "Shutdown", "u", 0),
    *method(GUEST, DOMAIN, "Create", "u", 0, label="Create again"),
    *method(GUEST, DOMAIN, "Destroy", "u", 0),
    *method(GUEST, DOMAIN, "Destroy", "u", 0, label="Destroy again"),
    *get(GUEST, DOMAIN, "Id", "SchedulerType"),
    *method(TEST, CONNECT, "DomainDefineXML", "s", XML, label="DomainDefineXML"),
    *method(TEST, CONNECT, "DomainDefineXML", "s", "<domain/>"),
    *method(TEST, CONNECT, "DomainDefineXML", "s", ""),
    *get(OTHER, DOMAIN, *DOMAIN_PROPERTIES),
    ("GetAll of a guest that is off", OTHER, PROPERTIES, "GetAll", "s", (DOMAIN,)),
    *[("Set Autostart", OTHER, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", value)))
      for value in (True, False)],
    ("Set Autostart to text", OTHER, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("s", "x"))),
    ("Set Name", OTHER, PROPERTIES, "Set", "ssv", (DOMAIN, "Name", ("s", "x"))),
    *method(OTHER, DOMAIN, "SetVcpus", "uu", 3, 2),
    *method(OTHER, DOMAIN, "Shutdown", "u", 0, label="Shutdown of a guest that is off"),
    *method(TEST, CONNECT, "DomainLookupByName", "s", "Ä %s $ o-t"),
    *method(OTHER, DOMAIN, "Undefine", "u", 0),
    *method(OTHER, DOMAIN, "Undefine", "u", 0, label="Undefine again"),
    *method(TEST, CONNECT, "DomainCreateXML", "su", XML, 0, label="DomainCreateXML"),
    *method(OTHER, DOMAIN, "Destroy", "u", 0, label="Destroy of a transient guest"),
    *method(TEST, CONNECT, "DomainCreateXML", "su", "<domain/>", 0),
    *method(GUEST, DOMAIN, "GetState", "s", "x", label="GetState with a wrong signature"),
    *method(GUEST, DOMAIN, "GetState", label="GetState without arguments"),
    *method(GUEST, DOMAIN, "Nonsense"),
    *method(TEST, "org.libvirt.Nonsense", "Nonsense", label="unknown interface"),
    *method("/org/libvirt/Nonsense", CONNECT, "ListDomains", "u", 0, label="unknown connection"),
    ("Get of an unknown property", GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Nonsense")),
    ("GetAll of an unknown interface", GUEST, PROPERTIES, "GetAll", "s", ("org.libvirt.Nonsense",)),
]

# What guestbusd answers otherwise, on purpose: (a part of its answer, the reason).
DIFFERENT = {
    "Get Secure": ("('b', True)", "libvirt-dbus asks whether the connection is encrypted"),
    "GetAll of the connection": ("'Secure': ('v', ('b', True))", "the same"),
    "GetAll of nothing": ("error", "an empty success hides that there is no such domain"),
}
# Bad requests are named by the D-Bus library: names out of one family, texts of its own.
LIBRARY = {
    "GetState with a wrong signature": {"InvalidArgs"},
    "GetState without arguments": {"InvalidArgs"},
    "Set Autostart to text": {"InvalidArgs"},
    "Set Name": {"InvalidArgs", "PropertyReadOnly"},
    "Nonsense()": {"UnknownMethod"},
    "unknown interface": {"UnknownMethod", "UnknownInterface"},
    "unknown connection": {"UnknownMethod", "UnknownObject"},
    "Get of an unknown property": {"InvalidArgs", "UnknownProperty"},
    "GetAll of an unknown interface": {"InvalidArgs", "UnknownInterface"},
}

pytestmark = pytest.mark.skipif(not PEER, reason="libvirt-dbus is not installed")


def perform(address):
    """([(label, outcome)], [signals]) of the script on one bus."""
    with Client(address) as client, Client(address) as listener:
        listener.match()
        wait_connected(client)
        results = []
        for label, *call in SCRIPT:
            reply = client.exchange(*call)
            try:
                outcome = ("value", field(reply, "signature") or "", body_of(reply))
            except DBusError as error:
                outcome = ("error", error.name, error.message)
            results.append((label, outcome))
        client.domain(GUEST, "Create", "u", 0)
        listener.wait_signal("DomainEvent", body=(GUEST, 2, 0))
        client.domain(GUEST, "Destroy", "u", 0)
        listener.wait_for(lambda s: s.body[:2] == (GUEST, 5) and s is listener.signals[-1])
        listener.drain()
        signals = [(s.path, s.interface, s.member, s.signature, s.body) for s in listener.signals
                   if s.interface.startswith("org.libvirt")]
    return results, signals


@pytest.fixture
def peer(home):
    """The results of libvirt-dbus."""
    directory = home / "peer"
    directory.mkdir()
    private = buses.start("dbus-daemon", directory)
    process = spawn([PEER, "--session"], home, env={"DBUS_SESSION_BUS_ADDRESS": private.address,
                                                    "XDG_RUNTIME_DIR": str(directory)})
    try:
        with Client(private.address) as client:
            wait_until(lambda: client.has_owner("org.libvirt"), 10 * PATIENCE, "libvirt-dbus")
        yield perform(private.address)
    finally:
        end(process)
        private.stop()


def agreed(label, mine, theirs):
    if label in LIBRARY:
        return all(one[0] == "error" and re.sub(r".*\.", "", one[1]) in LIBRARY[label]
                   for one in (mine, theirs))
    if label in DIFFERENT:
        return mine != theirs and DIFFERENT[label][0] in str(mine)
    return mine == theirs


def test_same_calls_same_answers(peer, one_bus, run_service):
    run_service(one_bus)
    results, signals = perform(one_bus.address)
    theirs, their_signals = peer
    assert [label for label, _ in results] == [label for label, _ in theirs]
    wrong = [f"{label}:\n    ours   {str(mine)[:300]}\n    theirs {str(other)[:300]}"
             for (label, mine), (_, other) in zip(results, theirs) if not agreed(label, mine, other)]
    assert not wrong, "\n" + "\n".join(wrong)
    assert signals == their_signals
    assert len(signals) > 10
