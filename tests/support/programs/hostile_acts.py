# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a local user may try against the service, in bytes of its own: each act_ is one short burst. None needs a
right that a local user has not, and none touches anything but a private bus."""

import array
import os
import pathlib
import socket
import struct
import threading

from ..client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, SERVICE
from ..hosts.guarded import ALLOW_INTERACTION, GUEST
from ..hosts.polkit import AUTHORITY, NAME as POLKIT, PATH as POLKIT_PATH
from ..models.fuzz_values import Values
from ..models.listener import CONNECTION, INTERFACES, MANAGER, ROOT
from ..models.targets import TEST
from ..service import OURS
from ..wire import (CALL, DESTINATION, ERROR, ERROR_NAME, FDS, INTERFACE, MEMBER, NO_REPLY_EXPECTED, PATH,
                    REPLY_SERIAL, RETURN, SIGNAL, SIGNATURE, Wire, marshal, message, send_with, types)
from .fuzz import FLAGS, LOG, NOWHERE, ODD, WAITS

BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
PEER = "org.freedesktop.DBus.Peer"
# Longer than the bus takes is never: a hostile user has more to do.
SENT_WITHIN = 2.0
# Longer than libsystemd takes for a path; the bus takes it.
LONG_PATH = ROOT + "/" + "B" * 65536
MOST_FILES = 16
# Seconds that the system may spend on a close() of a socket with data that nobody takes.
LINGER = 10
DEEPEST = 62
LARGE = 2 << 20
RENEWED_AFTER = 5000  # messages


class Rough(Wire):
    """A connection that says what it likes. `pending` are serials without a reply, `replies` counts those that came,
    and `doubles` calls with more than one."""

    def __init__(self, address):
        self.pending, self.answered, self.replies, self.doubles = set(), set(), 0, 0
        self.errors, self.queue_up = {}, None
        super().__init__(address)
        self.socket.settimeout(SENT_WITHIN)

    def say(self, fields, signature="", values=(), kind=CALL, flags=0, order="<", fds=(), body=None):
        """Sends a message at once; returns its serial."""
        self.serial += 1
        fields = {**fields, **({SIGNATURE: signature} if signature else {}), **({FDS: len(fds)} if fds else {})}
        data = message(self.serial, flags, fields, marshal(signature, values, order) if body is None else body,
                       kind, order)
        self.send_bytes(data, fds)
        if kind == CALL and not flags & NO_REPLY_EXPECTED:
            self.pending.add(self.serial)
        return self.serial

    def send_bytes(self, data, fds=()):
        if self.queue_up is not None:
            self.queue_up += data
            return
        self.socket.sendall(data[send_with(self.socket, data, fds) if fds else 0:])

    def send_queued(self):
        """Sends in one piece what was said since `queue_up` was made."""
        data, self.queue_up = self.queue_up, None
        self.socket.sendall(data)

    def call_to(self, path, interface, member, signature="", values=(), to=OURS, **more):
        return self.say({PATH: path, INTERFACE: interface, MEMBER: member, DESTINATION: to}, signature, values, **more)

    def ask_bus(self, member, argument):
        """What the bus says to a call with a string."""
        return self.ask(BUS_PATH, BUS, member, "s", [argument], to=BUS)

    def ask(self, *call, within=5.0, **more):
        """The string that a call is answered with, or None."""
        serial = self.call_to(*call, **more)
        found = []

        def answered():
            found.extend(one for one in self.take() if one.fields.get(REPLY_SERIAL) == serial)
            return found
        self.wait(answered, within)
        return found[0].text if found[0].kind == RETURN else None

    def take(self, within=0.0):
        """Reads what is there, and counts it."""
        found = self.read(within)
        for one in found:
            if one.kind in (RETURN, ERROR):
                serial = one.fields[REPLY_SERIAL]
                self.doubles += serial in self.answered
                self.pending.discard(serial)
                self.answered.add(serial)
                self.replies += 1
                name = one.fields[ERROR_NAME] if one.kind == ERROR else "good"
                self.errors[name] = self.errors.get(name, 0) + 1
        return found


class Acts:
    """The acts of one user. `surface` is what there is to call, `names` what a caller asks the bus to own; `dice`
    decides all; `messages` counts."""

    def __init__(self, address, surface, dice, files, names):
        self.address, self.surface, self.dice, self.files, self.wanted = address, surface, dice, files, names
        self.values = Values(dice, "/nonexistent", TEST)
        self.messages = 0
        self.talker = self.agent = self.deaf = None
        self.owner, self.epoch = OURS, ""
        self.held = []  # [(seconds to keep it, what)]
        self.over = []  # connections that were closed, for their counts

    # Connections

    def open(self):
        return Rough(self.address)

    def talk(self):
        """The connection for all that ends well; it reads what it is told. One of its own after some time: each
        remembers what was answered."""
        if self.talker and self.talker.serial > RENEWED_AFTER:
            self.drop(self.talker)
        if self.talker is None:
            self.talker = self.open()
            self.owner = self.talker.ask_bus("GetNameOwner", OURS) or OURS
            self.epoch = self.talker.ask(TEST, PROPERTIES, "Get", "ss", (CONNECTION, "Epoch")) or ""
        return self.talker

    def drop(self, connection):
        connection.close()
        self.over.append((connection.replies, connection.doubles, connection.errors))
        if connection is self.talker:
            self.talker = None

    def to(self):
        """One of the names that lead to the service."""
        return self.dice.choice([OURS, SERVICE, self.owner])

    def names(self):
        """Of other callers: the bus gives them out in order."""
        number = int(self.talk().name.partition(".")[2])
        return [f":1.{self.dice.randrange(max(number + 5, 6))}", self.talker.name]

    # Every member

    def act_call_everything(self):
        """Random calls of all that there is, right and wrong, in both byte orders."""
        one = self.talk()
        for _ in range(self.dice.randrange(5, 40)):
            path, interface, member, signature, values = self.some_call()
            flags = self.dice.choice([0, 0, NO_REPLY_EXPECTED, ALLOW_INTERACTION, self.dice.choice(FLAGS)])
            fds = self.some_files(3) if "h" in signature or self.dice.random() < 0.02 else ()
            one.call_to(path, interface, member, signature, values, to=self.to(), flags=flags, fds=fds,
                        order=self.dice.choice("<>"))
            self.messages += 1

    def some_call(self):
        if self.dice.random() < 0.25:
            return self.property_call()
        method = self.dice.choice(self.surface.methods)
        values = [self.values.argument(*argument)
                  for argument in zip(method.names, method.types, method.usual("/nonexistent"))]
        if method.name == "WaitForState":
            values[:2] = values[0] or ["paused"], self.dice.choice(WAITS)
        path = self.dice.choice(self.surface.paths[method.interface] + NOWHERE)
        signature = "".join(method.types)
        if self.dice.random() < 0.1:
            signature = self.values.signature(signature)
            values = [self.values.value(kind) for kind in types(signature)]
        member = self.dice.choice(ODD) if self.dice.random() < 0.05 else method.name
        return path, method.interface, member, signature, values

    def property_call(self):
        one = self.dice.choice(self.surface.properties)
        path = self.dice.choice(self.surface.paths[one.interface])
        name = self.values.text() if self.dice.random() < 0.1 else one.name
        return self.dice.choice([(path, PROPERTIES, "Get", "ss", [one.interface, name]),
                                 (path, PROPERTIES, "GetAll", "s", [one.interface]),
                                 (path, PROPERTIES, "Set", "ssv", [one.interface, name, self.values.variant()])])

    # Cost

    def costly(self):
        """A call that is cheap to make and dear to answer."""
        return self.dice.choice([
            (TEST, CONNECTION, "GetEvents", "stu", (self.epoch, 0, 0)),
            (ROOT, MANAGER, "GetManagedObjects"),
            (f"{TEST}/domain", INTROSPECTABLE, "Introspect"),
            (LOG, INTROSPECTABLE, "Introspect"),
            (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)),
            (GUEST, PROPERTIES, "GetAll", "s", (INTERFACES["domain"],)),
            (TEST, CONNECT, "GetAllDomainStats", "uu", (0, 0)),
            (TEST, CONNECT, "ListDomains", "u", (0,)),
            (GUEST, DOMAIN, "GetXMLDesc", "u", (0,)),
            (TEST, CONNECTION, "Resync")])

    def act_flood_and_leave(self):
        """The same costly call, many times and without wanting a reply, by a caller that leaves at once."""
        self.talk()
        one, call = self.open(), self.costly()
        for _ in range(self.dice.randrange(50, 300)):
            one.call_to(*call, flags=NO_REPLY_EXPECTED)
            self.messages += 1
        self.drop(one)

    def act_flood_and_read(self):
        """Costly calls, as many as the bus lets through, whose replies are read."""
        one = self.talk()
        for _ in range(self.dice.randrange(20, 120)):
            one.call_to(*self.costly(), to=self.to())
            self.messages += 1

    def act_never_read(self):
        """Costly calls by a caller that reads none of their replies, as many as the bus lets it leave unread."""
        if self.deaf in [kept for _, kept in self.held]:
            return
        self.talk()
        self.deaf = self.open()
        self.hold(12, self.deaf)
        for _ in range(120):
            self.deaf.call_to(*self.costly())
            self.messages += 1

    def act_wait(self):
        """Waits for what does not come, by the hundred; the caller stays for a while, or goes."""
        one = self.open()
        for _ in range(100):
            one.call_to(GUEST, INTERFACES["domain"], "WaitForState", "asua{sv}",
                        (["crashed"], self.dice.choice([100, 5000, 600000]), {}))
            self.messages += 1
        self.hold(self.dice.choice([0, 1, 6]), one)

    def act_large(self):
        """Megabytes of arguments."""
        one = self.talk()
        signature, value = self.dice.choice([
            ("s", "x" * LARGE), ("ab", [True] * (LARGE // 8)), ("ay", bytes(LARGE)),
            ("a{sv}", {f"p{index}": ("d", 0.5) for index in range(5000)}), ("as", ["a"] * 50000)])
        for _ in range(3):
            one.call_to(TEST, CONNECT, "DomainDefineXML", signature, [value], to=self.to(),
                        flags=self.dice.choice([0, NO_REPLY_EXPECTED]))
            self.messages += 1

    def act_deep(self):
        """Variants in variants, as deep as the bus lets pass and a little deeper."""
        value = ("u", 1)
        for _ in range(self.dice.randrange(20, DEEPEST + 4)):
            value = ("v", value)
        one = self.open()
        for _ in range(10):
            one.call_to(GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", value))
            one.call_to(GUEST, INTERFACES["domain"], "WaitForState", "asua{sv}", (["running"], 1, {"settle": value}))
            self.messages += 2
        self.drop(one)

    # Descriptors

    def some_files(self, most=MOST_FILES):
        return [self.dice.choice(self.files.all) for _ in range(self.dice.randrange(1, most + 1))]

    def act_descriptors(self):
        """Where they are wanted and where not, in variants, with a path that the library does not take."""
        one = self.open()
        for _ in range(8):
            files = self.some_files()
            path = self.dice.choice([GUEST, TEST, LONG_PATH, LONG_PATH])
            signature, values = self.dice.choice([
                ("", ()), ("u", (0,)), ("h", (0,)), ("ah", (range(len(files)),)), ("v", (("ah", [0] * 9),)),
                ("ssv", (DOMAIN, "Autostart", ("h", 0))), ("h", ((1 << 32) - 1,))])
            one.call_to(path, DOMAIN, self.dice.choice(["Suspend", "OpenGraphicsFD", "CreateWithFiles", "None"]),
                        signature, values, flags=self.dice.choice([0, NO_REPLY_EXPECTED]), fds=files)
            self.messages += 1
        self.drop(one)

    def act_lingering_sockets(self):
        """Sockets whose close() takes seconds, for the thread that closes them last. That must not be the bus:
        they are let go only when the service has them, and keeps them for a wait."""
        one, sockets = self.open(), {}
        for each in [self.files.lingering() for _ in range(3)]:
            serial = one.call_to(GUEST, INTERFACES["domain"], "WaitForState", "asua{sv}", (["crashed"], 500, {}),
                                 fds=[each.fileno()])
            sockets[serial] = each
            self.messages += 1
        one.ask_bus("NameHasOwner", OURS)
        for serial, each in sockets.items():
            each.let_go(serial in one.answered)
        self.drop(one)

    # Forgeries

    def act_forged_signals(self):
        """What the bus and polkit say, said by a caller: to everybody, and to the service alone."""
        one = self.talk()
        me, other = self.names()[::-1]
        for _ in range(10):
            path, interface, member, signature, values = self.dice.choice([
                (BUS_PATH, BUS, "NameLost", "s", (self.dice.choice([OURS, SERVICE]),)),
                (BUS_PATH, BUS, "NameAcquired", "s", (OURS,)),
                (BUS_PATH, BUS, "NameOwnerChanged", "sss", (me, me, "")),
                (BUS_PATH, BUS, "NameOwnerChanged", "sss", (other, other, "")),
                (BUS_PATH, BUS, "NameOwnerChanged", "sss", (POLKIT, self.owner, "")),
                (POLKIT_PATH, AUTHORITY, "Changed", "", ()),
                (TEST, CONNECTION, "Event", "stxsa{sv}", ("opened", 1, 0, "", {})),
                (GUEST, "org.libvirt.Connect", "DomainEvent", "ouu", (GUEST, 5, 0))])
            fields = {PATH: path, INTERFACE: interface, MEMBER: member}
            if self.dice.random() < 0.8:
                fields[DESTINATION] = self.to()
            one.say(fields, signature, values, kind=SIGNAL, order=self.dice.choice("<>"))
            self.messages += 1

    def act_forged_departure(self):
        """A question to polkit, a forged word that its caller has gone, and another call, all at once."""
        one = self.open()
        one.ask(TEST, CONNECT, "ListDomains", "u", (0,))
        one.queue_up = bytearray()
        one.call_to(GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", True)))
        one.say({PATH: BUS_PATH, INTERFACE: BUS, MEMBER: "NameOwnerChanged", DESTINATION: self.to()}, "sss",
                (one.name, one.name, ""), kind=SIGNAL)
        one.call_to(TEST, CONNECT, "ListDomains", "u", (0,))
        one.send_queued()
        self.messages += 4
        self.hold(self.dice.choice([0, 2]), one)

    def act_forged_replies(self):
        """Answers to what the service may have asked of the bus and of polkit."""
        one = self.talk()
        for _ in range(40):
            serial = self.dice.choice([self.dice.randrange(1, 200), self.dice.randrange(1, 1 << 20)])
            kind = self.dice.choice([RETURN, ERROR])
            fields = {REPLY_SERIAL: serial, DESTINATION: self.owner}
            if kind == ERROR:
                fields[ERROR_NAME] = "org.freedesktop.DBus.Error.NameHasNoOwner"
            signature, values = self.dice.choice([
                ("", ()), ("u", (0,)), ("s", ("",)), ("(bba{ss})", ((True, False, {}),)), ("as", ([],)),
                ("a{sv}", ({"UnixUserID": ("u", 0)},))])
            one.say(fields, signature, values, kind=kind)
            self.messages += 1

    def act_unanswered_questions(self):
        """Calls that have polkit ask its user, by an agent that never says a word."""
        if self.agent is None:
            self.agent = self.open()
            stat = pathlib.Path("/proc/self/stat").read_text(encoding="ascii")
            start = int(stat.rpartition(")")[2].split()[19])
            subject = ("unix-process", {"pid": ("u", os.getpid()), "start-time": ("t", start),
                                        "uid": ("i", os.getuid())})
            self.agent.call_to(POLKIT_PATH, AUTHORITY, "RegisterAuthenticationAgent", "(sa{sv})ss",
                               (subject, "C", "/agent"), to=POLKIT)
        one = self.open()
        for _ in range(20):
            one.call_to(GUEST, DOMAIN, self.dice.choice(["Create", "Reset", "Shutdown"]), "u", (0,),
                        flags=ALLOW_INTERACTION)
            self.messages += 1
        self.hold(self.dice.choice([0, 2, 8]), one)

    # Garbage

    def act_garbage(self):
        """Bodies that are not what their signature says, lengths that lie, headers that miss a field."""
        for _ in range(3):
            one = self.open()
            try:
                for _ in range(5):
                    one.send_bytes(self.broken(one))
                    self.messages += 1
                one.take()
            finally:
                self.drop(one)

    def broken(self, one):
        one.serial += 1
        fields = {PATH: GUEST, INTERFACE: DOMAIN, MEMBER: "GetState", DESTINATION: OURS, SIGNATURE: "u"}
        order = self.dice.choice("<>")
        which = self.dice.randrange(6)
        if which == 0:  # the body ends too early, or goes on for too long
            return message(one.serial, 0, fields, self.dice.randbytes(self.dice.randrange(12)), order=order)
        if which == 1:  # something else than the signature says
            fields[SIGNATURE] = self.values.signature("u")
            return message(one.serial, 0, fields, self.dice.randbytes(16), order=order)
        if which == 2:
            del fields[self.dice.choice([PATH, MEMBER, INTERFACE])]
            return message(one.serial, 0, fields, bytes(4), order=order)
        data = bytearray(message(one.serial, 0, fields, bytes(4), order=order))
        if which == 3:
            struct.pack_into("<I", data, self.dice.choice([4, 12]), self.dice.getrandbits(32))
        elif which == 4:
            data[self.dice.randrange(len(data))] ^= 1 << self.dice.randrange(8)
        else:
            fields[PATH], fields[INTERFACE] = "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local"
            return message(one.serial, 0, {**fields, MEMBER: "Disconnected"}, bytes(4), SIGNAL, order)
        return bytes(data)

    def act_come_and_go(self):
        """Connections that end at all moments."""
        path = self.address.partition("unix:path=")[2]
        hello = b"\0AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" % str(os.getuid()).encode().hex().encode()
        for _ in range(6):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(SENT_WITHIN)
                sock.connect(path)
                sock.sendall(hello[:self.dice.randrange(len(hello) + 1)])
        for _ in range(6):
            one = self.open()
            for _ in range(self.dice.choice([0, 1, 5])):
                one.call_to(*self.costly())
                self.messages += 1
            one.serial += 1
            data = message(one.serial, 0, {PATH: GUEST, INTERFACE: PEER, MEMBER: "Ping", DESTINATION: OURS})
            one.send_bytes(data[:self.dice.randrange(len(data) + 1)])
            self.drop(one)

    def act_rules(self):
        """Signals of everything, for a connection that does not read them."""
        one = self.open()
        for index in range(20):
            one.call_to(BUS_PATH, BUS, "AddMatch", "s", (f"type='signal',arg0='{index}'",), to=BUS)
        one.call_to(BUS_PATH, BUS, "AddMatch", "s", (f"type='signal',path_namespace='{ROOT}'",), to=BUS)
        one.call_to(BUS_PATH, BUS, "RequestName", "su", (self.dice.choice(self.wanted), 7), to=BUS)
        self.messages += 22
        self.hold(5, one)

    # What stays

    def hold(self, seconds, connection):
        self.held.append((seconds, connection))

    def counts(self):
        """(replies, calls with more than one, {name: errors}) of all connections so far."""
        every = self.over + [(one.replies, one.doubles, one.errors) for one in
                             [self.talker, self.agent, *(kept for _, kept in self.held)] if one]
        names = {}
        for _, _, errors in every:
            for name, number in errors.items():
                names[name] = names.get(name, 0) + number
        return sum(one[0] for one in every), sum(one[1] for one in every), names


class Lingering(socket.socket):
    """A socket with data that nobody takes."""

    def let_go(self, returned):
        """Closes our end, which is the last one where the service has returned its own: then without waiting. Where
        it is the last one all the same, that holds up a thread, and not the user."""
        how = (1, 0) if returned else (1, LINGER)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *how))
        threading.Thread(target=self.close, daemon=True).start()


class Files:
    """Descriptors of all sorts that a user has at hand: `all` of them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.accepted = []
        pairs = [*socket.socketpair(), *socket.socketpair(type=socket.SOCK_DGRAM)]
        # A socket on its way, in a socket on its way.
        pairs[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pairs[1].fileno()]))])
        self.kept = pairs
        self.all = [*os.pipe(), os.memfd_create("hostile"), *(one.fileno() for one in pairs),
                    os.open("/", os.O_PATH), os.open("/proc/self/mem", os.O_RDONLY),
                    *(os.open(f"/dev/{name}", os.O_RDONLY) for name in ("null", "zero", "urandom"))]

    def lingering(self):
        """A Lingering whose peer stays and does not read."""
        one = Lingering()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        one.connect(self.listener.getsockname())
        self.accepted = [*self.accepted[-20:], self.listener.accept()[0]]
        one.setblocking(False)
        try:
            while one.send(bytes(65536)):
                pass
        except BlockingIOError:
            pass
        return one
