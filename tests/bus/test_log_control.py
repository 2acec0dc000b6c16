# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.freedesktop.LogControl1: how much is logged, who may change it, and where it goes."""

import json
import subprocess
import sys

import pytest

from support import PROGRAMS
from support.client import CONNECT, PROPERTIES, DBusError
from support.hosts import people as others
from support.process import PATIENCE, left_behind, wait_until
from support.service import OURS

PATH = "/org/freedesktop/LogControl1"
LOG = "org.freedesktop.LogControl1"
LEVELS = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
JOURNAL = PROGRAMS / "journal.py"


def level(client):
    return client.get(PATH, LOG, "LogLevel")


def busctl(bus, *arguments):
    return subprocess.run(["busctl", f"--address={bus.address}", *arguments], capture_output=True, text=True,
                          timeout=30 * PATIENCE, check=False)


@pytest.fixture
def account_service(people, people_bus, run_service):
    """The service as its own account, on a bus that knows everybody."""
    return run_service(people_bus, wrap=lambda argv: people.wrap(argv, "guestbus"))


def test_what_it_says(service, client):
    """The tests' service is verbose, and its standard error is a file."""
    assert client.get_all(PATH, LOG) == {
        "LogLevel": ("s", "debug"), "LogTarget": ("s", "console"), "SyslogIdentifier": ("s", "guestbusd")}
    done = busctl(service.bus, "get-property", OURS, PATH, LOG, "LogLevel", "LogTarget", "SyslogIdentifier")
    assert done.stdout == 's "debug"\ns "console"\ns "guestbusd"\n', done.stderr


def test_without_verbose(one_bus, run_service, connect):
    service = run_service(one_bus, start=False)
    service.args.remove("--verbose")
    service.start()
    assert level(connect(one_bus)) == ("s", "notice")


@pytest.mark.parametrize("word", LEVELS)
def test_levels(service, client, word):
    """Each is taken, at once; its change is logged as far as one of the two levels lets it through."""
    done = busctl(service.bus, "set-property", OURS, PATH, LOG, "LogLevel", "s", word)
    assert done.returncode == 0, done.stderr
    assert level(client) == ("s", word)
    client.set(PATH, LOG, "LogLevel", "s", "emerg")
    logged = [line for line in service.lines() if "logging up to level" in line]
    loud = LEVELS.index(word) >= LEVELS.index("notice")
    assert logged == [f"guestbusd: logging up to level {each}" for each in [word] + ["emerg"] * loud]


def test_silence(service, client):
    """At "err" a warning is not written any more, and at "warning" it is."""
    def provoke():
        before = len(service.lines())
        client.bus("RequestName", "su", "org.libvirt", 2 | 4)
        client.bus("ReleaseName", "s", "org.libvirt")
        client.destination = OURS
        client.get("/org/libvirt/Test", CONNECT, "LibVersion")
        return "\n".join(service.lines()[before:])

    client.set(PATH, LOG, "LogLevel", "s", "warning")
    assert "warning: org.libvirt was taken over" in provoke()
    client.set(PATH, LOG, "LogLevel", "s", "err")
    assert provoke() == ""


@pytest.mark.parametrize("name, signature, value, error", [
    ("LogLevel", "s", "loud", "org.freedesktop.DBus.Error.InvalidArgs"),
    ("LogLevel", "s", "", "org.freedesktop.DBus.Error.InvalidArgs"),
    ("LogLevel", "u", 3, "org.freedesktop.DBus.Error.InvalidArgs"),
    ("LogLevel", "s", "info\U0010ffff", "org.freedesktop.DBus.Error.InconsistentMessage"),
    ("LogTarget", "s", "console", "org.freedesktop.DBus.Error.PropertyReadOnly"),
    ("SyslogIdentifier", "s", "other", "org.freedesktop.DBus.Error.PropertyReadOnly"),
])
def test_refused(client, name, signature, value, error):
    """What is wrong changes nothing."""
    with pytest.raises(DBusError) as refused:
        client.set(PATH, LOG, name, signature, value)
    assert refused.value.name == error
    assert level(client) == ("s", "debug")


def test_who_may_change_it(account_service, connect_as):
    """Root and the service's account; everybody may look."""
    bus = account_service.bus
    clients = {who: connect_as(who, bus) for who in ("root", "guestbus", "member", "outsider")}
    for who, word in {"root": "info", "guestbus": "warning"}.items():
        clients[who].set(PATH, LOG, "LogLevel", "s", word)
        assert {level(client) for client in clients.values()} == {("s", word)}
    for who in ("member", "outsider"):
        error = clients[who].error(PATH, PROPERTIES, "Set", "ssv", (LOG, "LogLevel", ("s", "debug")))
        assert error.name == "org.freedesktop.DBus.Error.AccessDenied"
        assert {level(client) for client in clients.values()} == {("s", "warning")}


def test_changes_among_calls(client):
    """The service asks the bus who changes it; what arrives meanwhile is answered all the same, in order."""
    serials, words = [], []
    for index in range(100):
        words.append(LEVELS[index % len(LEVELS)])
        serials.append(client.send(PATH, PROPERTIES, "Set", "ssv", (LOG, "LogLevel", ("s", words[-1]))))
        serials.append(client.send(PATH, PROPERTIES, "Get", "ss", (LOG, "LogLevel")))
        serials.append(client.send("/org/libvirt/Test", PROPERTIES, "Get", "ss", (CONNECT, "LibVersion")))
    replies = list(client.collect(serials).values())
    assert [reply.body[0] for reply in replies[1::3]] == [("s", word) for word in words]
    assert {reply.body[0][0] for reply in replies[2::3]} == {"t"}


def test_journal(home, one_bus, run_service, connect):
    """Where standard error is the journal's, messages go to its own socket, under the name that is told."""
    lacking = others.missing()
    if lacking:
        pytest.skip(f"{lacking} is not there")
    file = home / "journal"
    wrap = [sys.executable, str(JOURNAL), str(file)]
    service = run_service(one_bus, wrap=lambda argv: [*wrap, *argv])
    client = connect(one_bus)
    assert client.get(PATH, LOG, "LogTarget") == ("s", "journal")
    client.set(PATH, LOG, "LogLevel", "s", "info")

    def entry():
        lines = file.read_text(encoding="utf-8").splitlines()
        return next((each for each in map(json.loads, lines) if "up to level info" in each["MESSAGE"]), None)
    found = wait_until(entry, 10 * PATIENCE, "the message is in the journal")
    assert found["SYSLOG_IDENTIFIER"] == client.get(PATH, LOG, "SyslogIdentifier")[1]
    assert found["PRIORITY"] == "5"
    assert service.stderr() == ""
    service.stop()
    wait_until(lambda: left_behind(home) == [one_bus.process.pid], 10 * PATIENCE, "the journal ends")
