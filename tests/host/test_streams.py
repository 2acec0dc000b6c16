# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams of a real libvirtd: volumes up and down, pictures of a guest, its serial port and a channel, through files,
pipes and sockets, with readers that sleep or leave, callers that leave, and libvirtds that end or hang."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import signal
import socket
import threading

import libvirt
import pytest

from support.client import DBusError, body_of
from support.hosts import bus as buses
from support.hosts import host
from support.hosts.guests import (  # noqa: F401 -- stage is a fixture
    VOLUME, Stage, noted, object_path, outcome, stage)
from support.process import PATIENCE, own_directory, wait_until
from support.programs.fd_client import FdClient
from support.service import Service, wait_connected

MIB = 1 << 20
WITHIN = 60 * PATIENCE
DOMAIN = "org.libvirt.Domain"
NAME = "org.freedesktop.DBus.Error."
SPARSE = 1
# More than pipe, socket, libvirt's client and libvirtd keep of what is not read.
LARGE = 32 * MIB
VIDEO = "<graphics type='vnc'><listen type='none'/></graphics><video><model type='vga' vram='8192'/></video>"


def volume_path(key):
    return "/org/libvirt/QEMU/storagevol/" + "".join(
        one if one.isascii() and one.isalnum() else f"_{ord(one):02x}" for one in key)


class Pool:
    """A pool with volumes, and a client that may send descriptors."""

    def __init__(self, libvirtd, plain):
        target = libvirtd.directory("streams")
        self.plain = plain.storagePoolCreateXML(
            f"<pool type='dir'><name>streams</name><target><path>{target}</path></target></pool>")
        self.made = 0

    def volume(self, content=b"", capacity=None):
        """A raw volume with that content; (its path on the bus, its file)."""
        self.made += 1
        plain = self.plain.createXML(f"<volume><name>v{self.made}</name><allocation>0</allocation>"
                                     f"<capacity>{capacity or len(content)}</capacity></volume>")
        file = pathlib.Path(plain.path())
        if content:
            file.write_bytes(content)
        return volume_path(plain.key()), file

    def close(self):
        for one in self.plain.listAllVolumes():
            one.delete()
        self.plain.destroy()


@pytest.fixture(scope="module")
def pool(stage):  # noqa: F811
    one = Pool(stage.libvirtd, stage.plain)
    yield one
    one.close()


@pytest.fixture
def client(stage):  # noqa: F811
    with FdClient(stage.bus.address) as one:
        yield one


def begin(client, path, member, fd, *args, interface=VOLUME):
    signature = "huu" if member == "Screenshot" else "httu"
    return client.send_with([], path, interface, member, signature, (fd, *args))


def finish(client, serial, member, interface=VOLUME):
    return noted(interface, member, body_of, client.take_reply(serial, WITHIN))


def move(client, path, member, fd, *args, interface=VOLUME):
    """The whole call: the reply's body."""
    return finish(client, begin(client, path, member, fd, *args, interface=interface), member, interface)


def refused(client, *args, **kwargs):
    with pytest.raises(DBusError) as caught:
        move(client, *args, **kwargs)
    return caught.value


def noise(size):
    """Bytes that compress badly and are the same each time."""
    block = hashlib.sha512(b"streams").digest() * 64
    return (block * (size // len(block) + 1))[:size]


class Reader(threading.Thread):
    """Reads all that comes, beside the test."""

    def __init__(self, fd):
        super().__init__()
        self.fd, self.digest, self.size = fd, hashlib.sha256(), 0
        self.start()

    def run(self):
        while data := os.read(self.fd, MIB):
            self.digest.update(data)
            self.size += len(data)
        os.close(self.fd)


class Writer(threading.Thread):
    """Writes all, beside the test, as far as somebody reads."""

    def __init__(self, fd, content):
        super().__init__()
        self.fd, self.content = fd, content
        self.start()

    def run(self):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError), open(self.fd, "wb") as file:
            file.write(self.content)


def pair(kind):
    """(reading, writing) ends of a pipe, or of a socket."""
    if kind == "pipe":
        return os.pipe()
    one, other = socket.socketpair()
    return one.detach(), other.detach()


@contextlib.contextmanager
def all_ends(stage):  # noqa: F811
    """What is opened inside is closed afterwards: libvirtd has the clients that it had."""
    before = stage.libvirtd.clients()
    yield
    wait_until(lambda: stage.libvirtd.clients() <= before, WITHIN,
               lambda: f"{stage.libvirtd.clients()} clients become {before}")


# Whole transfers

@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_down_and_up(stage, pool, client, kind):  # noqa: F811
    content = noise(3 * MIB + 17)
    source, _ = pool.volume(content)
    target, file = pool.volume(capacity=len(content))
    with all_ends(stage):
        reading, writing = pair(kind)
        reader = Reader(reading)
        serial = begin(client, source, "Download", writing, 0, 0, 0)
        os.close(writing)
        assert finish(client, serial, "Download") == ()
        reader.join()
        assert (reader.size, reader.digest.digest()) == (len(content), hashlib.sha256(content).digest())

        reading, writing = pair(kind)
        writer = Writer(writing, content)
        serial = begin(client, target, "Upload", reading, 0, 0, 0)
        os.close(reading)
        assert finish(client, serial, "Upload") == ()
        writer.join()
        assert file.read_bytes() == content


def test_parts(pool, client, tmp_path):
    """An offset, a length, and a file that is not at its beginning."""
    content = noise(MIB)
    source, _ = pool.volume(content)
    target, file = pool.volume(bytes(MIB))
    with (tmp_path / "part").open("w+b", buffering=0) as part:
        part.write(b"before")
        move(client, source, "Download", part.fileno(), 1000, 5000, 0)
        part.seek(0)
        assert part.read() == b"before" + content[1000:6000]
        part.seek(6)
        move(client, target, "Upload", part.fileno(), 300, 4000, 0)
        assert part.tell() == 4006
    assert file.read_bytes() == bytes(300) + content[1000:5000] + bytes(MIB - 4300)


def test_holes(pool, client, tmp_path):
    """They are holes on the other side, also where there was something before."""
    content = noise(MIB) + bytes(6 * MIB) + noise(MIB) + bytes(4 * MIB)
    source, file = pool.volume(capacity=len(content))
    with file.open("r+b") as disk:
        for start in (0, 7 * MIB):
            disk.seek(start)
            disk.write(noise(MIB))
    copy = tmp_path / "copy"
    copy.write_bytes(b"x" * 10 * MIB)
    with copy.open("r+b", buffering=0) as written:
        move(client, source, "Download", written.fileno(), 0, 0, SPARSE)
    assert copy.read_bytes() == content
    assert copy.stat().st_blocks * 512 < 4 * MIB
    target, again = pool.volume(capacity=len(content))
    with copy.open("rb", buffering=0) as read:
        move(client, target, "Upload", read.fileno(), 0, 0, SPARSE)
    assert again.read_bytes() == content
    assert again.stat().st_blocks * 512 < 4 * MIB


def test_pictures(stage, client, tmp_path):  # noqa: F811
    with stage.guest("seen", VIDEO) as guest:
        file = tmp_path / "picture"
        with file.open("w+b", buffering=0) as picture:
            kind, = move(client, guest.path, "Screenshot", picture.fileno(), 0, 0, interface=DOMAIN)
        begins = {"image/png": b"\x89PNG", "image/x-portable-pixmap": b"P6"}
        assert file.read_bytes().startswith(begins[kind])
        error = refused(client, guest.path, "Screenshot", pair("pipe")[1], 7, 0, interface=DOMAIN)
        assert error.name == "org.libvirt.Error"
    error = refused(client, object_path("domain", "1" * 8 + "-1111-1111-1111-" + "1" * 12), "Screenshot",
                    pair("pipe")[1], 0, 0, interface=DOMAIN)
    assert "Domain not found" in error.message


# Consoles

# Boot sectors that write to the first serial port: "R", and then each byte that comes from there; or "A" for ever.
ECHO = bytes.fromhex("fa b0 52 ba f8 03 ee ba fd 03 ec a8 01 74 fb ba f8 03 ec ee eb f1")
FLOOD = bytes.fromhex("fa ba fd 03 ec a8 20 74 fb ba f8 03 b0 41 ee eb f0")
SERIAL = """<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console>
<channel type='unix'><target type='virtio' name='org.example.0'/></channel>
<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/><target dev='hda' bus='ide'/></disk>"""


@contextlib.contextmanager
def booted(stage, name, code):  # noqa: F811
    """A guest that runs that boot sector."""
    file = pathlib.Path(stage.image(f"{name}.raw", "64K", "raw"))
    with file.open("r+b") as disk:
        disk.write(code.ljust(510, b"\0") + b"\x55\xaa")
    with stage.guest(name, SERIAL.format(file)) as guest:
        yield guest


def opened(client, guest, member="OpenConsole", name="", flags=0):
    """The socket of a console or channel."""
    serial = client.send_with([], guest.path, DOMAIN, member, "su", (name, flags))
    handle, = noted(DOMAIN, member, body_of, client.take_reply(serial, WITHIN))
    return handle.to_socket()


def read_until(one, wanted):
    """What comes up to the byte that is wanted."""
    one.settimeout(WITHIN)
    data = b""
    while not data.endswith(wanted):
        piece = one.recv(1)
        assert piece, f"the end after {data}"
        data += piece
    return data


def at_end(one):
    """Whether nothing but the end comes."""
    one.settimeout(WITHIN)
    while one.recv(MIB):
        continue
    return True


@pytest.fixture(scope="module")
def echo(stage):  # noqa: F811
    with booted(stage, "echo", ECHO) as guest:
        yield guest


def said_back(one, text):
    one.sendall(text)
    return read_until(one, text[-1:])


def test_a_conversation(stage, client, echo):  # noqa: F811
    """The guest echoes what is typed, once it has begun."""
    with all_ends(stage), opened(client, echo) as one:
        def answers():
            one.sendall(b"?")
            one.settimeout(0.2 * PATIENCE)
            with contextlib.suppress(TimeoutError):
                return b"?" in one.recv(MIB)
            return False
        wait_until(answers, WITHIN, "the guest echoes")
        assert said_back(one, b"no newline!").lstrip(b"?R") == b"no newline!"
        # A second one is refused, and takes it from the first when it says so.
        serial = client.send_with([], echo.path, DOMAIN, "OpenConsole", "su", ("", 0))
        assert ("error", *client.take_reply(serial, WITHIN).body) == \
            outcome(echo.plain.openConsole, None, stage.plain.newStream(), 0)
        with opened(client, echo, flags=1) as two:
            assert at_end(one)
            assert said_back(two, b"once more.").endswith(b"once more.")


def test_it_outlives_its_caller(stage, echo):  # noqa: F811
    with all_ends(stage):
        with FdClient(stage.bus.address) as client:
            one = opened(client, echo, name="serial0")
        with one:
            assert said_back(one, b"still here;").endswith(b"still here;")


def test_half_of_it_closed(stage, client, echo):  # noqa: F811
    """Its end is the end, of whichever side; what was typed before arrives."""
    with all_ends(stage), opened(client, echo) as one:
        one.sendall(b"bye")
        one.shutdown(socket.SHUT_WR)
        assert at_end(one)


def test_names_of_devices(stage, client, echo):  # noqa: F811
    for member, function in [("OpenConsole", echo.plain.openConsole), ("OpenChannel", echo.plain.openChannel)]:
        serial = client.send_with([], echo.path, DOMAIN, member, "su", ("none", 0))
        assert ("error", *client.take_reply(serial, WITHIN).body) == \
            outcome(function, "none", stage.plain.newStream(), 0)


def test_the_end_of_a_guest(stage, client):  # noqa: F811
    with all_ends(stage), booted(stage, "ended", ECHO) as guest:
        with opened(client, guest) as console, opened(client, guest, "OpenChannel", "org.example.0") as channel:
            channel.sendall(b"to nobody")
            guest.plain.destroy()
            assert at_end(console) and at_end(channel)


def test_a_guest_that_floods(stage, client):  # noqa: F811
    """A reader that sleeps: the guest waits, and nothing grows."""
    with all_ends(stage), booted(stage, "flood", FLOOD) as guest, opened(client, guest) as one:
        read_until(one, b"AAAA")
        before = stage.service.rss()
        for _ in range(100):
            assert client.call("/org/libvirt/QEMU", "org.libvirt.Connect", "ListDomains", "u", (0,))
        assert stage.service.rss() < before + 16 * 1024
        size = 0
        while size < MIB // 4:
            size += len(one.recv(MIB))


# Descriptors

def test_descriptors_that_do_not_do(stage, pool, client, tmp_path):  # noqa: F811
    volume, _ = pool.volume(noise(4096))
    reading, writing = os.pipe()
    datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    appended = os.open(tmp_path / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    path = os.open(tmp_path, os.O_PATH)
    before = stage.libvirtd.clients()
    for member, fd, flags, why in [
            ("Download", reading, 0, "is not open for writing"), ("Upload", writing, 0, "is not open for reading"),
            ("Download", datagrams[0].fileno(), 0, "is neither a file nor a pipe nor a stream socket"),
            ("Download", path, 0, "is neither a file nor a pipe nor a stream socket"),
            ("Download", writing, SPARSE, "is no file, and cannot have holes"),
            ("Download", appended, SPARSE, "is open for appending, and cannot get holes")]:
        error = refused(client, volume, member, fd, 0, 0, flags)
        assert (error.name, error.message) == (NAME + "InvalidArgs", f"the descriptor {why}")
    assert stage.libvirtd.clients() <= before
    for fd in (reading, writing, appended, path):
        os.close(fd)


def test_flags_stay(pool, client):
    """A pipe that blocks blocks, and one that does not does not, during the transfer and afterwards."""
    volume, _ = pool.volume(noise(MIB))
    for flags in (0, os.O_NONBLOCK):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETFL, flags)
        before = fcntl.fcntl(writing, fcntl.F_GETFL)
        serial = begin(client, volume, "Download", writing, 0, 0, 0)
        os.read(reading, 1)
        assert fcntl.fcntl(writing, fcntl.F_GETFL) == before
        reader = Reader(reading)
        finish(client, serial, "Download")
        assert fcntl.fcntl(writing, fcntl.F_GETFL) == before
        os.close(writing)
        reader.join()


# Ends before the end

@contextlib.contextmanager
def held_up(client, pool):
    """(serial, reading end) of a transfer that waits for its reader."""
    volume, _ = pool.volume(noise(LARGE))
    reading, writing = os.pipe()
    serial = begin(client, volume, "Download", writing, 0, 0, 0)
    os.close(writing)
    with open(reading, "rb", buffering=0) as file:
        file.read(1)
        yield serial, file


def test_a_reader_that_sleeps(stage, pool, client):  # noqa: F811
    """The service and libvirtd wait, and keep nothing; all other calls go on."""
    with all_ends(stage), held_up(client, pool) as (serial, file):
        size = stage.service.rss()
        for _ in range(200):
            assert client.call("/org/libvirt/QEMU", "org.libvirt.Connect", "ListDomains", "u", (0,))
        assert stage.service.rss() < size + 16 * 1024
        reader = Reader(os.dup(file.fileno()))
        finish(client, serial, "Download")
        reader.join()
        assert reader.size == LARGE - 1


def test_a_reader_that_leaves(stage, pool, client):  # noqa: F811
    with all_ends(stage), held_up(client, pool) as (serial, file):
        file.close()
        with pytest.raises(DBusError) as caught:
            finish(client, serial, "Download")
    assert caught.value.name == NAME + "IOError"
    assert caught.value.message == "failed to write to the descriptor: Broken pipe"


def test_a_caller_that_leaves(stage, pool):  # noqa: F811
    with all_ends(stage):
        with FdClient(stage.bus.address) as client, held_up(client, pool) as (_, file):
            client.close()
            while file.read(MIB):
                continue


def test_libvirtd_hangs_and_the_caller_leaves(stage, pool):  # noqa: F811
    with all_ends(stage):
        with FdClient(stage.bus.address) as client, held_up(client, pool) as (_, file):
            stage.libvirtd.pause()
            try:
                client.close()
                while file.read(MIB):
                    continue
            finally:
                stage.libvirtd.resume()


def failure_after(end, libvirtd, **options):
    """The error of a copy whose libvirtd ends like that meanwhile; libvirtd is one of its own."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(own_directory())
        bus = buses.start("dbus-daemon", home)
        stack.callback(bus.stop)
        one = host.Libvirtd(home, libvirtd)
        stack.callback(one.finish)
        one.start()
        service = Service(bus, home, {"QEMU": one.uri}, **options)
        stack.callback(service.abandon)
        service.start()
        client = stack.enter_context(FdClient(bus.address))
        wait_connected(client, "QEMU", WITHIN)
        plain = libvirt.open(one.uri)
        stack.callback(plain.close)
        # Which waits for libvirtd.
        stack.callback(lambda: one.process and one.resume())
        serial, file = stack.enter_context(held_up(client, Pool(one, plain)))
        end(one)
        reader = Reader(os.dup(file.fileno()))
        with pytest.raises(DBusError) as caught:
            finish(client, serial, "Download")
        reader.join()
        assert caught.value.name == "org.libvirt.Error"
        return caught.value.message, one.uri


def test_libvirtd_is_killed(libvirt_cache):
    message, uri = failure_after(lambda one: one.stop(signal.SIGKILL), libvirt_cache)
    assert message.startswith(f"connection to {uri} was lost: ")


def test_libvirtd_is_killed_under_a_console(libvirt_cache):
    """One of its own: the others' plain client would lose its connection."""
    with contextlib.ExitStack() as stack:
        stage = Stage(libvirt_cache)  # noqa: F811
        stack.callback(stage.close)
        client = stack.enter_context(FdClient(stage.bus.address))
        guest = stack.enter_context(booted(stage, "flood", FLOOD))
        one = stack.enter_context(opened(client, guest))
        read_until(one, b"AAAA")
        stage.libvirtd.stop(signal.SIGKILL)
        assert at_end(one)


def test_libvirtd_hangs(libvirt_cache):
    """The connection that has keep-alive finds it."""
    message, uri = failure_after(host.Libvirtd.pause, libvirt_cache,
                                 config="[limits]\nkeepalive-interval=1\nkeepalive-count=2\n")
    assert message == f"connection to {uri} was lost"
