# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus goes: the service ends at once, in a way that its supervisor takes for a failure, and the next one
serves as soon as there is a bus again. A bus that never answers holds up nobody who wants it to end."""

import re
import signal
import subprocess
import time

import pytest

from support.client import CONNECT
from support.hosts import bus as buses
from support.hosts.fake_libvirtd import ANSWERS, FakeLibvirtd, name_of
from support.hosts.native import TEST, epoch
from support.process import PATIENCE, seconds, soon
from support.service import CHECKOUT, FAULTS, Service, has_failed, wait_connected

# What a supervisor waits; see RestartSec= of the units.
RESTART = 0.1


@pytest.fixture(params=buses.kinds())
def mortal(request, home):
    """mortal() starts a bus at the same address, again and again."""
    started = []

    def start():
        (home / "bus").unlink(missing_ok=True)
        started.append(buses.start(request.param, home))
        return started[-1]
    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_the_bus_dies_with_calls_under_way(mortal, home, run_service, connect, capsys, sig):
    """One connection of libvirt's hangs, one works, callers wait on both."""
    silent = FakeLibvirtd(home / "silent", None)
    connections = {"Slow": f"test+unix:///default?socket={silent.path}", "Test": "test:///default"}
    try:
        bus = mortal()
        service = run_service(bus, connections)
        client = connect(bus)
        wait_connected(client)
        first = epoch(client)
        for _ in range(200):
            client.send("/org/libvirt/Slow", CONNECT, "ListDomains", "u", (0,))
            client.send(TEST, CONNECT, "GetCapabilities")
        client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
        bus.process.send_signal(sig)
        began = time.monotonic()
        assert "bus" in has_failed(service)
        ended = time.monotonic() - began
        assert ended < 10  # a call of libvirt's that hangs would be waited for without an end
        bus.stop()
        bus = mortal()
        began = time.monotonic()
        time.sleep(RESTART)
        run_service(bus, connections)
        client = connect(bus)
        wait_connected(client)
        with capsys.disabled():
            print(f"\nended {ended:.2f} s after the bus, "
                  f"served {time.monotonic() - began:.2f} s after the next")
        assert epoch(client) != first
    finally:
        silent.close()


def test_it_waits_for_no_bus(home, one_bus):
    """Without one it ends, over and over, until there is one: that is the supervisor's loop."""
    one_bus.stop()
    for _ in range(3):
        soon(lambda: seconds(has_failed, Service(one_bus, home).spawn()), 2 * PATIENCE)


@pytest.mark.parametrize("answer", [*ANSWERS, None], ids=name_of)
def test_a_bus_that_is_none(home, one_bus, answer):
    """Garbage ends it; silence does after a while, and a signal at once."""
    one_bus.stop()
    fake = FakeLibvirtd(one_bus.path, answer)
    service = Service(one_bus, home).spawn()
    try:
        try:
            service.process.wait(1)
        except subprocess.TimeoutExpired:
            service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(60 * PATIENCE)
        service.process = None
        assert status in (0, 1)
        assert not FAULTS.search(service.stderr())
    finally:
        service.abandon()
        fake.close()


@pytest.mark.parametrize("unit", ["guestbusd.service.in", "guestbusd-user.service.in"])
def test_the_units_start_it_again(unit):
    """What all of this relies on; and there are descriptors for all calls that may wait, with 16 each on a
    system bus."""
    text = (CHECKOUT / "dbus-policy" / unit).read_text(encoding="utf-8")
    assert re.search("^Restart=always$", text, re.M)
    assert re.search("^RestartSec=100ms$", text, re.M)
    limits = (CHECKOUT / "service" / "base" / "config.c").read_text(encoding="utf-8")
    calls, = re.findall(r'LIMIT\("calls-total", calls_total, (\d+),', limits)
    files, = re.findall(r"^LimitNOFILE=(\d+)$", text, re.M)
    assert int(files) > 16 * int(calls)
