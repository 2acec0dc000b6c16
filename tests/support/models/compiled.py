# SPDX-License-Identifier: LGPL-2.1-or-later
"""The listener of clients/listener, in a process of its own (support/programs/listen.c). What it hands out is checked
as it comes: each event of a connection once, and in order."""

import os
import pathlib
import select
import subprocess

from gi.repository import GLib

from ..process import MARK, PATIENCE, reap
from ..service import FAULTS, binary

WITHIN = 10 * PATIENCE
PROGRAM = pathlib.Path(binary()).parents[1] / "tests" / "listen"


class CompiledListener:
    """Knows what that program knows, as often as it is read."""

    def __init__(self, bus, name, home):
        self.bus = bus
        self.name = name
        self.home = home
        self.process = None
        self.objects = {}
        self.numbers = {}  # {connection: its last one}
        self.pictures = 0
        self.rest = b""

    def come(self):
        self.process = subprocess.Popen([str(PROGRAM), self.bus.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=(self.home / "listen.log").open("wb"),
                                        env={**os.environ, MARK: str(self.home)})

    def leave(self):
        """Ends it with its input; it has written nothing else."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.stdin.close()
        reap(process, WITHIN)
        process.stdout.close()
        assert process.returncode == 0, process.returncode
        text = (self.home / "listen.log").read_text(encoding="utf-8", errors="replace")
        assert not FAULTS.search(text), text[-8000:]

    def read(self):
        """All that it has handed out until it answers."""
        self.process.stdin.write(b"?\n")
        self.process.stdin.flush()
        while not self.take(self.line()):
            pass

    def line(self):
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], WITHIN)
            assert ready, f"{self.name} does not answer"
            some = self.process.stdout.read1(1 << 20)
            assert some, f"{self.name} has ended with {self.process.wait(WITHIN)}"
            self.rest += some
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def take(self, line):
        """Returns whether that was the answer."""
        word, _, rest = line.partition(" ")
        if word == "known":
            self.objects = GLib.Variant.parse(None, rest, None, None).unpack()
        elif word == "stream":
            self.stream(*rest.split())
        elif word == "event":
            self.event(*rest.split())
        else:
            assert word in ("away", "failed", "ended"), line
        return word == "known"

    def stream(self, connection, start):
        """What is resumed goes on with the next number; all else may begin anywhere."""
        self.pictures += 1
        if start != "resumed":
            self.numbers.pop(connection, None)

    def event(self, connection, number, *_):
        before = self.numbers.get(connection)
        assert before in (None, int(number) - 1), f"{self.name}: {number} of {connection} after {before}"
        self.numbers[connection] = int(number)
