# SPDX-License-Identifier: LGPL-2.1-or-later
"""guestbusctl: what people and scripts see."""

import json
import os
import pty
import random
import re
import signal
import subprocess

import libvirt
import pytest

from support.client import DOMAIN
from support.ctl import ENV, PROGRAM, WITHIN, Running, ctl, monitor
from support.hosts import guarded as guards
from support.hosts.guarded import guarded
from support.hosts.native import (GUEST, TEST, XML, before, counters, filled, get_events, last, number_of,  # noqa: F401
                                  plain, state)
from support.hosts.polkit import OUR_MONITOR, rule
from support.hosts.workload import object_path
from support.models.listener import picture
from support.process import wait_until
from support.service import CHECKOUT, wait_connected

OUR_DOMAIN = "org.guestbus.Domain1"
TIME = r"\d\d:\d\d:\d\d\.\d\d\d"


@pytest.fixture
def shared(one_bus, libvirtd, run_service, connect):
    """The service on a test driver that others can use as well."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_until(lambda: GUEST in picture(client), WITHIN, "the service has listed the guests")
    return service


def wait_known(client, guests):
    """Waits until the service knows so many."""
    wait_until(lambda: len([path for path in picture(client) if "/domain/" in path]) == guests, WITHIN, "all are known")


def begun(running, client):
    """Waits until it follows: it has printed what was done since it began."""
    def heard():
        client.domain(GUEST, "Suspend")
        client.domain(GUEST, "Resume")
        return any("resumed" in line for line in running.lines())
    wait_until(heard, WITHIN, lambda: f"it listens; {running.complaints()}", every=0.1)
    return running


def retitled(running, connection):
    """The same for a program that asks libvirt for one kind of events after the other."""
    def heard():
        connection.lookupByName("test").setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "a test", None, None, 0)
        return any("metadata-change" in line for line in running.lines())
    wait_until(heard, WITHIN, lambda: f"it listens; {running.complaints()}", every=0.1)


def live(connection):
    """What can happen to a guest."""
    guest = connection.defineXML(filled(XML, "web1"))
    guest.create()
    guest.suspend()
    guest.resume()
    guest.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "the web", None, None, 0)
    guest.destroy()
    guest.undefine()


def test_a_life(shared, plain, libvirtd, home, connect):
    """No more lines than virsh has of it, and more in them."""
    client = connect(shared.bus)
    with Running(home, ["stdbuf", "-oL", "virsh", "-c", libvirtd.test_uri, "event", "--all", "--loop", "--timestamp"],
                 libvirtd.user) as virsh, monitor(home, shared.bus) as ours:
        begun(ours, client)
        retitled(virsh, plain)
        live(plain)
        ours.wait_for(lambda line: "web1 undefined" in line)
        virsh.wait_for(lambda line: "'web1': Undefined" in line)
    lines = [line for line in ours.lines() if "web1" in line]
    expected = ["defined (added)", "started (booted) → running", "suspended (paused) → paused",
                "resumed (unpaused) → running", "metadata-change type=title", "stopped (destroyed) → shutoff",
                "undefined (removed)"]
    assert [re.sub(f"^{TIME} Test web1 ", "", line) for line in lines] == expected
    assert len(lines) <= len([line for line in virsh.lines() if "web1" in line])


def test_monitor_has_what_no_event_tells(client, service, home):
    with monitor(home, service.bus) as ours:
        begun(ours, client)
        client.set(GUEST, DOMAIN, "Autostart", "b", True)
        ours.wait_for(lambda line: re.match(f"{TIME} Test test changed .*Autostart=true", line))


def test_monitor_json(client, service, home):
    """All events, with all that they say."""
    with monitor(home, service.bus, "--output", "json", "--since", "0") as ours:
        begun(ours, client)
        mark = last(client)
        wait_until(lambda: ours.json()[-1]["sequence"] >= mark, WITHIN, "all are printed")
        printed, events = [[one for one in some if sequence(one) <= mark] for some, sequence in (
            (ours.json(), lambda one: one["sequence"]), (get_events(client, 0), lambda event: event.sequence))]
    assert [(one["path"], one["kind"], one["sequence"], one["timestamp"], one["name"]) for one in printed] == \
        [event[:5] for event in events]
    assert [one["details"] for one in printed] == \
        [{name: value for name, (_, value) in event.details.items()} for event in events]


def test_monitor_some(client, service, home):
    """Of one guest, and of one kind, after a number."""
    mark = last(client)
    words = ("test", "--kind", "device-added,lifecycle", "--output", "json", "--since", str(mark))
    with monitor(home, service.bus, *words) as one, \
            monitor(home, service.bus, "other", "--since=0") as other:
        begun(one, client)
        client.connect("DomainDefineXML", "s", filled(XML, "other"))
        other.wait_for(lambda line: "other defined" in line)
        assert {(line["name"], line["kind"]) for line in one.json()} == {("test", "lifecycle")}
        assert all(line["sequence"] > mark for line in one.json())
        assert not [line for line in other.lines() if " test " in line]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_monitor_over_a_restart(shared, plain, home, connect, sig):
    """It follows, says that it begins anew, and what has changed meanwhile."""
    client = connect(shared.bus)
    guest = plain.defineXML(filled(XML, "web1"))
    wait_known(client, 2)
    with monitor(home, shared.bus) as ours:
        begun(ours, client)
        shared.kill() if sig == signal.SIGKILL else shared.stop(sig)
        ours.wait_for(lambda line: "-- the service has left the bus" in line)
        guest.create()
        shared.start()
        ours.wait_for(lambda line: "-- Test begins anew" in line)
        ours.wait_for(lambda line: "-- Test web1 is running (booted), was shutoff" in line)
        guest.destroy()
        ours.wait_for(lambda line: "web1 stopped (destroyed) → shutoff" in line)
        assert ours.complaints() == ""
        assert ours.stop() == 0


def test_monitor_over_an_outage(shared, libvirtd, home, connect):
    """Of libvirtd, which the events themselves tell."""
    client = connect(shared.bus)
    with monitor(home, shared.bus) as ours:
        begun(ours, client)
        libvirtd.stop(signal.SIGKILL)
        ours.wait_for(lambda line: re.match(f"{TIME} Test closed reason=", line))
        libvirtd.start()
        ours.wait_for(lambda line: re.match(f"{TIME} Test opened$", line))
        ours.wait_for(lambda line: re.match(f"{TIME} Test resynced ", line))


def test_monitor_over_a_restart_without_libvirtd(shared, libvirtd, home, connect):
    """A guest that is in another state when libvirtd is back. The test driver of another libvirtd has its own."""
    client = connect(shared.bus)
    with monitor(home, shared.bus) as ours:
        begun(ours, client)
        client.domain(GUEST, "Destroy", "u", 0)
        ours.wait_for(lambda line: "test stopped (destroyed) → shutoff" in line)
        libvirtd.stop()
        wait_until(lambda: state(client) == "disconnected", WITHIN, "it is lost")
        shared.restart(signal.SIGKILL)
        ours.wait_for(lambda line: "-- Test begins anew" in line)
        assert not [line for line in ours.lines() if ", was " in line]
        libvirtd.start()
        ours.wait_for(lambda line: re.search("-- Test test is running .*, was shutoff", line))


def noted(home):
    """The number in its cursor file."""
    file = home / "cursor"
    return int(file.read_text(encoding="utf-8").split()[2]) if file.exists() else 0


def test_cursor(shared, plain, home, connect):
    """Killed at any moment, it prints each event at least once in all that it prints; also what came while it was
    away, and over a restart of the service all that the new one has told."""
    client, dice, printed = connect(shared.bus), random.Random(1), []
    guest = plain.defineXML(filled(XML, "web1"))
    words = ("--output", "json", "--since", "0", "--cursor-file", str(home / "cursor"))
    streams = []
    for turn in range(12):
        guest.create()
        guest.destroy()
        with monitor(home, shared.bus, *words) as ours:
            if turn % 3:
                wait_until(ours.lines, WITHIN, "it prints")
            for _ in range(dice.randrange(10)):
                guest.create()
                guest.destroy()
            ours.stop(signal.SIGKILL)
            printed += ours.json()
        if turn == 5:
            streams.append(get_events(client, 0))
            with monitor(home, shared.bus, *words) as ours:
                wait_until(lambda: noted(home) >= last(client), WITHIN, "it is noted")
                printed += ours.json()
            shared.restart(signal.SIGKILL)
            wait_connected(client)
    end = last(client)
    with monitor(home, shared.bus, *words) as ours:
        wait_until(lambda: noted(home) >= end, WITHIN, "it is noted")
        assert ours.stop() == 0
        printed += ours.json()
    streams.append(get_events(client, 0))
    numbers = {one["sequence"] for one in printed if "sequence" in one}
    assert {one["notice"] for one in printed if "notice" in one} == {"anew"}
    assert not [event for events in streams for event in events
                if event.sequence <= end and event.sequence not in numbers]
    assert before(client) not in numbers


def test_a_cursor_that_is_none(client, service, home):
    (home / "cursor").write_text("nonsense\n", encoding="utf-8")
    _, complaint = ctl(service.bus, "monitor", "--cursor-file", str(home / "cursor"), status=1)
    assert "line 1 is not of a cursor file" in complaint


def test_output_that_cannot_be_written(client, service, home):
    """What was not printed is not noted."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "--address", service.bus.address, "monitor", "--since", "0",
                               "--cursor-file", str(home / "cursor")], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=WITHIN, check=False)
    assert done.returncode == 1 and "failed to write" in done.stderr
    assert noted(home) <= before(client)


def test_list(shared, plain, connect):
    """Aligned, whatever the names; plain in a pipe."""
    client = connect(shared.bus)
    for name in ("漢字", "größe"):
        plain.defineXML(filled(XML, name))
    guest = plain.lookupByName("漢字")
    guest.create()
    guest.suspend()
    wait_known(client, 3)
    path = object_path(TEST, "domain", guest.UUIDString())
    wait_until(lambda: client.get(path, OUR_DOMAIN, "StateReason")[1] == "user", WITHIN, "it is paused")
    text, complaint = ctl(shared.bus, "list")
    lines = text.splitlines()
    assert lines[0] == "NAME   STATE    REASON   SINCE     CONNECTION"
    assert lines[1].startswith("größe  shutoff  ")
    assert lines[2].startswith("test   running  unknown  -         Test")
    assert re.fullmatch(r"漢字   paused   user     \d\d:\d\d:\d\d  Test", lines[3])
    assert len(lines) == 4 and complaint == "" and "\033" not in text
    assert ctl(shared.bus, "list", "--names")[0].splitlines() == ["größe", "test", "漢字"]
    objects = {one["name"]: one for one in json.loads(ctl(shared.bus, "list", "--json")[0])}
    paused = objects["漢字"]
    assert (paused["state"], paused["reason"], paused["stale"], paused["uuid"]) == \
        ("paused", "user", False, number_of("漢字"))
    assert paused["since"] > 0 and objects["test"]["since"] is None


def test_list_without_libvirtd(shared, libvirtd, home, connect):
    """It has the guests as they were, and says so."""
    client = connect(shared.bus)
    libvirtd.stop()
    wait_until(lambda: state(client) == "disconnected", WITHIN, "it is lost")
    text, complaint = ctl(shared.bus, "list")
    assert "running (stale)" in text
    assert complaint.startswith("guestbusctl: Test is not connected: ")


def test_colours(client, service):
    """On a terminal, unless the user wants none."""
    def shown(**env):
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, "--address", service.bus.address, "list"], stdout=theirs,
                              env={**os.environ, **ENV, "TERM": "xterm", **env}) as process:
            assert process.wait(WITHIN) == 0
        os.close(theirs)
        text = os.read(ours, 65536).decode()
        os.close(ours)
        return text
    assert "\033[32mrunning\033[0m" in shown()
    assert "\033" not in shown(NO_COLOR="1")


def test_names(one_bus, run_service, connect):
    """Names, UUIDs and paths; a name that two have is refused with both."""
    run_service(one_bus, {"One": "test:///default", "Two": "test:///default"})
    client = connect(one_bus)
    for name in ("One", "Two"):
        wait_connected(client, name)
    for words in (("wait", "test", "running"), ("monitor", "test")):
        _, complaint = ctl(one_bus, *words, status=3)
        paths = [GUEST.replace("/Test/", f"/{name}/") for name in ("One", "Two")]
        assert complaint.splitlines()[1:] == [f"  {path}" for path in paths]
        assert '"test" is the name of 2 guests' in complaint
    assert ctl(one_bus, "wait", paths[1], "running")[0] == "running\n"


def test_wait(client, service, home):
    """Each way in which it ends, with its status."""
    uuid = client.get(GUEST, OUR_DOMAIN, "UUID")[1]
    assert ctl(service.bus, "wait", "test", "shutoff", "running") == ("running\n", "")
    assert ctl(service.bus, "wait", uuid.upper(), "running", "--settle", "0.05")[0] == "running\n"
    assert "the time is over" in ctl(service.bus, "wait", "test", "shutoff", "--timeout", "0.1", status=4)[1]
    assert 'no guest "tset"' in ctl(service.bus, "wait", "tset", "shutoff", status=3)[1]
    assert ctl(service.bus, "wait", "tset", "gone")[0] == "gone\n"
    assert '"off" is no state' in ctl(service.bus, "wait", "test", "off", status=1)[1]
    with Running(home, [PROGRAM, "--address", service.bus.address, "wait", "test", "shutoff"]) as waiting:
        wait_until(lambda: counters(client)["waits"] == 1, WITHIN, "it waits")
        client.domain(GUEST, "Destroy", "u", 0)
        assert waiting.finish() == 0
        assert waiting.lines() == ["shutoff"]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_wait_over_a_restart(shared, plain, home, connect, sig):
    """The guest ends while the service is away."""
    client = connect(shared.bus)
    with Running(home, [PROGRAM, "--address", shared.bus.address, "wait", "test", "shutoff"]) as waiting:
        wait_until(lambda: counters(client)["waits"] == 1, WITHIN, "it waits")
        shared.kill() if sig == signal.SIGKILL else shared.stop(sig)
        plain.lookupByName("test").destroy()
        shared.start()
        assert waiting.finish() == 0
        assert waiting.lines() == ["shutoff"]
        assert waiting.complaints().count("has left the bus") <= 1


COMPLETION = CHECKOUT / "clients" / "guestbusctl" / "completion.bash"
COMPLETE = """. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_guestbusctl
printf '%s\\n' "${COMPREPLY[@]}\"
"""


def test_completion(shared, plain, home, connect):
    """Commands, options, states, and the guests that there are, whose names nothing expands."""
    client = connect(shared.bus)
    for name in ("two words", "$(touch one)`touch two` *"):
        plain.defineXML(filled(XML, name))

    def complete(*words):
        done = subprocess.run(["bash", "-c", COMPLETE, "bash", str(COMPLETION), PROGRAM, *words], cwd=home,
                              env={**os.environ, **ENV, "DBUS_SYSTEM_BUS_ADDRESS": shared.bus.address},
                              capture_output=True, text=True, timeout=WITHIN, check=True)
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1]
    wait_known(client, 3)
    before_it = sorted(os.listdir(home))
    assert complete("") == ["doctor", "list", "monitor", "wait"]
    assert complete("doctor", "--j") == ["--json"]
    assert complete("monitor", "--c") == ["--cursor-file"]
    assert complete("monitor", "--output", "j") == ["json"]
    assert complete("wait", "test", "pa") == ["paused"]
    assert complete("monitor", "te") == ["test"]
    assert complete("wait", "two") == ["two\\ words"]
    assert len(complete("wait", "")) == 3 and len(complete("wait", "$(touch")) == 1
    assert sorted(os.listdir(home)) == before_it


def test_usage(one_bus):
    """What is wrong with a command line is said, with a status of its own."""
    for words in ((), ("lst",), ("list", "x"), ("doctor", "x"), ("monitor", "-o", "xml"), ("monitor", "--since", "noon"),
                  ("wait", "test"), ("wait", "test", "running", "-t", "-1"), ("list", "--user"), ("--nonsense",)):
        assert ctl(one_bus, *words, status=2)[1].startswith("guestbusctl: "), words
    assert "monitor" in ctl(one_bus, "--help")[0]
    assert ctl(one_bus, "--version")[0].startswith("guestbusctl ")


def test_without_a_service(one_bus, run_service, home, connect):
    """list and wait say so; monitor waits for it."""
    for words in (("list",), ("wait", "test", "running")):
        assert "the service is not running" in ctl(one_bus, *words, status=1)[1]
    with monitor(home, one_bus) as ours:
        wait_until(lambda: "waiting for it" in ours.complaints(), WITHIN, "it waits")
        run_service(one_bus)
        begun(ours, connect(one_bus))
        assert ours.complaints().count("\n") == 1


@pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")
def test_ordinary_users():
    """Those that polkit lets see the guests see them; others are told so, in the service's words."""
    with guarded() as world:
        def run(who, *words):
            return world.people.run([PROGRAM, "--address", world.bus.address, *words], who)
        assert "test " in run("outsider", "list").stdout
        assert run("outsider", "wait", "test", "running").stdout == "running\n"
        world.polkit.change(rule("outsider", OUR_MONITOR, "NO"))
        for words in (["list"], ["monitor"], ["wait", "test", "running"]):
            refused = run("outsider", *words)
            assert (refused.returncode, refused.stdout) == (1, ""), refused
            assert "org.guestbus1.monitor" in refused.stderr
