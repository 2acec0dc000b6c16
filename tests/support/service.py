# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon under test: started on a private bus, watched, and ended with a look at what it wrote.

GUESTBUSD names the binary (default: build/service/guestbusd of this checkout). GUESTBUS_SANITIZED=1 says that
it was built with sanitizers; ASAN_OPTIONS and UBSAN_OPTIONS reach it as they are."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time

from .client import CONNECT, PROPERTIES, Client, DBusError
from .models import ring
from .process import LEAST, PATIENCE, descriptors, end, spawn, status, switches, wait_until

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
FAULTS = re.compile(r"ERROR: AddressSanitizer|runtime error:|LeakSanitizer|ThreadSanitizer|CRITICAL")
OURS = "org.guestbus1"
TEST = {"Test": "test:///default"}
# What it promises, beside what the machine takes for it: see soon().
ENDS_WITHIN = 2.0


def binary():
    """The path of guestbusd; the tests make no sense without it, so its absence fails them."""
    path = os.environ.get("GUESTBUSD") or str(CHECKOUT / "build" / "service" / "guestbusd")
    assert os.access(path, os.X_OK), f"{path} is not there: build it, or set GUESTBUSD"
    return path


def command(*args):
    return [binary(), *args]


class Service:
    """One run of guestbusd. `connections` is {name: URI}; `config` the text of a configuration file; `wrap`
    makes a command line of another, such as one that runs it elsewhere."""

    def __init__(self, bus, home, connections=None, config=None, args=(), env=None, wrap=list):
        self.bus = bus
        self.home = pathlib.Path(home)
        self.args = ["--address", bus.address, "--verbose"]
        for name, uri in (TEST if connections is None else connections).items():
            self.args += ["--connect", f"{name}={uri}"]
        self.number = len(list(self.home.glob("guestbusd*.log")))
        if config is not None:
            file = self.home / f"guestbusd{self.number}.conf"
            file.write_text(config, encoding="utf-8")
            self.args += ["--config", str(file)]
        self.args += args
        self.env = env
        self.state = self.home / "state"  # of all that run in that home
        self.wrap = wrap
        self.log = self.home / f"guestbusd{self.number}.log"
        self.process = None
        self.unread = None  # why its events are not read at its end, where that makes no sense

    # Life

    def spawn(self):
        """Starts it without waiting for anything."""
        self.state.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):
            self.state.chmod(0o777)  # it may run as another user
        env = {"STATE_DIRECTORY": str(self.state), **(self.env or {})}
        with self.log.open("wb") as log:
            self.process = spawn(self.wrap(command(*self.args)), self.home, env=env, stdout=log, stderr=log)
        return self

    def start(self, name=OURS):
        """Starts it and waits until it owns `name`, and until org.libvirt has an owner, be it another."""
        self.spawn()
        return self.wait_ready(name)

    def wait_ready(self, name=OURS):
        """The rest of start(), after spawn()."""
        with Client(self.bus.address) as client:
            wait_until(lambda: self.ended() or self.ready(client, name), 10 * PATIENCE,
                       lambda: f"{name} owned; {self.stderr()}")
        assert not self.ended(), f"guestbusd ended with {self.process.returncode}: {self.stderr()}"
        return self

    def ready(self, client, name):
        return self.owns(client, name) and client.has_owner(client.destination)

    def owns(self, client, name):
        try:
            return client.pid_of(name) == self.pid
        except DBusError:
            return False

    def ended(self):
        return self.process.poll() is not None

    def stop(self, sig=signal.SIGTERM, within=LEAST, read=True):
        """Ends it: with exit status 0, without a fault in what it wrote. Returns the seconds that it took; a test that
        is about that looks at them, as soon() does. What already ended must have ended well. With @read its events are
        read before."""
        if self.process is None:
            return 0.0
        if read:
            self.check_events()
        began = time.monotonic()
        if not self.ended():
            self.process.send_signal(sig)
        try:
            result = self.process.wait(within)
        except subprocess.TimeoutExpired:
            end(self.process, 0)
            text = self.stderr()[-3000:]
            raise AssertionError(f"guestbusd did not end within {within} s: {text}") from None
        finally:
            process, self.process = self.process, None
        took = time.monotonic() - began
        text = self.stderr()
        assert not FAULTS.search(text), text[-8000:]
        assert result == 0, f"guestbusd {process.pid} ended with {result}: {text[-3000:]}"
        return took

    def kill(self):
        """Ends it without a chance to do anything."""
        process, self.process = self.process, None
        end(process, sig=signal.SIGKILL)
        text = self.stderr()
        assert not FAULTS.search(text), text[-8000:]

    def restart(self, sig=signal.SIGTERM):
        """Ends it at once, by SIGTERM or SIGKILL, and starts it again: on the same bus, with the same command line,
        files and directories."""
        if sig == signal.SIGKILL:
            self.kill()
        else:
            self.stop(sig, read=False)
        return self.start()

    def check_events(self):
        """The events that it keeps follow the grammar. Where there is no bus any more it is asked nothing, nor where
        it never got its name; a test in which it cannot answer says so in `unread`."""
        if self.unread is not None or self.ended() or self.bus.process.poll() is not None:
            return
        try:
            ring.check(self.bus.address, self.pid)
        except (DBusError, OSError, TimeoutError):
            # A test may have told it to end already: then it has other things to do than to answer.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LEAST)
            if not self.ended():
                raise

    def abandon(self):
        """Ends it in whatever state it is, for teardown after a failure."""
        if self.process is not None:
            end(self.process)
            self.process = None

    # Looking at it

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def lines(self):
        return self.stderr().splitlines()

    def rss(self):
        """Resident memory in KiB."""
        return status(self.pid, "VmRSS")

    def descriptors(self):
        return descriptors(self.pid)

    def threads(self):
        return status(self.pid, "Threads")

    def wakeups(self, seconds):
        """How often its threads woke up in so many seconds, once it has come to rest. GLib's idle threads
        wait for 15 s before they leave, so rest is: that long without a call, and three seconds without a
        wake-up. What never rests is measured all the same: the figure says more than a deadline."""
        began = changed = time.monotonic()
        last = switches(self.pid)
        while time.monotonic() - began < 30:
            time.sleep(0.25)
            now = switches(self.pid)
            if now != last:
                last, changed = now, time.monotonic()
            if time.monotonic() - began > 16 and time.monotonic() - changed > 3:
                break
        before = switches(self.pid)
        time.sleep(seconds)
        after = switches(self.pid)
        return sum(count - before.get(thread, 0) for thread, count in after.items())

    def alive(self):
        """The process answers: a Ping of ours comes back."""
        with Client(self.bus.address) as client:
            client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping", destination=self.name(client))
        return not self.ended()

    @staticmethod
    def name(client):
        return OURS if client.has_owner(OURS) else client.destination


def wait_connected(client, name="Test", within=10.0 * PATIENCE):
    """Waits until calls on a connection succeed; returns the seconds it took."""
    began = time.monotonic()

    def works():
        try:
            client.call(f"/org/libvirt/{name}", PROPERTIES, "Get", "ss", (CONNECT, "LibVersion"),
                        within=within)
        except DBusError as error:
            works.error = error
            return False
        return True
    wait_until(works, within, lambda: f"connection {name}: {works.error}")
    return time.monotonic() - began


def has_failed(service, within=10 * PATIENCE):
    """Waits for its end, which is one that a supervisor tries again after: no signal, no success, and
    nothing that only a human can mend. What it wrote shows no fault. Returns what it wrote."""
    wait_until(service.ended, within, lambda: f"it ends; {service.stderr()[-1000:]}")
    status, service.process = service.process.returncode, None
    text = service.stderr()
    assert not FAULTS.search(text), text[-8000:]
    assert status == 1, f"{status}: {text[-2000:]}"
    return text
