# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams of the driver in the service's own process, whose picture of a guest is a file of libvirt's: how many there
are at once, and what ends them. tests/host/test_streams.py has those of a real libvirtd."""

import contextlib
import fcntl
import os
import pathlib

import pytest

from support.client import DBusError, body_of
from support.hosts.native import GUEST
from support.process import PATIENCE, wait_until
from support.programs.fd_client import FdClient
from support.service import wait_connected

DOMAIN = "org.libvirt.Domain"
PICTURE = pathlib.Path("/usr/share/libvirt/test-screenshot.png")
WITHIN = 30 * PATIENCE
MOST = 3
PAGE = 4096

pytestmark = pytest.mark.skipif(not PICTURE.exists(), reason="libvirt's test driver has no picture")


@pytest.fixture
def service(bus, run_service):
    """One that has few streams."""
    return run_service(bus, config=f"[limits]\nstreams={MOST}\n")


@pytest.fixture
def client(service):
    with FdClient(service.bus.address) as one:
        wait_connected(one)
        yield one


def small_pipe():
    """A pipe that takes less than the picture."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PAGE)
    return reading, writing


def begin(client, fd, screen=0):
    return client.send_with([], GUEST, DOMAIN, "Screenshot", "huu", (fd, screen, 0))


def finish(client, serial):
    return body_of(client.take_reply(serial, WITHIN))


class Held:
    """A picture that waits for its reader, who has seen its beginning."""

    def __init__(self, client):
        self.client = client
        reading, writing = small_pipe()
        self.serial = begin(client, writing)
        os.close(writing)
        # pylint: disable-next=consider-using-with -- it is closed where it leaves
        self.file = open(reading, "rb", buffering=0)
        self.first = self.file.read(1)

    def read(self):
        data = self.first
        while more := self.file.read(PAGE):
            data += more
        self.file.close()
        return data


def test_a_picture(client, tmp_path):
    file = tmp_path / "picture"
    with file.open("wb", buffering=0) as picture:
        assert finish(client, begin(client, picture.fileno())) == ("image/png",)
    assert file.read_bytes() == PICTURE.read_bytes()


def test_a_reader_that_takes_its_time(client):
    held = Held(client)
    assert client.call(GUEST, DOMAIN, "GetState", "u", (0,))
    assert held.read() == PICTURE.read_bytes()
    assert finish(client, held.serial) == ("image/png",)


def refused(client):
    _, writing = small_pipe()
    try:
        with pytest.raises(DBusError) as caught:
            finish(client, begin(client, writing))
    finally:
        os.close(writing)
    return caught.value


def test_so_many_at_once(client, service):
    """Those who read make room, and so do those who leave."""
    held = [Held(client) for _ in range(MOST)]
    error = refused(client)
    assert error.name == "org.freedesktop.DBus.Error.LimitsExceeded"
    assert error.message == f"at most {MOST} streams are open at once, and at most 1 of one user"

    assert held[0].read() == PICTURE.read_bytes()
    finish(client, held[0].serial)
    with FdClient(service.bus.address) as other:
        held[0] = Held(other)
        assert refused(client).name == error.name

    def is_free():
        with contextlib.suppress(DBusError):
            reading, writing = os.pipe()
            serial = begin(client, writing)
            os.close(writing)
            with open(reading, "rb") as file:
                return finish(client, serial) and file.read()
        return None
    assert wait_until(is_free, WITHIN, "the one of who left is free") == PICTURE.read_bytes()
    for one in held[1:]:
        assert one.read() == PICTURE.read_bytes()


def test_a_reader_that_leaves(client):
    held = Held(client)
    held.file.close()
    with pytest.raises(DBusError) as caught:
        finish(client, held.serial)
    assert caught.value.name == "org.freedesktop.DBus.Error.IOError"


def test_the_service_stops(client, service):
    held = Held(client)
    service.stop()
    with pytest.raises(DBusError) as caught:
        finish(client, held.serial)
    assert caught.value.message == "the service is stopping"
