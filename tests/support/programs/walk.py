# SPDX-License-Identifier: LGPL-2.1-or-later
"""A walk over every object, member and property that introspection shows, from / on, with random arguments of the
right types: each call has one reply, no error has a name that docs/errors.md does not have, and Get and GetAll agree.

GUESTBUS_SEED is the seed of the dice, GUESTBUS_WALKS how often each method is called on each object."""

import os
import random
import re

from jeepney import MessageType

from .. import wire
from ..client import PROPERTIES, field
from ..models.fuzz_values import Values
from ..models.listener import CONNECTION
from ..models.surface import interfaces, nodes
from ..process import PATIENCE
from ..service import CHECKOUT
from .fuzz import LOG, WAITS

SEED = os.environ.get("GUESTBUS_SEED", "1")
TIMES = int(os.environ.get("GUESTBUS_WALKS", "2"))
WITHIN = 60 * PATIENCE
# The objects of a kind whose methods are called: others are the same, and there may be hundreds.
FEW = 3
# After so many methods everything is brought back that they may have taken away.
TIDY_AFTER = 8

# They would suspend the machine or take its memory from other programs, where a walker may do that. After a save without
# a file libvirt 9.0 never unlocks the guest.
UNSAFE = ("NodeAllocPages", "NodeSuspendForDuration", "SaveParams")

PAGE = (CHECKOUT / "docs" / "errors.md").read_text(encoding="utf-8")


def documented(heading):
    """The names in the table below a heading of docs/errors.md."""
    part = PAGE.split(f"## {heading}\n")[1].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w.]+)` \|", part, re.MULTILINE))


OURS, LIBRARYS = documented("Errors of the service"), documented("Errors of the library")
BUSES = documented("Errors of the bus")
# A fault of the service's own: it has a name, and no walk may meet it.
FAILED = "org.freedesktop.DBus.Error.Failed"


class Walk:
    """One walk, by one client. `tidy()` brings back what the calls took away."""

    def __init__(self, client, tidy, home, root):
        self.client, self.tidy, self.root = client, tidy, root
        self.random = random.Random(f"{SEED} walk")
        self.values = Values(self.random, str(home), root)
        self.met = {}
        self.results, self.calls, self.answered = 0, 0, set()
        self.errors = set()

    def over_all(self):
        """The tree as it is at first; what is gone by the time that it is reached has errors of its own."""
        self.tidy()
        self.client.call(self.root, CONNECTION, "Resync", within=WITHIN)
        for path, text in nodes(self.client).items():
            self.tidy()
            for one in interfaces(text):
                if one.properties:
                    self.read(path, one)
                self.met[one.name] = self.met.get(one.name, 0) + 1
                if self.met[one.name] <= FEW and one.name != PROPERTIES:
                    self.use(path, one)

    # Properties

    def read(self, path, interface):
        """Get and GetAll agree about each property, and on its type."""
        reply = self.call(path, PROPERTIES, "GetAll", "s", [interface.name])
        right = reply.header.message_type == MessageType.method_return
        every = dict(reply.body[0]) if right else {}
        for one in interface.properties:
            got = self.call(path, PROPERTIES, "Get", "ss", [interface.name, one.name])
            has = got.header.message_type == MessageType.method_return
            assert has == (one.name in every), \
                f"{path} {interface.name}.{one.name}: Get says {got.body}, GetAll {reply.body}"
            if has:
                assert got.body[0][0] == plain(every.pop(one.name))[0] == one.type, f"{path} {one}: {got.body}"
        assert not every, f"{path} {interface.name}: {every} is not in the introspection"

    def write(self, path, one):
        kind = one.type if self.random.random() < 0.7 else self.values.kind()
        self.call(path, PROPERTIES, "Set", "ssv", [one.interface, one.name, (kind, self.values.value(kind))])

    # Methods

    def use(self, path, interface):
        """Its properties are set, its methods called with random arguments."""
        for one in interface.properties:
            self.write(path, one)
        for index, method in enumerate(interface.methods):
            if index % TIDY_AFTER == 0:
                self.tidy()
            for number in range(TIMES if method.name not in UNSAFE else 0):
                usual = method.usual(self.values.home)
                row = usual if number == 0 else [self.values.argument(*argument)
                                                 for argument in zip(method.names, method.types, usual)]
                if method.name == "WaitForState":
                    row[:2] = row[0] or ["paused"], self.random.choice(WAITS)
                reply = self.call(path, interface.name, method.name, "".join(method.types), row)
                if reply.header.message_type == MessageType.method_return:
                    assert (field(reply, "signature") or "") == method.result, f"{path} {method.name}{row}"

    def call(self, path, interface, member, signature, values):
        """The reply: a result, or an error that is documented. Handles are numbers without a descriptor."""
        connection = self.client.connection
        serial = next(connection.outgoing_serial)
        fields = {wire.PATH: path, wire.INTERFACE: interface, wire.MEMBER: member,
                  wire.DESTINATION: self.client.destination}
        fields |= {wire.SIGNATURE: signature} if signature else {}
        order = self.random.choice("<>")
        self.client.send_bytes(wire.message(serial, 0, fields, wire.marshal(signature, values, order), order=order))
        self.calls += 1
        reply = self.client.take_reply(serial, WITHIN)
        self.answered.add(serial)
        self.check(reply, f"{path} {interface}.{member}{str(values)[:300]}", path)
        return reply

    def check(self, reply, what, path):
        if reply.header.message_type == MessageType.method_return:
            self.results += 1
            return
        name = field(reply, "error_name")
        known = OURS | BUSES | (LIBRARYS if path == LOG else set())
        assert name in known - {FAILED}, f"seed {SEED}: {what}: {name} {reply.body}"
        assert reply.body and reply.body[0], f"seed {SEED}: {what}: {name} without a word"
        self.errors.add(name)

    def ends_well(self):
        """No call had a second reply. Those of one sender to one object have their order, and this one is the last."""
        self.call(self.root, "org.freedesktop.DBus.Peer", "Ping", "", [])
        twice = [field(one, "reply_serial") for one in self.client.replies]
        assert not self.answered & set(twice), twice


def plain(value):
    """A variant of GetAll, without the second one that org.libvirt has around it."""
    return value[1] if value[0] == "v" else value


def walk(client, tidy, home, root):
    """Walks; returns the Walk, which says what it met."""
    one = Walk(client, tidy, home, root)
    one.over_all()
    one.ends_well()
    print(f"\nGUESTBUS_SEED={SEED} GUESTBUS_WALKS={TIMES}: {one.calls} calls, {one.results} results, "
          f"{sorted(one.errors)}")
    return one
