# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service costs, in instructions and in system calls: a gate that other work on the machine cannot touch.

callgrind counts instructions, strace system calls, each of one service beside a private libvirtd with domains of the
test driver. Everything happens one at a time, so that nothing folds, and is counted in batches: the least of them
counts, since what happens beside it can only add. What is above its bound is counted again. A bound is a few per cent
above what was measured when it was set. A change that makes something cheaper lowers it.

Instructions are spent in libraries and made by the compiler, too: the bounds hold for the versions named. With others
the figures are printed and nothing else."""

import dataclasses
import pathlib
import re
import shutil
import subprocess
import time
import uuid

import libvirt
import pytest

from support.client import DOMAIN, PROPERTIES, Client
from support.hosts.host import Libvirtd
from support.process import SANITIZED, alive, read, switches, wait_until
from support.service import Service

# Under callgrind everything takes some fifty times as long.
SLOW = 120.0
REST = 0.3
BATCHES = 3
# An event after which nothing happens for so long is confirmed alone, and none comes soon after another.
CONFIRMED = 1.1
DOMAINS = 200
DOMAIN1 = "org.guestbus.Domain1"
UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
PATH = f"/org/libvirt/Test/domain/_{UUID.replace('-', '_')}"
XML = "<domain type='test'><name>{0}</name><memory>1024</memory><os><type>hvm</type></os></domain>"

# Nothing is done by itself.
CONFIG = "[limits]\nkeepalive-interval=0\ncheck-interval=0\n"

# What makes the figures beside the service, and how it is found.
VERSIONS = {"machine": "x86_64", "compiler": "12", "libc": "2.36", "libvirt": "9.0.0", "glib-2.0": "2.74.6",
            "libsystemd": "252"}
QUESTIONS = {"machine": "uname -m", "compiler": "cc -dumpversion", "libc": "getconf GNU_LIBC_VERSION"}


@dataclasses.dataclass
class Bound:
    instructions: int
    system_calls: float


BOUNDS = {
    "Ping": Bound(20_000, 6),
    "Get of the mirror": Bound(36_500, 7),
    "GetState": Bound(121_000, 50),
    "lifecycle event and its question": Bound(289_000, 60),
    "metadata event": Bound(111_000, 7),
    "domain at start": Bound(240_000, 3.5),
}


def answer(question):
    """The last word of what a program prints; "" where it cannot be asked."""
    try:
        words = subprocess.run(question.split(), capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        return ""
    return words[-1] if words else ""


def versions():
    return {name: answer(QUESTIONS.get(name, f"pkg-config --modversion {name}")) for name in VERSIONS}


def state(pid, thread):
    return read(f"/proc/{pid}/task/{thread}/stat").rpartition(b")")[2].split()[:1]


def rest(pid):
    """Waits until it waits. A thread that has work, and no processor for it, does not wait."""
    before, since = None, time.monotonic()

    def rested():
        nonlocal before, since
        now = switches(pid)
        if now != before or any(state(pid, thread) != [b"S"] for thread in now):
            before, since = now, time.monotonic()
        return time.monotonic() - since > REST
    wait_until(rested, SLOW, "it comes to rest", every=0.02)


class Instructions:
    """callgrind, told by vgdb to write down what it has counted, and to begin anew."""
    unit = "instructions"

    def __init__(self, home):
        self.home = home
        self.file = home / "callgrind"
        self.dumps = 0

    @staticmethod
    def missing():
        if not shutil.which("valgrind") or not shutil.which("vgdb"):
            return "valgrind is not installed"
        return None

    def wrap(self, argv):
        return ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={self.file}",
                f"--vgdb-prefix={self.home}/vgdb", *argv]

    def take(self, pid):
        """How many since the last time."""
        self.dumps += 1
        told = subprocess.run(["vgdb", f"--vgdb-prefix={self.home}/vgdb", f"--pid={pid}", "dump"], check=False,
                              capture_output=True, text=True, timeout=SLOW)
        assert alive(pid)
        if told.returncode:
            pytest.skip(f"vgdb cannot reach it here: {told.stderr[-300:]}")
        text = pathlib.Path(f"{self.file}.{self.dumps}").read_text(encoding="utf-8")
        return int(re.search(r"^totals: (\d+)", text, re.MULTILINE).group(1))


class SystemCalls:
    """strace, which writes a line for each call, or two where another thread comes between."""
    unit = "system_calls"

    def __init__(self, home):
        self.file = home / "strace"
        self.before = 0

    @staticmethod
    def missing():
        if not shutil.which("strace"):
            return "strace is not installed"
        tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
        return "strace may not trace here" if tried.returncode else None

    def wrap(self, argv):
        return ["strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", str(self.file), *argv]

    def take(self, pid):
        """How many since the last time."""
        now = sum("resumed>" not in line for line in self.file.read_text(errors="replace").splitlines())
        before, self.before = self.before, now
        return now - before


class Stand:
    """A service with a libvirtd behind it, a plain client that makes events, and one on the bus that hears them."""

    def __init__(self, counter, bus, home, libvirtd):
        self.counter = counter(home)
        self.service = Service(bus, home, {"Test": libvirtd.test_uri}, config=CONFIG, wrap=self.counter.wrap)
        self.plain = libvirt.open(libvirtd.test_uri)
        self.domain = self.plain.lookupByUUIDString(UUID)
        self.client = Client(bus.address).match()
        self.done = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.service.abandon()
        self.client.close()
        self.plain.close()

    def start(self):
        """Starts the service; returns what that costs until it is at rest."""
        self.service.spawn()
        wait_until(lambda: "domains: " in self.service.stderr() or self.service.ended(), SLOW, self.service.stderr)
        return self.count(lambda: None)

    def stop(self):
        self.service.stop(within=SLOW, read=False)

    def count(self, function):
        function()
        rest(self.service.pid)
        return self.counter.take(self.service.pid)

    def least(self, function, times):
        """The cost of one, after some that fill what is filled once."""
        self.count(lambda: [function() for _ in range(2)])
        return min(self.count(lambda: [function() for _ in range(times)]) for _ in range(BATCHES)) / times

    # What is measured

    def ping(self):
        self.client.call(PATH, "org.freedesktop.DBus.Peer", "Ping", within=SLOW)

    def get_state(self):
        self.client.call(PATH, DOMAIN, "GetState", "u", (0,), within=SLOW)

    def get(self):
        self.client.call(PATH, PROPERTIES, "Get", "ss", (DOMAIN1, "Active"), within=SLOW)

    def suspend_or_resume(self):
        """With the question that confirms it."""
        self.client.signals.clear()
        self.done += 1
        if self.done % 2:
            self.domain.suspend()
        else:
            self.domain.resume()
        self.client.wait_signal("PropertiesChanged", SLOW, path=PATH)
        time.sleep(CONFIRMED)

    def set_title(self):
        self.client.signals.clear()
        self.done += 1
        self.domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, f"title {self.done}", None, None)
        self.client.wait_signal("Event", SLOW, path=PATH)


def measure(counter, bus, home, libvirtd):
    """{what: how many of it}"""
    with Stand(counter, bus, home, libvirtd) as stand:
        few = stand.start()
        found = {"Ping": stand.least(stand.ping, 100),
                 "Get of the mirror": stand.least(stand.get, 100),
                 "GetState": stand.least(stand.get_state, 100),
                 "lifecycle event and its question": stand.least(stand.suspend_or_resume, 2),
                 "metadata event": stand.least(stand.set_title, 30)}
        stand.stop()
        for _ in range(DOMAINS):
            stand.plain.defineXML(XML.format(uuid.uuid4()))

    with Stand(counter, bus, home, libvirtd) as stand:
        found["domain at start"] = (stand.start() - few) / DOMAINS
        stand.stop()
    return found


def bounds_of(counter):
    return {what: getattr(bound, counter.unit) for what, bound in BOUNDS.items()}


def above(counter, found):
    return {what: figure for what, figure in found.items() if figure > bounds_of(counter)[what]}


def check(counter, found):
    """Prints the figures, and fails where one is above its bound and the libraries are those of the bounds."""
    bounds = bounds_of(counter)
    print()
    for what, figure in found.items():
        print(f"{what}: {figure:,.1f} {counter.unit.replace('_', ' ')}; bound {bounds[what]:,}")
    if SANITIZED or versions() != VERSIONS:
        pytest.skip(f"the bounds are those of {VERSIONS}; here are {versions()}")
    assert not above(counter, found), f"above the bounds: {above(counter, found)}"


@pytest.fixture(name="libvirtd")
def quiet_libvirtd(home, libvirt_cache):
    """One that does not ask whether its clients are there."""
    if not shutil.which("libvirtd"):
        pytest.skip("libvirtd is not installed")
    daemon = Libvirtd(home, libvirt_cache)
    daemon.configure("keepalive_interval = -1\n")
    daemon.start()
    yield daemon
    daemon.finish()


@pytest.mark.parametrize("counter", [Instructions, SystemCalls], ids=lambda counter: counter.unit)
def test_cost(counter, one_bus, home, libvirtd):
    lacking = counter.missing()
    if lacking:
        pytest.skip(lacking)
    found = measure(counter, one_bus, home, libvirtd)
    if above(counter, found):
        again = measure(counter, one_bus, home, libvirtd)
        found = {what: min(figure, again[what]) for what, figure in found.items()}
    check(counter, found)
