# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures. Every test has its own directory, its own bus and its own processes, and leaves none of them."""

import contextlib
import os
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from support import PROGRAMS, coverage  # noqa: E402
from support.client import Client  # noqa: E402
from support.hosts import bus as buses  # noqa: E402
from support.hosts import host  # noqa: E402
from support.hosts import people as others  # noqa: E402
from support.hosts import polkit as authority  # noqa: E402
from support.hosts.workload import Reaper  # noqa: E402
from support.process import end_all, left_behind, make_directory  # noqa: E402
from support.service import Service, wait_connected  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What makes a table together stays together: said before pytest-xdist looks for groups. What goes on for
    minutes begins first, so that the others have ended with it."""
    items.sort(key=lambda item: item.path.name != "test_soak.py")
    for item in items:
        if item.path.name.startswith("test_methods_"):
            item.add_marker(pytest.mark.xdist_group("methods"))


def pytest_sessionfinish():
    """At the end of a process that ran tests: each of pytest-xdist's, too."""
    coverage.write()


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
    with contextlib.ExitStack() as opened:
        yield lambda bus, *args: opened.enter_context(Client(bus.address, *args))


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
def reaper():
    """Reaps guests. Who asks for it before libvirtd has it last longer than those."""
    one = Reaper()
    yield one
    one.stop()


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


@pytest.fixture
def people(home):
    """Users of the test's own; see support/hosts/people.py."""
    lacking = others.missing()
    if lacking:
        pytest.skip(f"{lacking} is not there")
    those = others.People(home)
    yield those
    those.stop()


@pytest.fixture
def people_bus(home, people):
    """A private dbus-daemon with a system bus's limits that knows the people."""
    private = buses.Daemon(home, system=True, wrap=people.wrap)
    yield private
    private.stop()


@pytest.fixture
def connect_as(people):
    """connect_as(who, bus) opens a client of that person; they are closed when the test is over."""
    with contextlib.ExitStack() as opened:
        yield lambda who, bus, *args: opened.enter_context(people.client(who, bus.address, *args))


@pytest.fixture
def polkit(people_bus, people):
    """A running polkitd with libvirt's and our own rules; see support/hosts/polkit.py."""
    lacking = authority.missing()
    if lacking:
        pytest.skip(f"{lacking} is not there")
    daemon = authority.Polkit(people_bus, people)
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def preload_libraries():
    """Where those are that were built."""
    path = make_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def preload(preload_libraries):
    """preload(name) builds support/programs/preload/NAME.c and returns the environment that puts its functions before
    those of all libraries."""
    if not shutil.which("cc"):
        pytest.skip("cc is not installed")

    def make(name, **variables):
        library = preload_libraries / f"{name}.so"
        if not library.exists():
            subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(library),
                            str(PROGRAMS / "preload" / f"{name}.c"), "-ldl"], check=True, timeout=60)
        # A sanitizer wants to be first, and can be told that it need not.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": sanitizer.lstrip(":"), **variables}
    return make
