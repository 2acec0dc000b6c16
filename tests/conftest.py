# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures. Every test has its own directory, its own bus and its own processes, and leaves none of them."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from support import bus as buses  # noqa: E402
from support import host  # noqa: E402
from support.client import Client  # noqa: E402
from support.process import end_all, left_behind  # noqa: E402
from support.service import Service, wait_connected  # noqa: E402


def make_directory():
    """A directory that every user can enter, with a short path: a socket's path has 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
    path.chmod(0o755)
    return path


@pytest.fixture
def home():
    """The test's directory. What still runs for it when the test is over fails the test."""
    path = make_directory()
    yield path
    remaining = left_behind(path)
    end_all(remaining)
    shutil.rmtree(path, ignore_errors=True)
    assert not remaining, f"left behind: {remaining}"


@pytest.fixture(params=buses.kinds())
def bus(request, home):
    """A private bus with the limits of a session bus; the test runs on each kind there is."""
    private = buses.start(request.param, home)
    yield private
    private.stop()


@pytest.fixture
def one_bus(home):
    """A private dbus-daemon, for tests that the kind of bus does not matter to."""
    private = buses.start("dbus-daemon", home)
    yield private
    private.stop()


@pytest.fixture
def system_bus(home):
    """A private dbus-daemon with a system bus's limits."""
    private = buses.start("system", home)
    yield private
    private.stop()


@pytest.fixture
def run_service(home):
    """run_service(bus, ...) makes a Service and starts it; each must end well when the test is over."""
    started = []

    def run(bus, connections=None, start=True, name="org.guestbus1", **options):
        service = Service(bus, home, connections, **options)
        started.append(service)
        return service.start(name) if start else service
    yield run
    try:
        for service in started:
            service.stop()
    finally:
        for service in started:
            service.abandon()


@pytest.fixture
def connect():
    """connect(bus) opens a client; they are closed when the test is over."""
    opened = []

    def make(bus, *args):
        opened.append(Client(bus.address, *args))
        return opened[-1]
    yield make
    for client in opened:
        client.close()


@pytest.fixture
def service(bus, run_service):
    """guestbusd with test:///default as Test."""
    return run_service(bus)


@pytest.fixture
def client(service, connect):
    """A client of the service, whose connection is open."""
    client = connect(service.bus)
    wait_connected(client)
    return client


@pytest.fixture(scope="session")
def libvirt_cache():
    """QEMU's capabilities, probed once for all tests."""
    path = make_directory()
    user = host.ordinary_user()
    if user:
        os.chown(path, *user)
    yield str(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def libvirtd(home, libvirt_cache):
    """A running libvirtd of an ordinary user."""
    lacking = host.missing()
    if lacking:
        pytest.skip(f"{lacking} is not installed")
    daemon = host.Libvirtd(home, libvirt_cache)
    daemon.start()
    yield daemon
    daemon.finish()


@pytest.fixture
def watcher(home, libvirtd):
    """watcher(uri) starts a plain libvirt client that notes each event."""
    started = []

    def start(uri=None):
        started.append(host.Watcher(home, uri or libvirtd.uri))
        return started[-1]
    yield start
    for one in started:
        one.stop()
