# SPDX-License-Identifier: LGPL-2.1-or-later
"""A socket at which something answers that is no libvirtd."""

import os
import random
import select
import struct

from .sockets import Server, hang_up

# What a reply begins with: length, program, version, procedure, type, serial, status. See rpc_proxy.py.
REPLY = struct.pack(">7I", 28, 0x20008086, 1, 66, 1, 0, 0)


def closes_at_once(client, dice):
    """Takes connections and ends them."""


def random_bytes(client, dice):
    """Answers whatever is asked with bytes that mean nothing."""
    while client.recv(65536):
        client.sendall(dice.randbytes(dice.randrange(1, 4096)))


def half_a_message(client, dice):
    """Begins an answer, and hangs up in the middle of it."""
    client.recv(65536)
    client.sendall(REPLY[:dice.randrange(1, len(REPLY))])


def no_end_of_a_message(client, dice):
    """Begins an answer that goes on for ever."""
    client.recv(65536)
    client.sendall(REPLY[:dice.randrange(1, len(REPLY))])
    while client.recv(65536):
        pass


def huge_length(client, dice):
    """Announces an answer of 4 GiB."""
    client.recv(65536)
    client.sendall(b"\xff\xff\xff\xff" + REPLY[4:] + dice.randbytes(1000))
    while client.recv(65536):
        pass


def no_length(client, dice):
    """Announces an answer that is shorter than its own length word."""
    client.recv(65536)
    client.sendall(b"\0\0\0\0" + REPLY[4:])
    while client.recv(65536):
        pass


ANSWERS = [closes_at_once, random_bytes, half_a_message, no_end_of_a_message, huge_length, no_length]


def name_of(answer):
    """For the identity of a test."""
    return answer.__name__ if answer else "no_accept"


class FakeLibvirtd(Server):
    """Listens at `path` in libvirtd's place; each client is given to `answer` in a thread of its own. With
    None nobody ever accepts a connection."""

    def __init__(self, path, answer, seed=1):
        self.answer = answer
        self.dice = random.Random(seed)
        self.accepted = 0
        self.clients = []
        if os.path.exists(path):
            os.unlink(path)
        super().__init__(path)
        self.ended, self.end = os.pipe()
        if answer:
            self.run(self.accept)

    def accept(self):
        while True:
            ready, _, _ = select.select([self.listener, self.ended], [], [])
            if self.ended in ready:
                return
            client, _ = self.listener.accept()
            self.accepted += 1
            self.clients.append(client)
            self.run(self.serve, client)

    def serve(self, client):
        try:
            self.answer(client, self.dice)
        except OSError:
            pass  # the other side hung up
        hang_up(client)

    def close(self):
        """Like a kill: the socket's file stays, and nobody listens."""
        os.write(self.end, b"x")
        if self.answer:
            self.threads[0].join()
        self.listener.close()
        for client in self.clients:
            hang_up(client)
        for thread in self.threads:
            thread.join(10)
        for client in self.clients:
            client.close()
        os.close(self.end)
        os.close(self.ended)
