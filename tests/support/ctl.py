# SPDX-License-Identifier: LGPL-2.1-or-later
"""guestbusctl, as its users run it."""

import json
import os
import pathlib
import signal
import subprocess

from .process import MARK, PATIENCE, reap, spawn, wait_until
from .service import FAULTS, binary

PROGRAM = str(pathlib.Path(binary()).parents[1] / "clients" / "guestbusctl" / "guestbusctl")
ENV = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
WITHIN = 20 * PATIENCE


def ctl(bus, *words, status=0, env=None):
    """Runs it to its end, which is of that status; returns (what it printed, what it complained of)."""
    done = subprocess.run([PROGRAM, "--address", bus.address, *words], env={**os.environ, **ENV, **(env or {})},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8",
                          timeout=WITHIN, check=False)
    assert not FAULTS.search(done.stderr), done.stderr[-8000:]
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


class Running:
    """One that runs until it is ended, and what it prints."""

    def __init__(self, home, argv, user=None):
        number = len(list(pathlib.Path(home).glob("ctl*.out")))
        self.output, self.errors = (pathlib.Path(home) / f"ctl{number}.{name}" for name in ("out", "err"))
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = spawn(argv, home, env={**ENV, MARK: str(home)}, user=user, stdout=output, stderr=errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        reap(self.process, WITHIN)
        assert not FAULTS.search(self.complaints()), self.complaints()[-8000:]
        return self.process.returncode

    def complaints(self):
        return self.errors.read_text(encoding="utf-8")

    def lines(self):
        """All that are whole."""
        text = self.output.read_text(encoding="utf-8")
        return text[:text.rfind("\n") + 1].splitlines()

    def json(self):
        return [json.loads(line) for line in self.lines()]

    def wait_for(self, predicate):
        """Returns the first line for which it is true."""
        return wait_until(lambda: next((line for line in self.lines() if predicate(line)), None), WITHIN,
                          lambda: f"a line; {self.lines()} {self.complaints()}")

    def finish(self):
        """Its status, when it ends by itself."""
        reap(self.process, WITHIN)
        return self.process.returncode


def monitor(home, bus, *words, user=None):
    return Running(home, [PROGRAM, "--address", bus.address, "monitor", *words], user)
