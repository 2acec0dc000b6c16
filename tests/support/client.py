# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client that shows what was on the wire: a variant is (signature, value), so a variant in a variant
is seen as what it is; serials are at hand, so replies can be counted."""

import collections
import select
import time

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call, new_signal
from jeepney.fds import FileDescriptor, fds_buf_size
from jeepney.io.blocking import open_dbus_connection

from .process import LEAST

SERVICE = "org.libvirt"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
CONNECT = "org.libvirt.Connect"
DOMAIN = "org.libvirt.Domain"
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

Signal = collections.namedtuple("Signal", "path interface member body signature sender")


class DBusError(Exception):
    """An error reply: name, the message (first string of the body, or ""), and the whole body."""

    def __init__(self, name, body):
        self.name = name
        self.body = body
        self.message = body[0] if body and isinstance(body[0], str) else ""
        super().__init__(f"{name}: {self.message}")


def field(message, name):
    return message.header.fields.get(getattr(HeaderFields, name))


def body_of(message):
    """The body of a method return; raises DBusError for an error reply."""
    if message.header.message_type == MessageType.error:
        raise DBusError(field(message, "error_name"), message.body)
    return message.body


class Client:
    """One connection to the bus. Signals that arrive meanwhile are kept, in order, in `signals`."""

    def __init__(self, address, destination=SERVICE):
        self.destination = destination
        self.connection = self.open(address)
        self.unique_name = self.connection.unique_name
        self.signals = []
        self.replies = []
        self.calls = []

    def open(self, address):
        return open_dbus_connection(address, auth_timeout=LEAST)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    # Sending and receiving

    def message(self, path, interface, member, signature="", args=(), destination=None):
        address = DBusAddress(path, bus_name=destination or self.destination, interface=interface)
        return new_method_call(address, member, signature or None, tuple(args))

    def send(self, path, interface, member, signature="", args=(), destination=None):
        """Sends a call without waiting; returns its serial."""
        serial = next(self.connection.outgoing_serial)
        message = self.message(path, interface, member, signature, args, destination)
        self.connection.send(message, serial=serial)
        return serial

    def signal(self, path, interface, member, signature="", args=(), destination=None):
        """Emits a signal; with a destination it is for that name alone, whatever its owner listens to."""
        message = new_signal(DBusAddress(path, interface=interface), member, signature or None, tuple(args))
        if destination:
            message.header.fields[HeaderFields.destination] = destination
        self.connection.send(message, serial=next(self.connection.outgoing_serial))

    def send_bytes(self, data):
        self.connection.sock.sendall(data)

    def serialise(self, message):
        """(serial, bytes) of a message that is sent later, alone or in a row of others."""
        serial = next(self.connection.outgoing_serial)
        return serial, message.serialise(serial)

    def next_message(self, within):
        """One message; TimeoutError when none comes, ConnectionResetError when the bus hangs up. Reads more
        at a time than jeepney would: replies here are megabytes."""
        end = time.monotonic() + within
        parser, sock = self.connection.parser, self.connection.sock
        while True:
            message = parser.get_next_message()
            if message is not None:
                return message
            if not select.select([sock], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError
            data, fds = self.read(sock)
            if not data:
                raise ConnectionResetError("the bus hung up")
            parser.add_data(data, fds)

    def read(self, sock):
        """What has arrived: bytes, and descriptors where the connection takes them."""
        if not self.connection.enable_fds:
            return sock.recv(1 << 18), ()
        data, ancillary, _, _ = sock.recvmsg(1 << 18, fds_buf_size())
        return data, FileDescriptor.from_ancdata(ancillary)

    def receive(self, within):
        """Reads one message into signals, replies or calls; TimeoutError when none comes."""
        message = self.next_message(within)
        kind = message.header.message_type
        if kind == MessageType.signal:
            self.signals.append(Signal(field(message, "path"), field(message, "interface"),
                                       field(message, "member"), message.body,
                                       field(message, "signature") or "", field(message, "sender")))
        elif kind == MessageType.method_call:
            self.calls.append(message)
        else:
            self.replies.append(message)

    def take_reply(self, serial, within=LEAST):
        """As with wait_until(), a deadline is LEAST at the least; here, and in all that waits below."""
        within = max(within, LEAST)
        end = time.monotonic() + within
        seen = 0
        while True:
            for index in range(seen, len(self.replies)):
                if field(self.replies[index], "reply_serial") == serial:
                    return self.replies.pop(index)
            seen = len(self.replies)
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no reply to call {serial} within {within} s")
            try:
                self.receive(left)
            except TimeoutError:
                pass

    def collect(self, serials, within=LEAST):
        """{serial: reply} for calls sent before; a second reply to one of them fails the test."""
        wanted = set(serials)
        end = time.monotonic() + max(within, LEAST)
        found = {}
        while True:
            for reply in self.replies:
                serial = field(reply, "reply_serial")
                assert serial not in found, f"two replies to call {serial}"
                found[serial] = reply
            self.replies.clear()
            if wanted <= found.keys():
                return {serial: found[serial] for serial in serials}
            left = end - time.monotonic()
            assert left > 0, f"{len(wanted - found.keys())} of {len(wanted)} calls without a reply"
            try:
                self.receive(left)
            except TimeoutError:
                pass

    # Calls

    def exchange(self, path, interface, member, signature="", args=(), within=LEAST, destination=None):
        """The reply message itself, an error or not."""
        return self.take_reply(self.send(path, interface, member, signature, args, destination), within)

    def call(self, path, interface, member, signature="", args=(), within=LEAST, destination=None):
        """The reply's body, a tuple; raises DBusError."""
        return body_of(self.exchange(path, interface, member, signature, args, within, destination))

    def error(self, *args, **kwargs):
        """The DBusError that call() must raise."""
        try:
            body = self.call(*args, **kwargs)
        except DBusError as error:
            return error
        raise AssertionError(f"{args[:3]} succeeded: {str(body)[:200]}")

    def connect(self, member, signature="", *args, name="Test"):
        """A method of org.libvirt.Connect: its only result, or None."""
        body = self.call(f"/org/libvirt/{name}", CONNECT, member, signature, args)
        return body[0] if body else None

    def domain(self, path, member, signature="", *args):
        """A method of org.libvirt.Domain: its only result, or None."""
        body = self.call(path, DOMAIN, member, signature, args)
        return body[0] if body else None

    def get(self, path, interface, name):
        """Properties.Get: (signature, value)."""
        return self.call(path, PROPERTIES, "Get", "ss", (interface, name))[0]

    def get_all(self, path, interface):
        return self.call(path, PROPERTIES, "GetAll", "s", (interface,))[0]

    def set(self, path, interface, name, signature, value):
        return self.call(path, PROPERTIES, "Set", "ssv", (interface, name, (signature, value)))

    def introspect(self, path, within=LEAST):
        return self.call(path, INTROSPECTABLE, "Introspect", within=within)[0]

    # The bus

    def bus(self, member, signature="", *args):
        name, path, interface = BUS
        body = self.call(path, interface, member, signature, args, destination=name)
        return body[0] if body else None

    def has_owner(self, name):
        return self.bus("NameHasOwner", "s", name)

    def owner(self, name):
        return self.bus("GetNameOwner", "s", name)

    def pid_of(self, name):
        return self.bus("GetConnectionUnixProcessID", "s", name)

    def match(self, rule="type='signal',path_namespace='/org/libvirt'"):
        self.bus("AddMatch", "s", rule)
        return self

    # Signals

    def drain(self):
        """Reads what has arrived, without waiting for more."""
        while True:
            try:
                self.receive(0.0)
            except TimeoutError:
                return self.signals

    def wait_for(self, predicate, within=LEAST):
        """The first signal, of those seen and those to come, for which predicate(signal) is true."""
        within = max(within, LEAST)
        end = time.monotonic() + within
        seen = 0
        while True:
            for signal in self.signals[seen:]:
                if predicate(signal):
                    return signal
            seen = len(self.signals)
            left = end - time.monotonic()
            if left <= 0:
                last = [(s.path, s.member, s.body) for s in self.signals[-20:]]
                raise AssertionError(f"signal not seen within {within} s; the last were {last}")
            try:
                self.receive(left)
            except TimeoutError:
                pass

    def wait_signal(self, member, within=LEAST, **wanted):
        """Waits for a signal by member, and path or body where given."""
        return self.wait_for(lambda s: s.member == member
                             and all(getattr(s, key) == value for key, value in wanted.items()), within)

    def closed_by_bus(self, within=10.0):
        """Whether the bus hung up on us."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            ready, _, _ = select.select([self.connection.sock], [], [], 0.1)
            if not ready:
                continue
            try:
                if self.connection.sock.recv(65536) == b"":
                    return True
            except ConnectionResetError:
                return True
        return False
