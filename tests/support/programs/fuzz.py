# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls of everything that the service says it has, by several clients at once, with arguments right and
wrong; some of the clients leave before they are answered.

What is sent follows from the seed and from the introspection alone, so a seed sends the same again. What must
hold: each call of a client that stays has exactly one reply, of the type that the introspection promises, or
an error with a name that says whose fault it is."""

import collections
import os
import random
import time
import xml.etree.ElementTree as ElementTree

from ..client import CONNECT, DOMAIN, PROPERTIES, SERVICE, Client
from ..models.fuzz_values import Values
from ..models.listener import CONNECTION, picture
from ..models.targets import LEAF, WITHOUT_OBJECTS, Method, objects, prepare
from ..process import PATIENCE
from ..service import CHECKOUT, OURS
from ..wire import (DESTINATION, ERROR, ERROR_NAME, INTERFACE, MEMBER, NO_REPLY_EXPECTED, PATH, REPLY_SERIAL, RETURN,
                    SIGNATURE, Wire, marshal, types)

STANDARD = "org.freedesktop.DBus.Error."
# Failed is not among them: it is a fault of the service's own.
REFUSALS = {STANDARD + name for name in (
    "InvalidArgs", "LimitsExceeded", "UnknownMethod", "UnknownObject", "UnknownInterface", "UnknownProperty",
    "PropertyReadOnly")} | {"org.libvirt.Error", "org.guestbus.Error.Gone", "org.guestbus.Error.Timeout"}
LOG = "/org/freedesktop/LogControl1"
# How sd-bus refuses a string with a character such as U+10FFFF, which the bus lets pass, where it answers.
UNREADABLE = STANDARD + "InconsistentMessage"
NOWHERE = ["/", "/org", "/org/libvirt/None", "/org/libvirt/None/domain/_0", "/" + "x" * 200, "/a" * 100]
ODD = ["Nonsense", "x" * 200, "get", "_", "Introspect", "PropertiesChanged", "Event"]
# Bits of a header's flags that no version of D-Bus has a meaning for yet.
FLAGS = [0, 2, 4, 8, 0x80, 0xf8]
WAITS = (1, 20, 100)  # ms that WaitForState may take where somebody waits for the answer
MOST_FILES = 3
ANSWERED_WITHIN = 60 * PATIENCE
REMEMBERED = 400

Call = collections.namedtuple("Call", "number client path interface member signature values flags fds")


def described(call):
    values = repr(call.values)
    if len(values) > 300:
        values = f"{values[:300]}... ({len(values)} characters)"
    return (f"{call.number}: client {call.client}, {call.path} {call.interface}.{call.member} "
            f"{call.signature!r} {values} flags {call.flags:#x} descriptors {call.fds}")


class Members:
    """What there is to call, as introspection says it at this moment."""

    def __init__(self, client, root):
        self.methods = []
        self.properties = []  # (interface, name, type)
        self.paths = collections.defaultdict(list)  # {interface: paths}
        self.results = collections.defaultdict(set, {"Get": {"v"}, "GetAll": {"a{sv}"}, "Set": {""}})
        here = objects(root)
        found = {"/": None, "/org/libvirt": None, LOG: None, **dict.fromkeys(here.values())}
        found.update(dict.fromkeys(path for path in sorted(picture(client)) if path.startswith(f"{root}/")))
        without = {here[kind]: kind for kind in WITHOUT_OBJECTS}
        for path in found:
            self.read(path, client.introspect(path) if path not in without else
                      (CHECKOUT / "introspection" / f"org.libvirt.{without[path]}.xml").read_text("utf-8"))
        self.every = [*found, *NOWHERE]

    def read(self, path, text):
        for interface in ElementTree.fromstring(text).findall("interface"):
            name = interface.get("name")
            if name not in self.paths and name != PROPERTIES:
                self.methods += [Method(name, one) for one in interface.findall("method")]
                self.properties += [(name, one.get("name"), one.get("type"))
                                    for one in interface.findall("property")]
                for method in self.methods:
                    self.results[method.name].add(method.result)
            self.paths[name].append(path)


class Fuzz:
    """The clients and their calls. `root` is the path of a connection to a test driver inside the service."""

    def __init__(self, bus, home, root, seed, clients=3):
        self.bus = bus
        self.root = root
        self.seed = seed
        self.random = random.Random(f"{seed} fuzz")
        self.values = Values(self.random, str(home), root)
        self.asker = Client(bus.address)
        self.tidy()
        self.members = Members(self.asker, root)
        self.values.epochs = ["", self.asker.get(root, CONNECTION, "Epoch")[1]]
        self.owner = self.asker.owner(SERVICE)
        self.clients = [Wire(bus.address) for _ in range(clients)]
        self.waiting = [{} for _ in self.clients]  # {serial: Call}
        self.silent = [{} for _ in self.clients]  # the same of those that want no reply
        self.files = [os.open(os.devnull, os.O_RDONLY) for _ in range(MOST_FILES)]
        self.last = collections.deque(maxlen=REMEMBERED)
        self.sent = 0
        self.left = 0
        self.outcomes = collections.Counter()

    def close(self):
        for client in self.clients:
            client.close()
        for file in self.files:
            os.close(file)
        self.files.clear()
        self.asker.close()

    # Sending

    def batch(self, count):
        """Sends so many calls of all clients in turn. Now and then one of these leaves right after that."""
        leaving = self.random.choice([None] * 3 + list(range(len(self.clients))))
        for _ in range(count):
            client = self.random.randrange(len(self.clients))
            self.send(client, self.choose(client, client == leaving))
        for index, client in enumerate(self.clients):
            if index == leaving and self.random.random() < 0.5:
                client.queue = client.queue[:-self.random.randrange(1, 60)]
            client.flush()
        if leaving is not None:
            self.leave(leaving)

    def leave(self, index):
        self.left += len(self.waiting[index])
        self.clients[index].close()
        self.clients[index] = Wire(self.bus.address)
        self.waiting[index].clear()
        self.silent[index].clear()

    def send(self, index, call):
        fields = {PATH: call.path, INTERFACE: call.interface, MEMBER: call.member,
                  DESTINATION: self.random.choice([SERVICE, SERVICE, OURS, self.owner]),
                  SIGNATURE: call.signature}
        fields = {number: value for number, value in fields.items() if value}
        serial = self.clients[index].call(fields, marshal(call.signature, call.values), call.flags,
                                          self.files[:call.fds])
        where = self.silent if call.flags & NO_REPLY_EXPECTED else self.waiting
        where[index][serial] = call
        self.last.append(call)
        self.sent += 1

    def choose(self, client, leaves):
        """The next call."""
        dice = self.random.random
        choose = self.property_call if dice() < 0.2 else self.method_call
        path, interface, member, signature, values = choose(leaves)
        if dice() < 0.1:
            path = self.random.choice(self.members.every)
        if dice() < 0.03:
            interface = None
        elif dice() < 0.03:
            interface = self.random.choice([*self.members.paths, "org.libvirt.Nonsense", "a." + "x" * 200])
        if dice() < 0.03:
            member = self.random.choice(ODD)
        if dice() < 0.07:
            signature = self.values.signature(signature)
            values = [self.values.value(kind) for kind in types(signature)]
        flags = self.random.choice(FLAGS) if dice() < 0.2 else 0
        if dice() < 0.05:
            flags |= NO_REPLY_EXPECTED
        fds = self.random.randrange(MOST_FILES + 1) if "h" in signature or dice() < 0.02 else 0
        return Call(self.sent, client, path, interface, member, signature, values, flags, fds)


    def method_call(self, leaves):
        method = self.random.choice(self.members.methods)
        usual = method.usual(self.values.home)
        values = [self.values.argument(*argument) for argument in zip(method.names, method.types, usual)]
        if method.name == "WaitForState":
            values[0] = values[0] or ["paused"]
            if not leaves or self.random.random() < 0.5:
                values[1] = self.random.choice(WAITS)
        return (self.random.choice(self.members.paths[method.interface]), method.interface, method.name,
                "".join(method.types), values)

    def property_call(self, leaves):
        interface, name, kind = self.random.choice(self.members.properties)
        path = self.random.choice(self.members.paths[interface])
        if self.random.random() < 0.1:
            interface = self.values.text()
        if self.random.random() < 0.1:
            name = self.values.text()
        which = self.random.randrange(3)
        if which == 0:
            return path, PROPERTIES, "Get", "ss", [interface, name]
        if which == 1:
            return path, PROPERTIES, "GetAll", "s", [interface]
        right = self.random.random() < 0.5
        value = (kind, self.values.value(kind)) if right else self.values.variant()
        return path, PROPERTIES, "Set", "ssv", [interface, name, value]

    # Receiving

    def read(self, within=0.0):
        """Takes the replies that have arrived."""
        for index, client in enumerate(self.clients):
            try:
                found = client.read(within if self.waiting[index] else 0.0)
            except ConnectionResetError:
                self.fail(f"the bus hung up on client {index}")
            for message in found:
                if message.kind in (RETURN, ERROR):
                    self.check(index, message)

    def check(self, index, message):
        serial = message.fields[REPLY_SERIAL]
        call = self.waiting[index].pop(serial, None)
        if call is None:
            unwanted = self.silent[index].get(serial)
            self.fail(f"a reply that nobody waits for: {message.fields}, {unwanted and described(unwanted)}")
        if message.kind == ERROR:
            name = message.fields[ERROR_NAME]
            self.outcomes[name.rpartition(".")[2] if name != "org.libvirt.Error" else "libvirt's"] += 1
            known = name in REFUSALS or name == UNREADABLE and call.path == LOG
            if not known or not message.text:
                self.fail(f"{name}: {message.text!r} is the reply to {described(call)}")
            return
        self.outcomes["good"] += 1
        results = self.members.results.get(call.member, ())
        if message.fields[SIGNATURE] not in results:
            self.fail(f"{message.fields[SIGNATURE]!r} is the reply's type to {described(call)}")

    @property
    def answered(self):
        return not any(self.waiting)

    def settle(self):
        """Waits until every call has its reply."""
        end = time.monotonic() + ANSWERED_WITHIN
        while not self.answered:
            self.read(0.05)
            if time.monotonic() > end:
                waiting = [described(call) for calls in self.waiting for call in calls.values()]
                self.fail(f"{len(waiting)} calls have no reply:\n" + "\n".join(waiting[:10]))

    def fail(self, what):
        raise AssertionError(f"seed {self.seed}: {what}\n{self.history()}")

    def history(self):
        last = "\n".join(described(call) for call in list(self.last)[-20:])
        return f"After {self.sent} calls, the last of which were\n{last}"

    # The state of the driver

    def tidy(self):
        """Brings the driver back to what it had, so that all calls have something to do."""
        for member, kind, undo in (("ListDomains", DOMAIN, [("Destroy", "u", (0,)), ("Undefine", "u", (3,))]),
                                   ("ListNetworks", "org.libvirt.Network",
                                    [("Destroy", "", ()), ("Undefine", "", ())]),
                                   ("ListStoragePools", "org.libvirt.StoragePool",
                                    [("Destroy", "", ()), ("Undefine", "", ())])):
            for path in self.asker.call(self.root, CONNECT, member, "u", (0,))[0]:
                if not path.endswith(LEAF):
                    for name, signature, values in undo:
                        self.asker.exchange(path, kind, name, signature, values)
        prepare(self.asker, self.root)
