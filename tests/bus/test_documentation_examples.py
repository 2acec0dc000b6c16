# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of the README and the guide to events, as they stand there. A reader's system bus is a private one
here."""

import os
import re
import signal
import subprocess
import textwrap

import pytest

from support.client import DOMAIN, Client
from support.ctl import PROGRAM
from support.hosts.native import XML, filled, number_of
from support.hosts.native import plain  # noqa: F401 (fixture)
from support.hosts.workload import object_path
from support.models.listener import MANAGER, ROOT
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
    env = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address, "PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"}
    return spawn(["sh", "-ec", script], home, env=env, cwd=home, **options)


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


class Listener:
    """An example that runs until it is ended, and what it prints."""

    def __init__(self, example, bus, home):
        self.example = example
        self.log = home / "listener.log"
        # One command is the process itself; a script of several lines is read by it and has none below.
        with self.log.open("wb") as output:
            self.process = run_example("exec " + example, bus, home, stdout=output, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)

    def printed(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def lines(self):
        return self.printed().splitlines()

    def heard(self, client, after=0):
        """Has a guest paused, and says whether it printed that."""
        client.call(TEST_DOMAIN, DOMAIN, "Suspend")
        client.call(TEST_DOMAIN, DOMAIN, "Resume")
        if "guestbusctl" in self.example:
            return "suspended (paused)" in self.printed()[after:]
        # What an example lists at first names it once.
        return any(PAUSED.match(words) for words in self.printed()[after:].split(TEST_DOMAIN)[2:])


@pytest.mark.parametrize("example", LISTENING, ids=title)
def test_listening(example, one_bus, run_service, home):
    """It hears what happens, also after a restart of the service, and takes that for nothing else."""
    service = run_service(one_bus)
    with Listener(example, one_bus, home) as listener, Client(one_bus.address) as client:
        for sig in (None, signal.SIGTERM, signal.SIGKILL):
            if sig:
                service.restart(sig)
            wait_connected(client)
            mark = len(listener.printed())
            wait_until(lambda: listener.heard(client, mark), 30 * PATIENCE, listener.printed)  # noqa: B023
        assert " is gone" not in listener.printed() and "Traceback" not in listener.printed()


def define(plain, name):
    plain.defineXML(filled(XML, name))
    return object_path("/org/libvirt/Test", "domain", number_of(name))


def test_a_picture_over_restarts(one_bus, libvirtd, plain, run_service, home):
    """GLib's: after a restart it prints what has changed meanwhile, and nothing else."""
    example, = [example for example in LISTENING if "ObjectManagerClient" in example]
    stays, goes, changes, waits = [define(plain, name) for name in ("stays", "goes", "changes", "waits")]
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    with Listener(example, one_bus, home) as listener, Client(one_bus.address) as client:
        wait_until(lambda: len(listener.lines()) == 5, 30 * PATIENCE, listener.printed)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            mark = len(listener.lines())
            service.restart(sig)
            wait_connected(client)
            plain.lookupByName("changes").create()
            wait_until(lambda: len(listener.lines()) > mark, 30 * PATIENCE, listener.printed)  # noqa: B023
            plain.lookupByName("changes").destroy()
            wait_until(lambda: len(listener.lines()) > mark + 1, 30 * PATIENCE, listener.printed)  # noqa: B023
            assert listener.lines()[mark:] == [f"{changes} changes {state}" for state in ("running", "shutoff")]

        mark = len(listener.lines())
        service.kill()
        plain.lookupByName("goes").undefine()
        plain.lookupByName("changes").create()
        service.start()
        wait_until(lambda: len(listener.lines()) == mark + 2, 30 * PATIENCE, listener.printed)
        assert sorted(listener.lines()[mark:]) == sorted([f"{changes} changes running", f"{goes} is gone"])

        # That libvirt cannot be asked does not mean that a guest is gone; that it has another list does.
        mark = len(listener.lines())
        libvirtd.stop()
        service.restart(signal.SIGKILL)
        assert TEST_DOMAIN not in client.call(ROOT, MANAGER, "GetManagedObjects")[0]
        assert len(listener.lines()) == mark
        libvirtd.start()
        wait_until(lambda: len(listener.lines()) == mark + 3, 30 * PATIENCE, listener.printed)
        assert sorted(listener.lines()[mark:]) == sorted(f"{path} is gone" for path in (stays, changes, waits))


def test_what_can_be_set_of_tests_is_named():
    """Each variable that a test reads, with what it is by default."""
    read = re.compile(r'environ\.get\("(GUESTBUS_\w+)", "([\d.]+)"')
    wanted = {found for file in (CHECKOUT / "tests").glob("*/test_*.py")
              for found in read.findall(file.read_text(encoding="utf-8"))}
    rows = [line for line in TEXTS[0].splitlines() if line.startswith("  | `GUESTBUS_")]
    assert len(wanted) >= 7
    for name, default in wanted:
        assert any(f"`{name}`" in row and f": {default}" in row for row in rows), name
