# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/soak in short: it finds nothing, writes down what it saw, and ends with everything that it started.

GUESTBUS_SOAK is the number of minutes."""

import json
import os
import signal
from xml.etree import ElementTree

import pytest

from support.hosts import host
from support.hosts import hostile as users
from support.process import PATIENCE, end, left_behind, read, spawn, wait_until
from support.service import CHECKOUT, binary

pytestmark = pytest.mark.long

MINUTES = float(os.environ.get("GUESTBUS_SOAK", "1"))
TOOL = CHECKOUT / "tools" / "soak"
# It starts QEMU for its capabilities, ends a round, and lets threads leave.
MARGIN = 300 * PATIENCE


@pytest.fixture
def soak(home):
    """soak(arguments...): the running tool, whose directory is in ours."""
    lacking = host.missing()
    if lacking:
        pytest.skip(f"{lacking} is not installed")
    started = []

    def start(*arguments):
        with (home / "soak.log").open("wb") as log:
            started.append(spawn([str(TOOL), *arguments], home, env={"TMPDIR": str(home)}, stdout=log,
                                 stderr=log))
        return started[-1]
    yield start
    for process in started:
        end(process, 60)


def names(home):
    """Of the programs that run for it."""
    return {read(f"/proc/{pid}/comm").strip() for pid in left_behind(home)}


def test_a_short_one(soak, home, capsys):
    process = soak("--minutes", str(MINUTES), "--json", str(home / "soak.json"),
                   "--svg", str(home / "soak.svg"))
    status = process.wait(MINUTES * 60 + MARGIN)
    text = (home / "soak.log").read_text(encoding="utf-8")
    assert status == 0, text[-6000:]
    found = json.loads((home / "soak.json").read_text(encoding="utf-8"))
    assert found["outcome"] == "good"
    last = found["samples"][-1]
    assert len(found["samples"]) > MINUTES * 6 and last["seconds"] > MINUTES * 50
    assert all(last[name] > 0 for name in ("rounds", "operations", "flood calls", "random calls", "events"))
    assert last["kills"] + last["stops"] > 0
    for name, values in found["figures"].items():
        assert values["min"] <= values["first"] <= values["max"], name
    root = ElementTree.parse(home / "soak.svg").getroot()
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points").split()) for line in lines] == [len(found["samples"])] * 4
    with capsys.disabled():
        print("\n" + text.partition("\n\n")[2].strip())


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_all_that_it_started(soak, home, sig):
    process = soak("--minutes", "10")
    wait_until(lambda: b"'rounds'" in read(home / "soak.log") or process.poll() is not None, MARGIN,
               lambda: f"the first round; {read(home / 'soak.log')}", every=0.1)
    assert {b"guestbusd", b"dbus-daemon", b"virtlogd"} <= names(home)
    process.send_signal(sig)
    assert process.wait(60 * PATIENCE) == 128 + sig
    wait_until(lambda: not left_behind(home), 10 * PATIENCE, lambda: f"{names(home)} end")
    assert not list(home.glob("gb-*"))


@pytest.fixture
def hostile(soak):
    lacking = users.missing()
    if lacking:
        pytest.skip(f"{lacking} is not there")
    return lambda *arguments: soak("--hostile", "--only", "call_everything", *arguments)


def test_hostile_users(hostile, home):
    """That it says what it saw; test_hostile.py is about what they find."""
    process = hostile("--minutes", "0.05", "--users", "1", "--json", str(home / "hostile.json"))
    status = process.wait(MARGIN)
    text = (home / "soak.log").read_text(encoding="utf-8")
    assert status == 0, text[-6000:]
    assert "| ... unanswered, refused or wrong | 0 | 0 | 0 |" in text
    found = json.loads((home / "hostile.json").read_text(encoding="utf-8"))
    assert not found["faults"] and found["traffic"]["call_everything"] > 0
    assert {one["phase"] for one in found["samples"]} == {"before", "during", "after"}


def test_what_must_hold_among_hostile_users(hostile, home):
    """The service ends: that is named, and the exit status says so."""
    process = hostile("--minutes", "0.05", "--users", "1")
    wait_until(lambda: any(read(f"/proc/{pid}/cmdline").count(b"hostile_user") for pid in left_behind(home))
               or process.poll() is not None, MARGIN, "the hostile user acts")
    served, = (pid for pid in left_behind(home) if read(f"/proc/{pid}/cmdline").startswith(binary().encode()))
    os.kill(served, signal.SIGKILL)
    assert process.wait(MARGIN) == 1
    text = (home / "soak.log").read_text(encoding="utf-8")
    assert "FAILED: guestbusd ended with -9" in text and "of the steady user went wrong" in text, text[-6000:]
