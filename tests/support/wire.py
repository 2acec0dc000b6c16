# SPDX-License-Identifier: LGPL-2.1-or-later
"""A connection to the bus for those who send and count a great many messages: bodies are written from a
signature and plain values, in either byte order ("<" or ">", as struct has them), as wrong as the caller likes, and
of what comes back only the header is read.

Values are as jeepney has them: a variant is (signature, value), a dictionary of any kind is a dict, an array
of bytes is bytes. A handle is the number that it is on the wire."""

import array
import functools
import os
import select
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED = 1
FIXED = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "h": "I", "x": "q", "t": "Q", "d": "d"}
SIZES = {code: struct.calcsize(letter) for code, letter in FIXED.items()}
ALIGN = {**SIZES, "b": 4, "s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8, "{": 8}
# Header fields, by number.
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, FDS = range(1, 10)
KINDS = {PATH: "o", INTERFACE: "s", MEMBER: "s", ERROR_NAME: "s", REPLY_SERIAL: "u", DESTINATION: "s", SENDER: "s",
         SIGNATURE: "g", FDS: "u"}
CHUNK = 1 << 18
ORDERS = {"<": b"l", ">": b"B"}


def first_type(signature, start):
    """Where the complete type that begins there ends."""
    code = signature[start]
    if code == "a":
        return first_type(signature, start + 1)
    if code not in "({":
        return start + 1
    start += 1
    while signature[start] not in ")}":
        start = first_type(signature, start)
    return start + 1


@functools.lru_cache(None)
def types(signature):
    """The complete types of a signature."""
    result, start = [], 0
    while start < len(signature):
        end = first_type(signature, start)
        result.append(signature[start:end])
        start = end
    return result


def pad(out, size):
    out += bytes(-len(out) % size)


def put(out, kind, value, order="<"):
    """Appends a value of one complete type."""
    code = kind[0]
    pad(out, ALIGN[code])
    if code in FIXED:
        out += struct.pack(order + FIXED[code], value)
    elif code == "b":
        out += struct.pack(order + "I", value)
    elif code in "so":
        data = value.encode()
        out += struct.pack(order + "I", len(data)) + data + b"\0"
    elif code == "g":
        out += bytes([len(value)]) + value.encode() + b"\0"
    elif code == "v":
        put(out, "g", value[0])
        put(out, value[0], value[1], order)
    elif code == "a":
        put_array(out, kind[1:], value, order)
    else:
        for member, part in zip(types(kind[1:-1]), value):
            put(out, member, part, order)


def put_array(out, kind, values, order="<"):
    out += b"\0\0\0\0"
    mark = len(out)
    pad(out, ALIGN[kind[0]])
    start = len(out)
    if kind == "y":
        out += values
    elif kind in FIXED:
        out += struct.pack(f"{order}{len(values)}{FIXED[kind]}", *values)
    else:
        for value in values.items() if kind[0] == "{" else values:
            put(out, kind, value, order)
    struct.pack_into(order + "I", out, mark - 4, len(out) - start)


def marshal(signature, values, order="<"):
    """A message's body."""
    out = bytearray()
    for kind, value in zip(types(signature), values, strict=True):
        put(out, kind, value, order)
    return bytes(out)


def message(serial, flags, fields, body=b"", kind=CALL, order="<"):
    """A message, a method call where nothing else is said: `fields` is {number: value} of its header."""
    out = bytearray(struct.pack(order + "cBBBII", ORDERS[order], kind, flags, 1, len(body), serial))
    put_array(out, "(yv)", [(number, (KINDS[number], value)) for number, value in fields.items()], order)
    pad(out, 8)
    return bytes(out) + body


def send_with(sock, data, fds):
    """Sends descriptors with the first bytes of a message; returns how many bytes have gone."""
    return sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())])


class Message:
    """What the header of a message says; `text` is the first string of its body, if that begins with one, also in a
    variant."""

    def __init__(self, data):
        self.order = "<" if data[0] == ord("l") else ">"
        self.kind = data[1]
        self.fields = {SIGNATURE: ""}
        size, = struct.unpack_from(self.order + "I", data, 12)
        end, offset = 16 + size, 16
        while offset < end:
            offset = self.field(data, offset + -offset % 8)
        self.text = ""
        start = end + -end % 8
        if self.fields[SIGNATURE].startswith("s"):
            self.text, _ = self.string(data, start)
        elif self.fields[SIGNATURE] == "v" and data[start:start + 3] == b"\1s\0":
            self.text, _ = self.string(data, start + 4)

    def field(self, data, offset):
        """Reads one; returns where it ends."""
        number, code = data[offset], chr(data[offset + 2])
        offset += 4
        if code == "u":
            offset += -offset % 4
            self.fields[number], = struct.unpack_from(self.order + "I", data, offset)
            return offset + 4
        if code == "g":
            size = data[offset]
            self.fields[number] = data[offset + 1:offset + 1 + size].decode()
            return offset + size + 2
        self.fields[number], offset = self.string(data, offset + -offset % 4)
        return offset

    def string(self, data, offset):
        size, = struct.unpack_from(self.order + "I", data, offset)
        return data[offset + 4:offset + 4 + size].decode(), offset + size + 5


class Wire:
    """One connection. What is sent is queued until flush(); what has arrived is read by read()."""

    def __init__(self, address):
        path = address.partition("unix:path=")[2].partition(",")[0]
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(b"\0AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
                            % str(os.getuid()).encode().hex().encode())
        self.buffer = bytearray()
        self.queue = bytearray()
        self.serial = 0
        self.wait(lambda: self.buffer.count(b"\r\n") >= 2)
        assert self.buffer.startswith(b"OK ") and self.buffer.count(b"AGREE_UNIX_FD\r\n"), bytes(self.buffer)
        self.buffer.clear()
        self.name = self.hello()

    def wait(self, done, within=60.0):
        end = time.monotonic() + within
        while not done():
            left = end - time.monotonic()
            assert left > 0, f"the bus does not answer within {within} s"
            if select.select([self.socket], [], [], left)[0]:
                self.fill()

    def hello(self):
        self.call({PATH: "/org/freedesktop/DBus", INTERFACE: "org.freedesktop.DBus", MEMBER: "Hello",
                   DESTINATION: "org.freedesktop.DBus"})
        self.flush()
        answers = []

        def answered():
            answers.extend(one for one in self.messages() if one.kind == RETURN)
            return answers
        self.wait(answered)
        return answers[0].text

    def call(self, fields, body=b"", flags=0, fds=()):
        """Queues a call; returns its serial. One with descriptors is sent at once, after what is queued."""
        self.serial += 1
        if fds:
            self.flush()
            data = message(self.serial, flags, {**fields, FDS: len(fds)}, body)
            self.socket.sendall(data[send_with(self.socket, data, fds):])
        else:
            self.queue += message(self.serial, flags, fields, body)
        return self.serial

    def flush(self):
        self.socket.sendall(self.queue)
        self.queue.clear()

    def fill(self):
        """Takes one piece of what has arrived; waits when nothing has."""
        data = self.socket.recv(CHUNK)
        if not data:
            raise ConnectionResetError("the bus hung up")
        self.buffer += data

    def read(self, within=0.0):
        """The messages that have arrived; waits so long for some bytes."""
        while select.select([self.socket], [], [], within)[0]:
            self.fill()
            within = 0.0
        return self.messages()

    def messages(self):
        """Takes the complete ones from the buffer."""
        found, start = [], 0
        while len(self.buffer) - start >= 16:
            order = "<" if self.buffer[start] == ord("l") else ">"
            body, _, fields = struct.unpack_from(order + "III", self.buffer, start + 4)
            end = start + 16 + fields + -fields % 8 + body
            if len(self.buffer) < end:
                break
            found.append(Message(self.buffer[start:end]))
            start = end
        del self.buffer[:start]
        return found

    def close(self):
        self.socket.close()
