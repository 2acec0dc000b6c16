# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system denies the service: room on the disk, a log that is read, descriptors, memory."""

import array
import contextlib
import fcntl
import os
import resource
import socket
import time

import pytest
from jeepney.io.blocking import open_dbus_connection

from support.client import CONNECT, DOMAIN, Client, DBusError, body_of
from support.hosts.native import GUEST, TEST, epoch, state
from support.process import LEAST, PATIENCE, SANITIZED, status, wait_until
from support.service import FAULTS, wait_connected

WITHIN = 30 * PATIENCE
KIB, MIB = 1 << 10, 1 << 20
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
LOG_CONTROL = ("/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel", "s")
XML = "<domain type='test'><name>{}</name><memory>1024</memory><os><type>hvm</type></os></domain>"


def use(client):
    """A bit of everything: calls, errors, changes, properties, events."""
    path = client.connect("DomainDefineXML", "s", XML.format("one"))
    client.domain(path, "Create", "u", 0)
    assert client.domain(path, "GetState", "u", 0)[0] == 1
    client.error(TEST, CONNECT, "DomainDefineXML", "s", ("<domain/>",))
    client.set(path, DOMAIN, "Autostart", "b", False)
    client.domain(path, "Destroy", "u", 0)
    client.domain(path, "Undefine", "u", 0)
    client.call("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    assert client.get(TEST, "org.guestbus.Connection1", "Sequence")[1] > 0


def shell(line):
    """wrap= for a service that a line of shell is run before."""
    return lambda argv: ["sh", "-c", f'{line}exec "$@"', "sh", *argv]


# Disk and log

def test_a_full_disk(one_bus, run_service, connect, home):
    """It writes to no file but its log and the one that remembers the numbers of events, and both may fail:
    what would write to another is ended here (a limit of 0 bytes), and the log has no room."""
    empty = home / "empty"
    empty.mkdir()
    places = {name: str(empty) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
                                            "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    service = run_service(one_bus, env=places, wrap=shell("ulimit -f 0; exec >/dev/full 2>&1; "))
    client = connect(one_bus)
    wait_connected(client)
    for _ in range(20):
        use(client)
    assert not list(empty.iterdir())
    assert [(file.name, file.stat().st_size) for file in service.state.iterdir()] == [("last-number.new", 0)]
    service.stop()


@contextlib.contextmanager
def logging_to_a_pipe():
    """(wrap, reader): the least room that a pipe can have."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    try:
        yield shell(f"exec 2>/proc/{os.getpid()}/fd/{writer}; "), reader
    finally:
        os.close(reader)
        os.close(writer)


def test_a_log_that_nobody_reads(one_bus, run_service, connect):
    """Lines are lost; the service does not wait for who is to read them."""
    with logging_to_a_pipe() as (wrap, reader):
        service = run_service(one_bus, wrap=wrap)
        client = connect(one_bus)
        wait_connected(client)
        for turn in range(200):  # each makes a line
            client.set(*LOG_CONTROL, "debug" if turn % 2 else "info")
        use(client)
        assert len(os.read(reader, 1 << 16)) <= 4096
        client.set(*LOG_CONTROL, "debug")
        assert b"logging up to level debug" in os.read(reader, 1 << 16)
        service.stop()


def test_a_log_whose_reader_has_gone(one_bus, run_service, connect):
    with logging_to_a_pipe() as (wrap, _):
        service = run_service(one_bus, wrap=wrap)
    client = connect(one_bus)
    wait_connected(client)
    client.set(*LOG_CONTROL, "info")
    use(client)
    service.stop()


# Descriptors

def allow(service, what, soft):
    """Sets a limit of the running service."""
    resource.prlimit(service.pid, what, (soft, resource.prlimit(service.pid, what)[1]))


@contextlib.contextmanager
def no_descriptors(service):
    """Nothing can be opened."""
    before, _ = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    allow(service, resource.RLIMIT_NOFILE, 3)
    try:
        yield
    finally:
        allow(service, resource.RLIMIT_NOFILE, before)


def test_no_descriptors_left(one_bus, libvirtd, run_service, connect, capsys):
    """What is open works on; a connection that is lost is tried again until there are some."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri, "Here": "test:///default"})
    client = connect(one_bus)
    wait_connected(client)
    wait_connected(client, "Here")
    with no_descriptors(service):
        for _ in range(20):
            assert connect(one_bus).connect("ListDomains", "u", 0)
        libvirtd.stop()
        libvirtd.start()
        error = client.error(TEST, CONNECT, "ListDomains", "u", (0,))
        assert error.name == "org.libvirt.Error"
        assert client.connect("ListDomains", "u", 0, name="Here")
        wait_until(lambda: "failed to connect" in service.stderr(), WITHIN, "an attempt fails")
    began = time.monotonic()
    wait_until(lambda: state(client) == "connected", WITHIN, "it is back by itself")
    with capsys.disabled():
        print(f"\nback {time.monotonic() - began:.1f} s after there are descriptors")
    assert client.connect("ListDomains", "u", 0)


def error_of(reply):
    """The DBusError that a reply is."""
    with pytest.raises(DBusError) as caught:
        body_of(reply)
    return caught.value


def test_a_start_with_few_descriptors(one_bus, run_service, connect):
    """As many as it takes, and some calls."""
    service = run_service(one_bus, wrap=shell("ulimit -n 32; "))
    client = connect(one_bus)
    wait_connected(client)
    for _ in range(5):
        use(client)
    assert service.descriptors() < 32


class FdClient(Client):
    """A client that may send descriptors."""

    def open(self, address):
        return open_dbus_connection(address, auth_timeout=LEAST, enable_fds=True)

    def send_file(self, path, file):
        """Sends a call that takes that file 16 times; its serial."""
        fds, serial = array.array("i"), next(self.connection.outgoing_serial)
        data = self.message(path, DOMAIN, "CreateWithFiles", "ahu", ([file] * 16, 0)).serialise(serial, fds=fds)
        self.connection.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        return serial


def test_descriptors_beyond_the_limit(bus, libvirtd, run_service, connect):
    """More than there is room for, with calls that have to wait: those that do not fit are refused, before the system
    would cut a message. All others are served, and there is room again when the sender has left."""
    service = run_service(bus, {"Slow": libvirtd.test_uri, "Test": "test:///default"},
                          config="[limits]\nkeepalive-interval=0\n", wrap=shell("ulimit -n 200; "))  # 49 for a call that brings 16
    client = connect(bus)
    wait_connected(client)
    wait_connected(client, "Slow")
    first = epoch(client)
    for _ in range(3):
        libvirtd.pause()
        with FdClient(bus.address) as sender, open(os.devnull, "rb") as null:
            serials = [sender.send_file(GUEST.replace("Test", "Slow"), null) for _ in range(20)]
            # The last is refused, as others before it; the first wait.
            error = error_of(sender.take_reply(serials[-1], WITHIN))
            assert error.name == LIMITS and "descriptors" in error.message
            assert 10 < len(sender.replies) < 19
            assert {error_of(reply).name for reply in sender.replies} == {LIMITS}
            assert client.connect("ListDomains", "u", 0) and sender.connect("ListDomains", "u", 0)
        libvirtd.resume()
        wait_until(lambda: service.descriptors() < 64, WITHIN, "those of who has left are closed")
    assert epoch(client) == first


def test_no_descriptors_for_the_library(bus, run_service, connect):
    """What sd-bus itself opens something for is an error of that call."""
    service = run_service(bus)
    client = connect(bus)
    wait_connected(client)
    with no_descriptors(service):
        error = client.error(TEST, "org.freedesktop.DBus.Peer", "GetMachineId")
        assert "GetMachineId failed" in error.message
        assert client.connect("ListDomains", "u", 0)
    assert client.call(TEST, "org.freedesktop.DBus.Peer", "GetMachineId")


# Memory

needs_memory = pytest.mark.skipif(SANITIZED, reason="a sanitizer reserves all address space")


def address_space(service):
    return status(service.pid, "VmSize") * KIB


@needs_memory
def test_large_requests_and_replies_need_little(one_bus, run_service, connect):
    """What is refused is refused before it is copied: 20 MiB come in again and again, and many large
    replies are asked for, with 128 MiB of room."""
    service = run_service(one_bus, config=f"[limits]\nreply-bytes={MIB}\n")
    client = connect(one_bus)
    wait_connected(client)
    use(client)
    allow(service, resource.RLIMIT_AS, address_space(service) + 128 * MIB)
    for _ in range(3):
        error = client.error(TEST, CONNECT, "DomainDefineXML", "s", ("x" * (20 * MIB),))
        assert error.name.endswith("LimitsExceeded")
    text = "<domain type='test'><name>{}</name><description>" + "x" * (900 * KIB) + \
           "</description><memory>1024</memory><os><type>hvm</type></os></domain>"
    path = client.connect("DomainDefineXML", "s", text.format("big"))
    serials = [client.send(path, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(50)]
    assert len(client.collect(serials, WITHIN)) == 50
    use(client)
    service.stop()


@needs_memory
def test_no_memory_left(one_bus, run_service, connect):
    """GLib ends a program that gets none, and so does libvirt: that is for the supervisor, and for
    listeners a new epoch. Nothing hangs, and nobody waits for a reply that never comes."""
    service = run_service(one_bus)
    client = connect(one_bus)
    wait_connected(client)
    first = epoch(client)
    allow(service, resource.RLIMIT_AS, address_space(service) + MIB)
    text = XML.format("n" * (900 * KIB))
    deadline = time.monotonic() + WITHIN
    while not service.ended():
        assert time.monotonic() < deadline, "it goes on"
        with contextlib.suppress(DBusError):  # the caller is told that its reply will never come
            for number in range(50):
                client.call(TEST, CONNECT, "DomainDefineXML", "s", (f"<!--{number}-->" + text,),
                            within=WITHIN)
                client.call(GUEST, DOMAIN, "GetXMLDesc", "u", (0,), within=WITHIN)
    # A supervisor with Restart=on-failure takes all of these for a failure.
    assert service.process.returncode != 0
    assert not FAULTS.search(service.stderr())
    service.process = None
    again = run_service(one_bus)
    wait_connected(client)
    assert epoch(client) != first and not again.ended()
