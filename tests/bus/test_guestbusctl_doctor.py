# SPDX-License-Identifier: LGPL-2.1-or-later
"""guestbusctl doctor: each fault is planted, and found, with the command that mends it."""

import json
import signal
import socket

import pytest

from support.ctl import PROGRAM, WITHIN, Running, ctl
from support.hosts import bus as buses
from support.hosts import guarded as guards
from support.hosts.guarded import guarded
from support.hosts.native import NET, resync, state
from support.hosts.native import service as on_libvirtd  # noqa: F401 (a fixture)
from support.hosts.polkit import OUR_MANAGE, OUR_MONITOR, rule
from support.models.listener import picture
from support.process import wait_until
from support.service import OURS, wait_connected

# A file that the bus starts the service by, which fails.
BROKEN = """[D-BUS Service]
Name=org.guestbus1
Exec=/bin/false
"""


def lines(bus, status=1):
    text, complaint = ctl(bus, "doctor", status=status)
    assert complaint == ""
    return text.splitlines()


def found(bus, status=1):
    """{what: its object} of all that it finds."""
    return {one["what"]: one for one in json.loads(ctl(bus, "doctor", "--json", status=status)[0])}


def test_nothing(client, service):
    """One line, and no fault."""
    assert lines(service.bus, 0) == ["nothing is wrong: 1 connection, 1 guest"]
    assert found(service.bus, 0) == {}


def test_no_bus(one_bus):
    one_bus.stop()
    problem, command = lines(one_bus)
    assert problem.startswith("the bus cannot be reached: ")
    assert command == f"    busctl --address={one_bus.address!r} list"


def test_no_service(one_bus):
    problem, command = lines(one_bus)
    assert "it is not installed" in problem and command == "    sudo apt install guestbus"


def test_a_service_that_does_not_start(home):
    """In the words of the bus."""
    (home / "org.guestbus1.service").write_text(BROKEN, encoding="utf-8")
    bus = buses.Daemon(home, rules=f"{buses.EVERYTHING}\n<servicedir>{home}</servicedir>")
    try:
        problem, *commands = lines(bus)
        assert problem.startswith("the service is installed, but does not start: ") and "org.guestbus1" in problem
        assert commands[0] == "    systemctl status guestbusd" and "journalctl --unit guestbusd" in commands[1]
    finally:
        bus.stop()


def test_names(home, one_bus, run_service, connect):
    """org.libvirt is another program's; and, elsewhere, not to be had."""
    other = connect(one_bus)
    assert other.bus("RequestName", "su", "org.libvirt", 4) == 1
    run_service(one_bus)
    wait_connected(connect(one_bus, OURS))
    problem, command = lines(one_bus)
    assert "the name org.libvirt is owned by another program" in problem and "process " in problem
    assert command == "    sudo systemctl disable --now libvirt-dbus"

    (home / "second").mkdir()
    bus = buses.start_refusing("dbus-daemon", home / "second", ["org.libvirt"])
    try:
        second = run_service(bus, start=False).spawn()
        client = connect(bus, OURS)
        wait_until(lambda: second.owns(client, OURS), WITHIN, "it owns the other")
        wait_connected(client)
        assert set(found(bus)) == {"name-free"}
        second.stop()
    finally:
        bus.stop()


def test_the_policy_of_the_bus(home, run_service):
    refused = '<policy context="mandatory"><deny send_destination="org.guestbus1" send_type="method_call"/></policy>'
    bus = buses.Daemon(home, rules=f"{buses.EVERYTHING}\n{refused}")
    try:
        service = run_service(bus)
        service.unread = "the bus refuses"
        problem, *commands = lines(bus)
        assert problem.startswith("the policy of the bus does not let ")
        assert any("usermod --append --groups libvirt" in command for command in commands)
        service.stop()
    finally:
        bus.stop()


@pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")
def test_polkit(home):
    """What it refuses, what it wants a password for, and a socket that the service may not open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as closed:
        closed.bind(str(home / "closed"))
        closed.listen()
        (home / "closed").chmod(0o600)
        home.chmod(0o755)
        connections = {"Test": "test:///default", "Closed": f"test+unix:///default?socket={home}/closed"}
        with guarded(connections=connections) as world:
            def doctor(status, who="outsider", rules=guards.RULES):
                world.polkit.change(rules)
                done = world.people.run([PROGRAM, "--address", world.bus.address, "doctor", "--json"], who)
                assert (done.returncode, done.stderr) == (status, ""), done
                return {one["what"]: one for one in json.loads(done.stdout)}
            wait_until(lambda: state(world.root, "/org/libvirt/Closed") == "disconnected", WITHIN, "it was tried")
            denied, = doctor(1, "member").values()
            assert denied["what"] == "socket-denied" and denied["connections"] == ["Closed"]
            assert "usermod --append --groups libvirt guestbus" in denied["commands"][0]
            password = doctor(1)["manage-password"]
            assert not password["fault"] and password["connections"] == ["Test"]
            assert password["commands"] == ["sudo usermod --append --groups libvirt outsider  # then log in again"]
            refused = doctor(1, rules=rule("outsider", OUR_MANAGE, "NO"))["manage-refused"]
            assert refused["fault"] and OUR_MANAGE in refused["text"]
            for what, result in (("monitor-refused", "NO"), ("monitor-password", "AUTH_ADMIN")):
                one = doctor(1, rules=rule("outsider", OUR_MONITOR, result))
                assert set(one) == {what} and OUR_MONITOR in one[what]["text"], one


@pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")
def test_no_polkit():
    """Members of the group do not need it."""
    with guarded(polkit=False) as world:
        def doctor(who):
            return world.people.run([PROGRAM, "--address", world.bus.address, "doctor"], who)
        assert doctor("member").stdout == "nothing is wrong: 1 connection, 1 guest\n"
        outsider = doctor("outsider")
        assert outsider.returncode == 1 and "cannot ask polkit what outsider may do" in outsider.stdout
        assert "    sudo apt install polkitd\n" in outsider.stdout


def test_sockets(home, one_bus, run_service, connect):
    """One that is not there, and one at which nothing listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(home / "dead"))
        uris = {name: f"test+unix:///default?socket={home}/{name.lower()}" for name in ("Absent", "Dead")}
        run_service(one_bus, {"Test": "test:///default", **uris})
        client = connect(one_bus)
        wait_connected(client)
        for name in uris:
            wait_until(lambda: state(client, f"/org/libvirt/{name}") == "disconnected",  # noqa: B023
                       WITHIN, "it was tried")
        assert lines(one_bus)[0].startswith("Absent: libvirt's socket is not there: ")
        seen = found(one_bus)
        assert {what: one["connections"] for what, one in seen.items()} == \
            {"socket-absent": ["Absent"], "socket-dead": ["Dead"]}
        assert seen["socket-dead"]["commands"] == [f"virsh --connect '{uris['Dead']}' version"]


def test_hypervisors(one_bus, libvirtd, run_service, connect):
    """Those that this host does not have are no fault, while there is one that it has."""
    def seen(connections):
        service = run_service(one_bus, {"Test": "test:///default", **connections})
        client = connect(one_bus)
        wait_connected(client)
        for name in connections:
            wait_until(lambda: state(client, f"/org/libvirt/{name}") != "connecting",  # noqa: B023
                       WITHIN, "it was tried")
        result = found(one_bus, 0 if "QEMU" in connections else 1)
        service.stop()
        return result
    absent = {"BHyve": f"bhyve+unix:///system?socket={libvirtd.socket}", "VMwareWS": "vmwarews:///session"}
    none = seen(absent)
    assert {what: one["fault"] for what, one in none.items()} == {"hypervisor-absent": False, "no-hypervisor": True}
    assert none["hypervisor-absent"]["connections"] == ["BHyve", "VMwareWS"]
    assert set(seen({**absent, "QEMU": libvirtd.uri})) == {"hypervisor-absent"}


def test_silence(home, on_libvirtd, libvirtd, connect, run_service):  # noqa: F811
    """A libvirt that does not answer, and a service that does not."""
    (home / "second").mkdir()
    bus = buses.Daemon(home / "second")
    second = run_service(bus)
    wait_connected(connect(bus))
    wait_connected(connect(on_libvirtd.bus))
    libvirtd.process.send_signal(signal.SIGSTOP)
    second.process.send_signal(signal.SIGSTOP)
    try:
        with Running(home, [PROGRAM, "--address", bus.address, "doctor"]) as other:
            assert lines(on_libvirtd.bus)[0].startswith("Test: libvirt does not answer: ")
            assert other.finish() == 1
            assert other.lines()[0].startswith("the service does not answer: ")
    finally:
        libvirtd.process.send_signal(signal.SIGCONT)
        second.process.send_signal(signal.SIGCONT)
    second.stop()
    bus.stop()


def test_stale_objects(home, one_bus, libvirtd, run_service, connect, preload):
    away = home / "away"
    run_service(one_bus, {"Test": libvirtd.test_uri}, env=preload("fail_network_lists", NO_NETWORKS=str(away)))
    client = connect(one_bus)
    wait_connected(client)
    wait_until(lambda: NET in picture(client), WITHIN, "it is known")
    away.touch()
    resync(client)
    stale, = found(one_bus).values()
    assert stale["what"] == "stale" and stale["text"].endswith(": network default")
    away.unlink()


def test_old_and_without_events(one_bus, libvirtd, run_service, connect, preload):
    """The second is no fault."""
    old, silent = preload("old_libvirt"), preload("refuse_events", REFUSED="domain network storagepool")
    both = f"{old['LD_PRELOAD']} {silent['LD_PRELOAD']}"
    run_service(one_bus, {"Test": libvirtd.test_uri}, env={**silent, "LD_PRELOAD": both})
    client = connect(one_bus)
    wait_until(lambda: state(client) == "connected", WITHIN, "it is open")
    seen = found(one_bus)
    assert {what: one["fault"] for what, one in seen.items()} == {"old-libvirt": True, "no-events": False}
    assert any(line.startswith("note: Test: the driver has no events") for line in lines(one_bus))
