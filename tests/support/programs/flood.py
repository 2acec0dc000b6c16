# SPDX-License-Identifier: LGPL-2.1-or-later
"""A flood of calls: one process, several connections, each with as many calls under way as it may have, or with
calls that want no reply. Messages are copied, not made, and of a reply only its length is looked at, so that the
bus and the service are what limits."""

import contextlib
import multiprocessing
import select
import struct
import time

from ..process import PATIENCE, wait_until

NO_REPLY = 0x1
WITHIN = 60 * PATIENCE
# Calls that want no reply go out in rows of so many bytes.
ROW = 1 << 12
# As many of them a second, of each connection: a dbus-broker takes more than any service can read, and keeps them.
RATE = 2500


class Connection:
    """One of the flood's, over the socket of a Client. `window` is how many replies may be outstanding, 0 for
    calls that want none."""

    def __init__(self, client, call, window):
        self.sock = client.connection.sock
        self.window = window
        message = client.message(*call)
        if not window:
            message.header.flags |= NO_REPLY
        self.template = bytearray(message.serialise(1))
        self.serial = 1 << 20
        self.began = time.monotonic()
        self.unsent = memoryview(b"")
        self.waiting = self.answered = 0
        self.received = bytearray()
        self.sock.setblocking(False)

    def allowed(self):
        """How many calls that want no reply may be sent by now."""
        return (time.monotonic() - self.began) * RATE

    def make(self, number):
        parts = []
        for _ in range(number):
            self.serial += 1
            struct.pack_into("<I", self.template, 8, self.serial)
            parts.append(bytes(self.template))
        self.unsent = memoryview(b"".join(parts))

    def fill(self):
        """What there is to be sent."""
        if self.unsent:
            return
        if self.window:
            number = self.window - self.waiting
            self.waiting += number
        else:
            number = max(ROW // len(self.template), 1) if self.serial - (1 << 20) < self.allowed() else 0
        if number:
            self.make(number)

    def write(self):
        with contextlib.suppress(BlockingIOError):
            self.unsent = self.unsent[self.sock.send(self.unsent):]

    def read(self):
        with contextlib.suppress(BlockingIOError):
            data = self.sock.recv(1 << 20)
            if not data:
                raise ConnectionResetError("the bus hung up")
            self.received += data
        at = 0
        while len(self.received) - at >= 16:
            body, _, fields = struct.unpack_from("<III", self.received, at + 4)
            size = 16 + (fields + 7) // 8 * 8 + body
            if len(self.received) - at < size:
                break
            if self.received[at + 1] in (2, 3):
                self.waiting -= 1
                self.answered += 1
            at += size
        del self.received[:at]


def run(connections, stop, count):
    """Until it is told to stop, and has finished what it sent and read what it was sent: others are to use the
    connections after it."""
    while not stop.is_set() or any(one.unsent or one.waiting or one.received for one in connections):
        for one in connections if not stop.is_set() else ():
            one.fill()
        readable, writable, _ = select.select([one.sock for one in connections],
                                              [one.sock for one in connections if one.unsent], [], 0.01)
        for one in connections:
            if one.sock in writable:
                one.write()
            if one.sock in readable:
                one.read()
        count.value = sum(one.answered if one.window else one.serial - (1 << 20) for one in connections)


@contextlib.contextmanager
def flooding(clients, calls, window):
    """While it lasts, each of the clients makes one of the calls (path, interface, member, signature, args), again
    and again. The value of what it yields is how many were answered, or sent where no reply is wanted."""
    connections = [Connection(client, calls[index % len(calls)], window) for index, client in enumerate(clients)]
    with in_another_process(run, connections) as count:
        yield count


@contextlib.contextmanager
def in_another_process(function, *args):
    """While it lasts, function(*args, stop, count) runs beside the test, until `stop` is set. `count`, whose value it
    sets, is yielded once there is some."""
    context = multiprocessing.get_context("fork")
    stop, count = context.Event(), context.Value("l", 0)
    process = context.Process(target=function, args=(*args, stop, count))
    process.start()
    try:
        wait_until(lambda: count.value or not process.is_alive(), WITHIN, "the flood begins")
        yield count
    finally:
        stop.set()
        process.join(WITHIN)
    assert process.exitcode == 0
