# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session of the daemon under valgrind, which tools/sanitize runs: some 200 calls, and the events that they
make. valgrind ends it with an exit status of its own after an error or a leak."""

import os
import pathlib

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, Client
from support.process import wait_until
from support.service import Service, wait_connected

HERE = pathlib.Path(__file__).resolve().parent
TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
NEW = "<domain type='test'><name>new{0}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
OURS = "org.guestbus"
ROUNDS = 6
# Everything takes some thirty times as long.
SLOW = 120.0

CALLS = [
    (GUEST, DOMAIN, "GetState", "u", (0,)),
    (GUEST, DOMAIN, "GetXMLDesc", "u", (0,)),
    (GUEST, DOMAIN, "GetStats", "uu", (0, 0)),
    (GUEST, DOMAIN, "SetMemory", "tu", (1048576, 1)),
    (GUEST, DOMAIN, "GetState", "s", ("wrong",)),
    (GUEST, DOMAIN, "Nonsense", "", ()),
    (GUEST, DOMAIN, "SetSchedulerParameters", "a{sv}u", ({"weight": ("u", 50)}, 0)),
    (GUEST, DOMAIN, "GetSchedulerParameters", "u", (0,)),
    (GUEST, DOMAIN, "SendKey", "uuauu", (0, 10, [30, 31], 0)),
    (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Active")),
    (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)),
    (GUEST, PROPERTIES, "GetAll", "s", (f"{OURS}.Domain1",)),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", True))),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Name", ("s", "x"))),
    (GUEST, f"{OURS}.Domain1", "WaitForState", "asua{sv}", (["running"], 1000, {})),
    (GUEST, f"{OURS}.Domain1", "WaitForState", "asua{sv}", (["crashed"], 10, {"settle": ("u", 1)})),
    (GUEST, INTROSPECTABLE, "Introspect", "", ()),
    (TEST, INTROSPECTABLE, "Introspect", "", ()),
    (f"{TEST}/nodedev", INTROSPECTABLE, "Introspect", "", ()),
    (f"{TEST}/domain/none", INTROSPECTABLE, "Introspect", "", ()),
    (TEST, PROPERTIES, "GetAll", "s", (CONNECT,)),
    (TEST, PROPERTIES, "GetAll", "s", (f"{OURS}.Connection1",)),
    (TEST, CONNECT, "ListDomains", "u", (0,)),
    (TEST, CONNECT, "ListNetworks", "u", (0,)),
    (TEST, CONNECT, "DomainLookupByName", "s", ("none",)),
    (TEST, CONNECT, "DomainDefineXML", "s", ("<domain/>",)),
    (TEST, CONNECT, "GetAllDomainStats", "uu", (0, 0)),
    (TEST, CONNECT, "NodeGetCPUMap", "u", (0,)),
    (TEST, f"{OURS}.Connection1", "Resync", "", ()),
    (TEST, f"{OURS}.Connection1", "GetEvents", "stu", ("wrong", 0, 0)),
    ("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", ()),
    ("/org/libvirt", PROPERTIES, "GetAll", "s", (f"{OURS}.Manager1",)),
]


def valgrind(argv):
    return ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--num-callers=40",
            f"--suppressions={HERE}/valgrind.supp", *argv]


def life_of_a_guest(client, number):
    """Six events and more, each of them told three times: by libvirt-dbus's signal, ours, and properties."""
    guest, = client.call(TEST, CONNECT, "DomainDefineXML", "s", (NEW.format(number),), within=SLOW)
    for member, signature, args in (("Create", "u", (0,)), ("Suspend", "", ()), ("Resume", "", ()),
                                    ("Reboot", "u", (0,)), ("Destroy", "u", (0,)), ("Undefine", "u", (0,))):
        client.call(guest, DOMAIN, member, signature, args, within=SLOW)


def leave_in_the_middle(bus):
    with Client(bus.address) as client:
        for call in CALLS:
            client.send(*call)


def test_session(one_bus, home):
    service = Service(one_bus, home, wrap=valgrind, env={**os.environ, "G_SLICE": "always-malloc"})
    try:
        service.spawn()
        with Client(one_bus.address) as client:
            wait_until(lambda: service.ended() or service.ready(client, "org.guestbus1"), SLOW,
                       service.stderr)
            wait_connected(client, within=SLOW)
            client.match()
            for number in range(ROUNDS):
                life_of_a_guest(client, number)
                client.collect([client.send(*call) for call in CALLS], within=SLOW)
                leave_in_the_middle(one_bus)
            client.wait_signal("Event", within=SLOW)
            counters = client.get(TEST, f"{OURS}.Connection1", "Counters")
            assert counters[1]["events"] >= 6 * ROUNDS
        service.stop(within=SLOW)
    finally:
        service.abandon()
