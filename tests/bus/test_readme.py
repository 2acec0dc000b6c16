# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of the README and the guide to events, as they stand there. A reader's system bus is a private one
here."""

import re
import subprocess
import textwrap

import pytest

from support.client import DOMAIN, Client
from support.process import PATIENCE, end, spawn, wait_until
from support.service import CHECKOUT, wait_connected

TEST_DOMAIN = "/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"

TEXTS = [(CHECKOUT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/events.md")]
EXAMPLES = [textwrap.dedent(block)
            for text in TEXTS for block in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.M | re.S)]
GUEST = next(example for example in EXAMPLES if example.startswith("HV="))
LISTENING = [example for example in EXAMPLES if re.search(r"\bmonitor\b|MainLoop", example)]
# What follows the domain's path when it was suspended: in words, or as libvirt's numbers of that event.
PAUSED = re.compile(r'.*\bpaused\b| 3 0$|";\s+INT32 3;', re.S)
ENDING = [example for example in EXAMPLES if example not in LISTENING]


def title(example):
    return re.sub(r"\W+", "-", example)[:40]


def run_example(script, bus, home, **options):
    return spawn(["sh", "-ec", script], home, env={"DBUS_SYSTEM_BUS_ADDRESS": bus.address}, cwd=home, **options)


def test_how_many():
    assert len(EXAMPLES) >= 18


@pytest.mark.parametrize("example", ENDING, ids=title)
def test_example(example, one_bus, run_service, home):
    run_service(one_bus)
    run = run_example(GUEST + example, one_bus, home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    printed, complained = run.communicate(timeout=30 * PATIENCE)
    assert run.returncode == 0, complained
    assert not complained
    # The domain's path, which the example that all others build on prints.
    assert printed.splitlines()[0] == TEST_DOMAIN


@pytest.mark.parametrize("example", LISTENING, ids=title)
def test_listening(example, one_bus, run_service, home):
    run_service(one_bus)
    log = home / "listener.log"
    # One command is the process itself; a script of several lines is read by it and has none below.
    with log.open("wb") as output:
        listener = run_example("exec " + example, one_bus, home, stdout=output, stderr=subprocess.STDOUT)

    with Client(one_bus.address) as client:
        wait_connected(client)

        def printed():
            return log.read_text(encoding="utf-8", errors="replace")

        def heard():
            client.call(TEST_DOMAIN, DOMAIN, "Suspend")
            client.call(TEST_DOMAIN, DOMAIN, "Resume")
            # What an example lists at first names it once.
            return any(PAUSED.match(words) for words in printed().split(TEST_DOMAIN)[2:])

        try:
            wait_until(heard, 30 * PATIENCE, printed)
        finally:
            end(listener)


def test_what_can_be_set_of_tests_is_named():
    """Each variable that a test reads, with what it is by default."""
    read = re.compile(r'environ\.get\("(GUESTBUS_\w+)", "([\d.]+)"')
    wanted = {found for file in (CHECKOUT / "tests").glob("*/test_*.py")
              for found in read.findall(file.read_text(encoding="utf-8"))}
    rows = [line for line in TEXTS[0].splitlines() if line.startswith("  | `GUESTBUS_")]
    assert len(wanted) >= 7
    for name, default in wanted:
        assert any(f"`{name}`" in row and f": {default}" in row for row in rows), name
