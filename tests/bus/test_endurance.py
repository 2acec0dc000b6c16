# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many calls and many signals: nothing grows, nothing is lost. GUESTBUS_ENDURANCE is the number of each."""

import os
import threading
import time

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, Client
from support.process import PATIENCE, SANITIZED

NUMBER = int(os.environ.get("GUESTBUS_ENDURANCE", "5000"))
TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
NEW = "<domain type='test'><name>{0}</name><uuid>10000000-0000-4000-8000-{1:012x}</uuid>" \
      "<memory>1024</memory><os><type>hvm</type></os></domain>"
FLAT_KIB = 1024

MIX = [
    (GUEST, DOMAIN, "GetState", "u", (0,)),
    (GUEST, DOMAIN, "GetXMLDesc", "u", (0,)),
    (GUEST, DOMAIN, "GetStats", "uu", (0, 0)),
    (GUEST, DOMAIN, "GetXMLDesc", "u", (1 << 30,)),
    (GUEST, DOMAIN, "AttachDevice", "su", ("<disk/>", 0)),
    (GUEST, DOMAIN, "SetMemory", "tu", (1048576, 1)),
    (GUEST, DOMAIN, "GetState", "s", ("wrong",)),
    (GUEST, DOMAIN, "Nonsense", "", ()),
    (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Active")),
    (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Nonsense")),
    (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", True))),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Name", ("s", "x"))),
    (GUEST, INTROSPECTABLE, "Introspect", "", ()),
    (TEST, INTROSPECTABLE, "Introspect", "", ()),
    (f"{TEST}/domain", INTROSPECTABLE, "Introspect", "", ()),
    (f"{TEST}/domain/none", INTROSPECTABLE, "Introspect", "", ()),
    (f"{TEST}/domain/_aaaaaaaa_bbbb_cccc_dddd_0123456789ab", DOMAIN, "GetState", "u", (0,)),
    (TEST, PROPERTIES, "GetAll", "s", (CONNECT,)),
    (TEST, PROPERTIES, "Get", "ss", (CONNECT, "Version")),
    (TEST, CONNECT, "ListDomains", "u", (0,)),
    (TEST, CONNECT, "DomainLookupByName", "s", ("test",)),
    (TEST, CONNECT, "DomainLookupByName", "s", ("none",)),
    (TEST, CONNECT, "DomainLookupByUUID", "s", ("6695eb01-f6a4-8304-79aa-97f2502e193f",)),
    (TEST, CONNECT, "DomainLookupByID", "i", (1,)),
    (TEST, CONNECT, "DomainDefineXML", "s", ("<domain/>",)),
    (TEST, CONNECT, "GetCapabilities", "", ()),
]
# The events that are kept for GetEvents are memory that grows, up to a limit: one that is met early here.
FEW = "[limits]\nevents-kept=64\n"


class Rest:
    """Memory and descriptors at the first quarter and at the end."""

    def __init__(self, service):
        self.service = service
        self.early = None

    def note(self):
        self.early = (self.service.rss(), self.service.descriptors())

    def check(self):
        rss, descriptors = self.service.rss(), self.service.descriptors()
        assert descriptors <= self.early[1] + 2, f"descriptors {self.early[1]} -> {descriptors}"
        if not SANITIZED:
            assert rss <= self.early[0] + FLAT_KIB, f"RSS {self.early[0]} -> {rss} KiB"
        return f"RSS {self.early[0]} -> {rss} KiB, descriptors {self.early[1]} -> {descriptors}"


def test_mixed_calls(one_bus, run_service, connect, capsys):
    service = run_service(one_bus, config=FEW)
    client = connect(one_bus)
    rest = Rest(service)
    began = time.monotonic()
    sent = 0
    while sent < NUMBER:
        serials = [client.send(*MIX[index % len(MIX)]) for index in range(sent, min(sent + 270, NUMBER))]
        assert len(client.collect(serials, 60 * PATIENCE)) == len(serials)
        sent += len(serials)
        if rest.early is None and sent >= NUMBER / 4:
            rest.note()
    with capsys.disabled():
        print(f"\n{NUMBER} calls in {time.monotonic() - began:.1f} s, {rest.check()}")


def test_signals(one_bus, run_service, connect, capsys):
    """Each Suspend and each Resume is one signal; a listener counts them all, in order."""
    service = run_service(one_bus, config=FEW)
    client = connect(one_bus)
    events = []
    failure = []

    def listen():
        try:
            with Client(one_bus.address) as listener:
                listener.match("type='signal',interface='org.libvirt.Connect'")
                ready.set()
                while len(events) < NUMBER:
                    listener.receive(60 * PATIENCE)
                    events.extend(s.body[1] for s in listener.signals if s.member == "DomainEvent")
                    listener.signals.clear()
        except Exception as error:  # the thread's failure is the test's
            failure.append(error)
            ready.set()
    ready = threading.Event()
    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(60 * PATIENCE)
    rest = Rest(service)
    began = time.monotonic()
    for start in range(0, NUMBER, 200):
        serials = [client.send(GUEST, DOMAIN, "Suspend" if index % 2 == 0 else "Resume")
                   for index in range(start, min(start + 200, NUMBER))]
        client.collect(serials, 60 * PATIENCE)
        if rest.early is None and start >= NUMBER / 4:
            rest.note()
    thread.join(120 * PATIENCE)
    assert not thread.is_alive() and not failure, f"{len(events)} of {NUMBER} signals; {failure}"
    assert events == [3 if index % 2 == 0 else 4 for index in range(NUMBER)]
    with capsys.disabled():
        print(f"\n{NUMBER} signals in {time.monotonic() - began:.1f} s, {rest.check()}")


def test_domains_that_come_and_go(one_bus, run_service, connect):
    """Names and UUIDs that were never seen before: what is remembered of each must go with it."""
    service = run_service(one_bus, config=FEW)
    client = connect(one_bus)
    rest = Rest(service)
    number = max(NUMBER // 10, 400)
    for index in range(number):
        path = client.connect("DomainDefineXML", "s", NEW.format(f"n{index}", index))
        client.domain(path, "Create", "u", 0)
        client.domain(path, "Destroy", "u", 0)
        client.domain(path, "Undefine", "u", 0)
        if index == number // 4:
            rest.note()
    rest.check()


def test_callers_that_come_and_go(one_bus, run_service):
    """What is remembered of a caller must go with it."""
    service = run_service(one_bus, config=FEW)
    rest = Rest(service)
    number = max(NUMBER // 20, 200)
    for index in range(number):
        with Client(one_bus.address) as caller:
            caller.domain(GUEST, "GetState", "u", 0)
            caller.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,))
        if index == number // 4:
            rest.note()
    rest.check()
