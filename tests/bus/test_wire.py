# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in: the same calls to libvirt-dbus and to guestbusd, each on a private bus with a test driver of
its own, get the same replies: types, values, error names, error texts; and the same signals.

Here is what the other test_wire_*.py use, and the life of a guest."""

import contextlib
import os
import re
import shutil

import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, Client, DBusError, body_of, field
from support.hosts import bus as buses
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
FENCE = f"{TEST}/domain/_ffffffff_ffff_ffff_ffff_ffffffffffff"
FENCE_XML = """<domain type='test'><name>fence</name><uuid>ffffffff-ffff-ffff-ffff-ffffffffffff</uuid>
<memory>65536</memory><os><type>hvm</type></os></domain>"""
DISK = "<disk type='block' device='disk'><source dev='/dev/null'/><target dev='vdz' bus='virtio'/></disk>"


def get(path, interface, *names):
    return [(f"Get {name}", path, PROPERTIES, "Get", "ss", (interface, name)) for name in names]


def get_all(path, interface, label=""):
    return [(label or f"GetAll {interface}", path, PROPERTIES, "GetAll", "s", (interface,))]


def set_value(path, interface, name, *values):
    return [(f"Set {name} {value}", path, PROPERTIES, "Set", "ssv", (interface, name, value))
            for value in values]


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
    *method(OTHER, DOMAIN, "SetVcpus", "uu", 3, 2),
    *method(OTHER, DOMAIN, "Shutdown", "u", 0, label="Shutdown of a guest that is off"),
    *method(TEST, CONNECT, "DomainLookupByName", "s", "Ä %s $ o-t"),
    *method(OTHER, DOMAIN, "Undefine", "u", 0),
    *method(OTHER, DOMAIN, "Undefine", "u", 0, label="Undefine again"),
    *method(TEST, CONNECT, "DomainCreateXML", "su", XML, 0, label="DomainCreateXML"),
    *method(OTHER, DOMAIN, "Destroy", "u", 0, label="Destroy of a transient guest"),
    *method(TEST, CONNECT, "DomainCreateXML", "su", "<domain/>", 0),
]

# What guestbusd answers otherwise, on purpose, by the start of a label: (a part of its answer, the reason).
DIFFERENT = {
    "Get Secure": ("('b', True)", "libvirt-dbus asks whether the connection is encrypted"),
    "GetAll of the connection": ("'Secure': ('v', ('b', True))", "the same"),
    "GetAll of nothing": ("Domain not found", "an empty success hides that there is no such domain"),
}
# What no two runs have in common: the time of a snapshot, and the order of libvirt's hash tables.
MASKED = ((re.compile(r"<creationTime>\d+"), "<creationTime>"),)
UNORDERED = ("ao", "a(sa{sv})")
# libvirt-dbus says this where libvirt says NULL; guestbusd an empty string.
NULL = "[Invalid UTF-8]"

needs_peer = pytest.mark.skipif(not PEER, reason="libvirt-dbus is not installed")


def masked(value):
    """A reply's value without what is another in each run, in whatever it is nested."""
    if isinstance(value, str):
        for pattern, text in MASKED:
            value = pattern.sub(text, value)
        return value
    if isinstance(value, dict):
        return {masked(key): masked(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(masked(one) for one in value)
    return value


def perform(address, script):
    """([(label, outcome)], [signals]) of a script on one bus. A guest of its own behind it is the
    fence: what the script caused is told before."""
    with Client(address) as client, Client(address) as listener:
        listener.match()
        wait_connected(client)
        results = []
        for label, *call in script:
            reply = client.exchange(*call)
            try:
                body, signature = masked(body_of(reply)), field(reply, "signature") or ""
                if signature in UNORDERED:
                    body = (sorted(body[0], key=str),)
                outcome = ("value", signature, body)
            except DBusError as error:
                outcome = ("error", error.name, error.message)
            results.append((label, outcome))
        assert client.connect("DomainDefineXML", "s", FENCE_XML) == FENCE
        listener.wait_signal("DomainEvent", 10 * PATIENCE, body=(FENCE, 0, 0))
        signals = [(s.path, s.interface, s.member, s.signature, s.body) for s in listener.signals
                   if s.interface.startswith("org.libvirt")]
    return results, signals


@contextlib.contextmanager
def libvirt_dbus(home, env=None, user=None):
    """The address of a private bus with libvirt-dbus on it."""
    directory = home / "peer"
    directory.mkdir()
    private = buses.start("dbus-daemon", directory)
    process = None
    try:
        process = spawn([PEER, "--session"], home, user=user,
                        env={"XDG_RUNTIME_DIR": str(directory), **(env or {}),
                             "DBUS_SESSION_BUS_ADDRESS": private.address})
        with Client(private.address) as client:
            wait_until(lambda: client.has_owner("org.libvirt") or process.poll() is not None, 10 * PATIENCE,
                       "libvirt-dbus")
        yield private.address
    finally:
        if process:
            end(process)
        private.stop()


def agreed(label, mine, theirs, different):
    for start, (part, _) in different.items():
        if label.startswith(start):
            return mine != theirs and part in str(mine)
    return mine == theirs


def compare(theirs, mine, different):
    """Two results of perform() are the same but for the intended differences, each of which must be seen.
    Returns how many calls there were, and how many of them succeeded."""
    (their_results, their_signals), (results, signals) = theirs, mine
    labels = [label for label, _ in results]
    assert labels == [label for label, _ in their_results]
    assert all(any(label.startswith(start) for label in labels) for start in different), "no such call"
    wrong = [f"{label}:\n    ours   {str(one)[:400]}\n    theirs {str(other)[:400]}"
             for (label, one), (_, other) in zip(results, their_results)
             if not agreed(label, one, other, different)]
    assert not wrong, "\n" + "\n".join(wrong)
    assert NULL not in str(signals)
    assert signals == [(*one, tuple("" if value == NULL else value for value in body))
                       for *one, body in their_signals]
    return len(results), sum(1 for _, outcome in results if outcome[0] == "value")


@pytest.fixture
def perform_both(home, one_bus, run_service):
    """perform_both(script): what libvirt-dbus and what guestbusd make of it; see perform()."""
    run_service(one_bus)

    def both(script):
        with libvirt_dbus(home) as address:
            theirs = perform(address, script)
        return theirs, perform(one_bus.address, script)
    return both


@needs_peer
def test_the_life_of_a_guest(perform_both):
    theirs, mine = perform_both(SCRIPT)
    calls, succeeded = compare(theirs, mine, DIFFERENT)
    assert calls >= 80 and succeeded >= 55
    assert len(mine[1]) >= 10
