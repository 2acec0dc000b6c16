# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program: its options, its names, its end, and what it tells the service manager."""

import os
import re
import signal
import socket
import subprocess
import time

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, Client, field
from support.hosts.manager import Manager
from support.hosts.native import GUEST, plain  # noqa: F401 (fixture)
from support.hosts.sockets import Server
from support.process import PATIENCE, soon, wait_until
from support.service import ENDS_WITHIN, FAULTS, OURS, TEST, command, wait_connected

NAMES = ("org.libvirt", OURS)
WITHIN = 60 * PATIENCE


def run(*args):
    """Runs the program to its end; (exit status, stdout, stderr)."""
    result = subprocess.run(command(*args), capture_output=True, text=True, check=False,
                            timeout=20 * PATIENCE, env=dict(os.environ, LC_ALL="C.UTF-8"))
    assert not FAULTS.search(result.stderr), result.stderr
    return result.returncode, result.stdout, result.stderr


def test_names_are_owned(service, connect):
    client = connect(service.bus)
    for name in NAMES:
        wait_until(lambda: client.has_owner(name), WITHIN, name)
        assert client.pid_of(name) == service.pid
    assert client.owner(NAMES[0]) == client.owner(NAMES[1])


def test_version():
    status, out, err = run("--version")
    assert status == 0
    assert re.fullmatch(r"guestbusd \d+\.\d+(\.\d+)?( \(.*\))?\n", out)
    assert err == ""


@pytest.mark.parametrize("args, named, expected", [
    (["--nonsense"], "nonsense", os.EX_USAGE),
    (["surplus"], "surplus", os.EX_USAGE),
    (["--connect", "Test"], "Test", os.EX_CONFIG),
    (["--connect", "=test:///default"], "name", os.EX_CONFIG),
    (["--connect", "a b=test:///default"], "a b", os.EX_CONFIG),
    (["--connect", "a/b=test:///default"], "a/b", os.EX_CONFIG),
    (["--connect", "a-b=test:///default"], "a-b", os.EX_CONFIG),
    (["--connect", "Ä=test:///default"], "Ä", os.EX_CONFIG),
    (["--connect", "Test="], "Test", os.EX_CONFIG),
    (["--connect", "Test=no uri"], "no uri", os.EX_CONFIG),
    (["--connect", "A=test:///default", "--connect", "A=test:///default"], "A", os.EX_CONFIG),
    (["--threads", "many"], "many", os.EX_USAGE),
    (["--threads", "0"], "threads", os.EX_CONFIG),
    (["--threads", "-1"], "threads", os.EX_CONFIG),
    (["--config", "/nonexistent/guestbusd.conf"], "/nonexistent/guestbusd.conf", os.EX_CONFIG),
    (["--address", "no address"], "no address", os.EX_USAGE),
    (["--system", "--session"], "session", os.EX_USAGE),
])
def test_bad_options_are_named(one_bus, args, named, expected):
    """The unit says which statuses are not to be tried again."""
    if "--address" not in args and "--system" not in args:
        args = ["--address", one_bus.address, *args]
    status, _, err = run(*args)
    assert status == expected
    assert named in err and "guestbusd" in err


@pytest.mark.parametrize("text, named", [
    ("[limits]\nno-such-limit=1\n", "no-such-limit"),
    ("[no-such-group]\na=1\n", "no-such-group"),
    ("[limits]\ncalls-per-sender=many\n", "calls-per-sender"),
    ("[limits]\ncalls-per-sender=-1\n", "calls-per-sender"),
    ("[limits]\ncalls-per-sender=99999999999999999999\n", "calls-per-sender"),
    ("[limits\n", "guestbusd.conf"),
])
def test_bad_configuration_is_named(home, one_bus, text, named):
    file = home / "guestbusd.conf"
    file.write_text(text, encoding="utf-8")
    status, _, err = run("--address", one_bus.address, "--config", str(file))
    assert status == os.EX_CONFIG
    assert named in err


def test_good_configuration_is_taken(one_bus, run_service, connect):
    service = run_service(one_bus, config="[limits]\ncalls-per-sender=100\ncalls-total=200\n"
                          "request-bytes=1000000\nreply-bytes=2000000\nkeepalive-interval=0\n")
    wait_connected(connect(service.bus))


def test_without_a_bus_it_ends(home):
    status, _, err = run("--address", f"unix:path={home}/none", "--connect", "Test=test:///default")
    assert status > 0
    assert "guestbusd: " in err


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(bus, run_service, connect, sig):
    client = connect(bus)

    def end():
        service = run_service(bus)
        wait_connected(client)
        return service.stop(sig)
    soon(end, ENDS_WITHIN)
    assert not client.has_owner(OURS)


def test_a_signal_before_anything_is_ready_ends_it(one_bus, run_service):
    """The signal may come at any moment of the start."""
    for delay in (0.0, 0.005, 0.01, 0.02, 0.05, 0.1):
        service = run_service(one_bus, start=False).spawn()
        wait_until(lambda: os.readlink(f"/proc/{service.pid}/exe").endswith("guestbusd"), WITHIN, "exec")
        time.sleep(delay)
        service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(WITHIN)
        # Before the handler is installed the kernel ends it.
        assert status in (0, -signal.SIGTERM)
        service.process = None


def test_a_signal_ends_the_wait_for_a_bus_that_says_nothing(one_bus, run_service, tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.settimeout(WITHIN)
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        service = run_service(one_bus, start=False, args=("--address", f"unix:path={tmp_path / 'bus'}")).spawn()
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)  # it introduces itself
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(WITHIN) == 0
            service.process = None


def test_end_of_the_bus_ends_it(bus, run_service):
    service = run_service(bus)
    bus.stop()
    status = service.process.wait(WITHIN)
    assert status > 0
    assert not FAULTS.search(service.stderr())
    service.process = None


def test_replace_takes_the_names_over(bus, run_service, connect, home):
    mute = Server(home / "mute")  # libvirt waits for it, so that the first sees all of its names go
    first = run_service(bus, {**TEST, "Mute": f"qemu+unix:///system?socket={mute.path}"})
    second = run_service(bus, args=["--replace"])
    client = connect(bus)
    for name in NAMES:
        wait_until(lambda: client.has_owner(name) and client.pid_of(name) == second.pid, WITHIN, name)
    assert first.process.wait(WITHIN) == 0
    mute.listener.close()
    assert "org.guestbus1 was taken over" in first.stderr()
    assert "going on" not in first.stderr()
    wait_connected(client)
    assert client.get("/org/libvirt/Test", CONNECT, "LibVersion")[0] == "t"


def test_a_second_one_says_that_there_is_a_first(bus, run_service, connect):
    first = run_service(bus)
    second = run_service(bus, start=False).spawn()
    assert second.process.wait(WITHIN) > 0
    second.process = None
    assert OURS in second.stderr()
    assert connect(bus).pid_of(OURS) == first.pid


def test_with_libvirt_name_taken_it_runs_with_its_own(bus, run_service, connect):
    other = connect(bus)
    assert other.bus("RequestName", "su", "org.libvirt", 4) == 1
    service = run_service(bus)
    client = connect(bus, OURS)
    wait_connected(client)
    assert client.owner("org.libvirt") == other.unique_name
    assert any("org.libvirt" in line and "guestbusd" in line for line in service.lines())
    assert client.connect("ListDomains", "u", 0)


def test_objects_are_there_before_the_name(bus, run_service, connect):
    """Who waits for the name and then calls at once must find the objects."""
    for _ in range(5):
        watch = connect(bus).match("type='signal',member='NameOwnerChanged'")
        service = run_service(bus, start=False).spawn()
        for name in NAMES:
            watch.wait_for(lambda s: s.member == "NameOwnerChanged" and s.body[0] == name and s.body[2],
                           10 * PATIENCE)
            text = watch.call("/org/libvirt/Test", "org.freedesktop.DBus.Introspectable", "Introspect",
                              destination=name)[0]
            assert CONNECT in text
            assert "Test" in watch.call("/org/libvirt", "org.freedesktop.DBus.Introspectable", "Introspect",
                                        destination=name)[0]
        service.stop()


def test_a_call_right_after_start_is_answered(bus, run_service, connect):
    """Calls made while the connection is being opened wait for it."""
    for _ in range(5):
        client = connect(bus)
        service = run_service(bus)
        assert client.connect("ListDomains", "u", 0) == [
            "/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"]
        service.stop()


def test_only_the_connections_named_exist(bus, run_service, connect):
    run_service(bus, {"One": "test:///default", "Two_2": "test:///default"})
    client = connect(bus)
    text = client.introspect("/org/libvirt")
    assert set(re.findall(r'<node name="([^"]*)"', text)) == {"One", "Two_2"}
    for name in ("One", "Two_2"):
        wait_connected(client, name)
    error = client.error("/org/libvirt/QEMU", PROPERTIES, "GetAll", "s", (CONNECT,))
    assert error.name == "org.freedesktop.DBus.Error.UnknownObject"


def test_a_hypervisor_that_is_not_there_breaks_nothing(bus, run_service, connect):
    service = run_service(bus, {"Gone": "qemu+unix:///session?socket=/nonexistent/sock",
                                "Test": "test:///default"})
    client = connect(bus)
    wait_connected(client)
    error = client.error("/org/libvirt/Gone", CONNECT, "ListDomains", "u", (0,))
    assert error.name == "org.libvirt.Error" and "/nonexistent/sock" in error.message
    assert client.introspect("/org/libvirt/Gone")
    service.stop()


def test_its_words_open_with_its_name(service, client):
    service.stop()
    assert service.lines()
    assert all(line.startswith("guestbusd: ") for line in service.lines()), service.stderr()


@pytest.fixture
def manager(home):
    one = Manager(home)
    yield one
    one.close()


def test_service_manager_is_told(one_bus, run_service, manager):
    service = run_service(one_bus, env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY=1")
    manager.wait("STATUS=")
    with Client(one_bus.address) as client:
        assert all(client.has_owner(name) for name in NAMES), "ready before its names"
    assert not any(word.startswith(("WATCHDOG", "STOPPING")) for word in manager.read())
    service.stop()
    assert manager.wait("STOPPING=1") == ["STOPPING=1"]
    assert manager.told.index("READY=1") < manager.told.index("STOPPING=1")


def test_watchdog_is_fed(one_bus, run_service, manager):
    service = run_service(one_bus, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"})
    wait_until(lambda: manager.read().count("WATCHDOG=1") >= 5, WITHIN, "watchdog fed five times")
    service.stop()


def test_watchdog_is_not_fed_by_a_main_thread_that_hangs(home, one_bus, libvirtd, plain, run_service, manager, preload,
                                                         connect):
    """Its workers, which go on, do not feed it instead."""
    hangs, hung = home / "hangs", home / "hung"
    run_service(one_bus, {"Test": libvirtd.test_uri},
                env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000",
                     **preload("hang_main_thread", HANGS=str(hangs), HUNG=str(hung))})
    client, domain = connect(one_bus), plain.lookupByName("test")
    wait_connected(client)
    manager.wait("WATCHDOG=1")
    libvirtd.pause()
    try:
        # A worker waits for the one, and takes the next of the same object itself.
        asked = [client.send(GUEST, DOMAIN, "GetState", "u", (0,)), client.send(GUEST, DOMAIN, "Suspend")]
        client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
        hangs.touch()
        client.send("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
        wait_until(hung.exists, 20 * PATIENCE, "the main thread hangs")
        fed = manager.read().count("WATCHDOG=1")
    finally:
        libvirtd.resume()
    wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED, 20 * PATIENCE, "a worker suspends the guest")
    time.sleep(2 * 0.4)
    assert manager.read().count("WATCHDOG=1") == fed
    hung.unlink()
    assert all(field(reply, "error_name") is None for reply in client.collect(asked, 20 * PATIENCE).values())
    wait_until(lambda: manager.read().count("WATCHDOG=1") > fed, 20 * PATIENCE, "it is fed again")


def test_watchdog_of_another_process_is_not_fed(one_bus, run_service, manager):
    run_service(one_bus, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    manager.wait("READY=1")
    time.sleep(0.5)
    assert "WATCHDOG=1" not in manager.read()
