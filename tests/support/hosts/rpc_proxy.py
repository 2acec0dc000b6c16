# SPDX-License-Identifier: LGPL-2.1-or-later
"""A UNIX socket in front of libvirtd's that notes every call of libvirt's protocol, and can hold events up,
or single answers.

A message is a 32-bit length, which counts itself, and a header of six 32-bit numbers, all of them big-endian:
program, version, procedure, type, serial, status. Keep-alive is a program of its own, and not counted."""

import array
import collections
import os
import socket
import struct
import threading

from .sockets import hang_up

HEADER = struct.Struct(">7I")
LENGTH = struct.Struct(">I")
REMOTE_PROGRAM = 0x20008086
CALL, REPLY, CALL_WITH_FDS = 0, 1, 4
MESSAGE = 2  # what nobody asked for
REGISTER_FOR_DOMAIN_EVENTS = 316
LIST_ALL_STORAGE_POOLS = 281
MOST_FDS = 64


class Frames:
    """Calls found in a stream of bytes."""

    def __init__(self):
        self.data = bytearray()

    def feed(self, data):
        """The procedures of the calls that are complete with this piece."""
        self.data += data
        found = []
        while len(self.data) >= LENGTH.size:
            length, = LENGTH.unpack_from(self.data)
            if len(self.data) < length:
                break
            _, program, _, procedure, kind, _, _ = HEADER.unpack_from(self.data)
            if program == REMOTE_PROGRAM and kind in (CALL, CALL_WITH_FDS):
                found.append(procedure)
            del self.data[:length]
        return found


class Pair:
    """A client and the connection to libvirtd that was opened for it; a thread for each direction."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.frames = Frames()
        self.calls = []
        self.threads = [threading.Thread(target=self.pump, args=args, daemon=True) for args in (
            (self.client, self.server, self.note), (self.server, self.client, self.wait))]

    def start(self):
        try:
            self.server.connect(self.proxy.target)
        except OSError:  # libvirtd is away, and so are we for this client
            self.hang_up()
        for thread in self.threads:
            thread.start()

    def note(self, data):
        """What the client sends. Noted before it is passed on: who has the reply finds its call here."""
        self.calls += self.frames.feed(data)
        return data

    def wait(self, data):
        """What libvirtd sends."""
        if self.has_events:
            self.proxy.flowing.wait()
        return self.proxy.change(data)

    @property
    def has_events(self):
        return REGISTER_FOR_DOMAIN_EVENTS in self.calls

    def pump(self, source, target, before):
        try:
            while True:
                data, ancillary, _, _ = source.recvmsg(1 << 16, socket.CMSG_SPACE(MOST_FDS * 4))
                if not data:
                    break
                forward(target, before(data), ancillary)
        except OSError:
            pass  # one of the two hung up
        self.hang_up()

    def hang_up(self):
        for one in (self.client, self.server):
            hang_up(one)

    def close(self):
        self.hang_up()
        for thread in self.threads:
            thread.join()
        self.client.close()
        self.server.close()


def forward(target, data, ancillary):
    """Sends all of it; descriptors go with the first byte, as they came, and are closed here."""
    fds = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
    try:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
        target.sendall(data[target.sendmsg([data], rights):])
    finally:
        for fd in fds:
            os.close(fd)


class Proxy:
    """Listens at @path for clients of the libvirtd at @target, until close()."""

    def __init__(self, path, target):
        self.path = str(path)
        self.target = str(target)
        self.pairs = []
        self.flowing = threading.Event()
        self.flowing.set()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def change(self, data):
        """What libvirtd says, as it is passed on."""
        return data

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            self.pairs.append(Pair(self, client))
            self.pairs[-1].start()

    def calls(self):
        """The procedures called so far on the connections that serve calls: those that asked for no events."""
        return [procedure for pair in self.pairs if not pair.has_events for procedure in pair.calls]

    def event_calls(self):
        """The same on those that asked for events, which serve what the service itself wants to know."""
        return [procedure for pair in self.pairs if pair.has_events for procedure in pair.calls]

    def hold_events(self):
        """libvirtd's words on the connections that serve events wait from now on."""
        self.flowing.clear()

    def let_events_go(self):
        self.flowing.set()

    def close(self):
        self.let_events_go()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for pair in self.pairs:
            pair.close()


class Holder(Proxy):
    """Holds up those of libvirtd's words for which `holds`, a function of the procedure and the type, is true.
    They come before the next word after it was changed."""

    def __init__(self, path, target):
        self.holds = None
        self.parts = collections.defaultdict(bytes)
        self.held = collections.defaultdict(list)
        super().__init__(path, target)

    def change(self, data):
        me, passed, holds = threading.get_ident(), b"", self.holds
        data = self.parts[me] + data
        while len(data) >= HEADER.size and len(data) >= HEADER.unpack_from(data)[0]:
            length, program, _, procedure, kind, _, _ = HEADER.unpack_from(data)
            if holds and program == REMOTE_PROGRAM and holds(procedure, kind):
                self.held[me].append(data[:length])
            else:
                held = [] if holds else self.held.pop(me, [])
                passed += b"".join([*held, data[:length]])
            data = data[length:]
        self.parts[me] = data
        return passed
