# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moments of a reconnect that no test hits by chance: made to last by a library that stands before libvirt's
and the C library's functions, or by a socket in libvirtd's place that lets connections in when told to."""

import queue
import signal
import socket
import time
import uuid

import pytest

from support.client import CONNECT, INTROSPECTABLE, DBusError, body_of
from support.hosts.bus import answers
from support.hosts.native import state
from support.hosts.sockets import Server, hang_up
from support.process import PATIENCE, wait_until
from support.service import wait_connected

TEST = "/org/libvirt/Test"
XML = "<domain type='test'><name>{}</name><memory>1024</memory><os><type>hvm</type></os></domain>"


class Gate(Server):
    """A socket that leads to libvirtd's. While it is shut, connections are taken and wait for decide()."""

    def __init__(self, home, target):
        super().__init__(home / "gate")
        self.target = target
        self.shut = False
        self.held = []
        self.refused = 0
        self.sockets = []
        self.run(self.accept)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            self.run(self.lead, client)

    def lead(self, client):
        if self.shut:
            verdict = queue.SimpleQueue()
            self.held.append(verdict)
            if not verdict.get():
                hang_up(client)
                return
        server = socket.socket(socket.AF_UNIX)
        self.sockets.append(server)
        try:
            server.connect(self.target)
        except OSError:
            self.refused += 1
            hang_up(client)
            return
        self.run(self.pump, client, server)
        self.pump(server, client)

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        hang_up(source)
        hang_up(sink)

    def decide(self, index, admit):
        """Lets a connection that waits through, or ends it."""
        self.held[index].put(admit)

    def close(self):
        self.shut = False
        for verdict in self.held:
            verdict.put(False)
        hang_up(self.listener)
        for one in list(self.sockets):
            hang_up(one)
        for thread in list(self.threads):
            thread.join(10)
        for one in [self.listener, *self.sockets]:
            one.close()


@pytest.fixture
def gate(home, libvirtd):
    gate = Gate(home, libvirtd.socket)
    yield gate
    gate.close()


@pytest.mark.parametrize("number", [1, 2], ids=["events", "calls"])
def test_a_connection_that_ends_while_it_is_opened(one_bus, libvirtd, run_service, connect, preload, number):
    """libvirtd dies when virConnectOpen has returned and nobody has asked yet to be told: the connection is
    not taken for one that lives."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, env=preload("end_while_opened", NTH=str(number)))
    wait_until(lambda: "waiting for the end" in service.stderr(), 20 * PATIENCE, service.stderr)
    libvirtd.stop(signal.SIGKILL)
    libvirtd.start()
    client = connect(one_bus)
    listener = connect(one_bus).match()
    wait_connected(client, within=20 * PATIENCE)
    wait_until(lambda: state(client) == "connected", 20 * PATIENCE, "events flow, too")
    client.connect("DomainDefineXML", "s", XML.format("back"))
    listener.wait_signal("DomainEvent", 10 * PATIENCE)


@pytest.mark.parametrize("first", [True, False], ids=["first-refused", "second-refused"])
def test_calls_during_a_reconnect_wait_for_it(one_bus, gate, libvirtd, run_service, connect, first):
    """Events and calls have a connection each, and each of the two is tried again at its own times. While one
    is under way, what became of the other's last attempt is no answer to a call."""
    run_service(one_bus, {"Test": f"test+unix:///default?socket={gate.path}"})
    client = connect(one_bus)
    wait_connected(client)
    libvirtd.stop(signal.SIGKILL)
    # After some attempts the next but one is far enough away.
    wait_until(lambda: gate.refused >= 6, 20 * PATIENCE, "attempts fail")
    gate.shut = True
    libvirtd.start()
    wait_until(lambda: len(gate.held) >= 2, 20 * PATIENCE, "two attempts are under way")
    gate.decide(0 if first else 1, False)
    # A failure answers for calls within 100 ms of it. What comes later is a call of its own; the service has to have
    # met the failure until then.
    time.sleep(0.5)
    serial = client.send(TEST, CONNECT, "ListDomains", "u", (0,))
    # Messages of one sender are read in their order: with the answer the call is known to be there.
    client.call(TEST, "org.freedesktop.DBus.Peer", "Ping")
    gate.shut = False
    for index in range(len(gate.held)):
        gate.decide(index, True)
    assert len(body_of(client.take_reply(serial, 20 * PATIENCE))[0]) == 1


def test_a_kernel_out_of_watches(one_bus, libvirtd, run_service, connect, preload):
    """Without a call and without inotify: it looks for itself from time to time."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, env=preload("no_watches"))
    client = connect(one_bus)
    wait_connected(client)
    libvirtd.stop()
    assert not answers(libvirtd.socket)
    wait_until(lambda: "failed to connect" in service.stderr(), 20 * PATIENCE, "an attempt fails")
    libvirtd.start()
    listener = connect(one_bus).match()
    # Defined again and again, so one domain and not one of that name.
    xml = libvirtd.file(XML.format("back").replace("<memory>", f"<uuid>{uuid.uuid4()}</uuid><memory>"))

    def told():
        libvirtd.virsh("define", xml, uri=libvirtd.test_uri)
        return any(one.member == "DomainEvent" for one in listener.drain())
    wait_until(told, 30 * PATIENCE, service.stderr, every=0.2)


def test_a_failure_is_one_line(one_bus, libvirtd, run_service, connect):
    """However many connections to libvirt there are for one hypervisor, and however often they are tried."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_connected(client)
    client.call(TEST, CONNECT, "ListDomains", "u", (0,))
    libvirtd.stop(signal.SIGKILL)  # its socket stays
    with pytest.raises(DBusError):
        wait_until(lambda: client.call(TEST, CONNECT, "ListDomains", "u", (0,)) is None, 20 * PATIENCE,
                   "a call meets it")
    wait_until(lambda: "failed to connect" in service.stderr(), 20 * PATIENCE, "an attempt fails")
    for _ in range(3):
        time.sleep(0.3)  # a failure answers for calls within 100 ms of it
        with pytest.raises(DBusError):
            client.call(TEST, CONNECT, "ListDomains", "u", (0,))
    lines = [line for line in service.lines() if "failed to connect" in line]
    assert len(lines) == len(set(lines)), lines


LEAVES = [
    ("domain", "_aaaaaaaa_bbbb_cccc_dddd_0123456789ab"),
    ("domainsnapshot", "_6695eb01_f6a4_8304_79aa_97f2502e193f_first"),
    ("interface", "aa_3abb_3acc_3add_3aee_3aff"),
    ("network", "_dd8fe884_6c02_601e_7551_cca97df1c5df"),
    ("nodedev", "computer"),
    ("nwfilter", "_dd8fe884_6c02_601e_7551_cca97df1c5df"),
    ("secret", "_dd8fe884_6c02_601e_7551_cca97df1c5df"),
    ("storagepool", "_dfe224cb_28fb_8dd0_c4b2_64eb3f0f4566"),
    ("storagevol", "_2fdefault_2dpool_2f1abc"),
]


def test_what_is_not_known_while_libvirtd_is_away(one_bus, libvirtd, run_service, connect):
    """That nobody can be asked about an object does not mean that it is gone: clients that take UnknownObject
    for "deleted" would forget what is there."""
    run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_connected(client)
    assert CONNECT.replace("Connect", "Network") in client.introspect(f"{TEST}/network/{LEAVES[3][1]}")
    client.introspect(f"{TEST}/domain")  # answered when the first list is complete
    libvirtd.stop(signal.SIGKILL)
    for collection, leaf in LEAVES:
        if collection in ("network", "storagepool"):  # they were seen, and what was seen stays
            client.introspect(f"{TEST}/{collection}/{leaf}")
            continue
        with pytest.raises(DBusError) as caught:
            client.call(f"{TEST}/{collection}/{leaf}", INTROSPECTABLE, "Introspect", within=15 * PATIENCE)
        assert caught.value.name == "org.libvirt.Error" and caught.value.message
    libvirtd.start()
    wait_connected(client, within=20 * PATIENCE)
    error = client.error(f"{TEST}/{LEAVES[0][0]}/{LEAVES[0][1]}", INTROSPECTABLE, "Introspect")
    assert error.name == "org.freedesktop.DBus.Error.UnknownObject"
