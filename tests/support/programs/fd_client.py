# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that sends descriptors, also where no argument names them."""

import array
import contextlib
import glob
import os
import signal
import socket
import struct

from jeepney import MessageFlag
from jeepney.io.blocking import open_dbus_connection

from ..client import PROPERTIES, Client
from ..process import LEAST, PATIENCE, wait_until

FDS = 16  # what a system bus lets a message have
LINGER = 5


class FdClient(Client):
    """A client that may send descriptors."""

    def __init__(self, address):
        super().__init__(address)
        self.connection.close()
        self.connection = open_dbus_connection(address, auth_timeout=LEAST, enable_fds=True)
        self.unique_name = self.connection.unique_name

    def send_with(self, fds, path, interface, member, signature="", args=(), serial=None):
        """Sends a call with these descriptors beside its arguments, and with those that are arguments of the type
        h; returns its serial."""
        return self.send_message(fds, self.message(path, interface, member, signature, args), serial)

    def send_message(self, fds, message, serial=None):
        serial = serial or next(self.connection.outgoing_serial)
        sent = array.array("i", fds)
        data = message.serialise(serial, fds=sent)
        sock = self.connection.sock
        done = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)] if sent else [])
        sock.sendall(data[done:])
        return serial

    def send_dropped(self, fds, serial=None):
        """Sends one that sd-bus drops, with a path longer than it takes and no longer than a bus does. No reply
        is waited for: there is none."""
        message = self.message("/org/libvirt/" + "B" * 66000, "org.libvirt.Domain", "Suspend")
        message.header.flags |= MessageFlag.no_reply_expected
        return self.send_message(fds, message, serial)

    def ping(self, path="/org/libvirt"):
        """Comes back when all that was sent before has been read."""
        self.call(path, "org.freedesktop.DBus.Peer", "Ping")

    def introspect_with(self, fds):
        """A call that takes no descriptors and gets a result."""
        return self.send_with(fds, "/org/libvirt", "org.freedesktop.DBus.Introspectable", "Introspect")

    def get_with(self, fds, path):
        """One that takes none, whose object may be one that libvirt is asked about."""
        return self.send_with(fds, path, PROPERTIES, "GetAll", "s", ("org.libvirt.Connect",))


@contextlib.contextmanager
def null_fds(number=FDS):
    """So many descriptors, all of one file."""
    with open(os.devnull, "rb") as null:
        yield [null.fileno()] * number


class Lingering:
    """TCP sockets whose last close() takes LINGER seconds: their peers read nothing of what was sent."""

    def __init__(self, number):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sockets, self.peers = [], []
        for _ in range(number):
            self.sockets.append(self.make())
            self.peers.append(self.listener.accept()[0])

    def make(self):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, LINGER))
        one.connect(self.listener.getsockname())
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                one.send(bytes(1 << 16))
        return one

    def elsewhere(self):
        """Whether another process has any of them, and not only a queue."""
        wanted = {f"socket:[{os.fstat(one.fileno()).st_ino}]" for one in self.sockets}
        for link in glob.iglob("/proc/[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if not link.startswith(f"/proc/{os.getpid()}/") and os.readlink(link) in wanted:
                    return True
        return False

    def hand_over(self, service, send, number=None):
        """Sends each, or so many, by send(fd), and has the service be the only one that has them. It stands still
        meanwhile: what closes one of them last waits, be it the bus or the test. A dbus-broker keeps what it has
        sent until it is read, so that it may be the last; on a dbus-daemon that is the service."""
        for one in self.sockets[number or len(self.sockets):]:
            shut(one)
        self.sockets = self.sockets[:number or len(self.sockets)]
        service.process.send_signal(signal.SIGSTOP)
        try:
            for one in self.sockets:
                send(one.fileno())
            wait_until(lambda: not self.elsewhere(), 20 * PATIENCE, "the bus has passed them on")
            for one in self.sockets:
                one.close()
            self.sockets = []
        finally:
            service.process.send_signal(signal.SIGCONT)

    def close(self):
        """Has all that wait for a peer go on."""
        for one in self.peers + self.sockets:
            shut(one)
        self.listener.close()


def shut(one):
    """Closes a socket at once, whatever it was told."""
    if one.fileno() >= 0:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
