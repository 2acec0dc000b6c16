# SPDX-License-Identifier: LGPL-2.1-or-later
"""The events that a running service keeps, all of them, read and held against the grammar, and against a picture
that was made meanwhile."""

import contextlib

from .client import PROPERTIES, Client, DBusError
from .grammar import CONNECTION, MANAGER, Grammar, plain
from .process import PATIENCE

ROOT = "/org/libvirt"
GONE = "org.guestbus.Error.Gone"
# Everything here is answered from memory.
AT_ONCE = 10 * PATIENCE
# Connections whose stream the asking client does not share, and a client without the right to look.
NOT_FOR_US = ("org.freedesktop.DBus.Error.AccessDenied",
              "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")


class Ring:
    """What is kept of one connection."""

    def __init__(self, client, path, destination):
        self.client, self.path, self.destination = client, path, destination
        self.epoch = self.get("Epoch")
        self.number = self.get("Sequence")

    def get(self, name):
        return self.client.call(self.path, PROPERTIES, "Get", "ss", (CONNECTION, name), within=AT_ONCE,
                                destination=self.destination)[0][1]

    def page(self, after, most=0):
        """(events, complete); None when they are not kept any more."""
        try:
            return self.client.call(self.path, CONNECTION, "GetEvents", "stu", (self.epoch, after, most),
                                    within=AT_ONCE, destination=self.destination)
        except DBusError as error:
            if error.name != GONE:
                raise
            return None

    def first(self):
        """The smallest number after which all events are kept."""
        if self.page(0, 1):
            return 0
        low, high, step = 0, self.number, 1
        while high - step > 0 and self.page(high - step, 1):
            step *= 2
        low, high = max(high - step, 0), high - step // 2 if step > 1 else high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.page(middle, 1) else (middle, high)
        return high

    def is_whole(self):
        """Whether nothing was forgotten since the start."""
        return self.get("Counters").get("events.forgotten", 0) == 0

    def events(self):
        """All that is kept: (the events, whether they are all since the start)."""
        for _ in range(20):
            after, found, complete = self.first(), [], False
            while not complete:
                answer = self.page(after)
                if answer is None:  # newer ones took their place meanwhile
                    break
                events, complete = answer
                found += events
                after = found[-1][2] if found else after
            if complete:
                return found, self.is_whole()
        return [], False


def names(client, pid=None):
    """Those of the service, ours first."""
    return [name for name in ("org.guestbus1", "org.libvirt")
            if client.has_owner(name) and pid in (None, client.pid_of(name))]


def read(address, name="ring", pid=None):
    """A Grammar that has read all rings of the service, and one picture, without raising anything. With @pid, of
    that process alone: another one may have the name."""
    grammar = Grammar(name, collect=True)
    with contextlib.closing(Client(address)) as client:
        found = names(client, pid)
        if not found:
            return grammar
        destination = found[0]
        connections, = client.call(ROOT, PROPERTIES, "Get", "ss", ("org.guestbus.Manager1", "Connections"),
                                   within=AT_ONCE, destination=destination)
        rings = [Ring(client, path, destination) for path in connections[1]]
        objects, = client.call(ROOT, MANAGER, "GetManagedObjects", within=AT_ONCE, destination=destination)
        for ring in rings:
            if ring.path in objects:
                feed(grammar, ring, objects)
    return grammar


def feed(grammar, ring, objects):
    """Reads one ring, and in its place the picture, which was asked for after the ring's number was."""
    shown = plain(objects[ring.path][CONNECTION])["Sequence"]
    events, whole = ring.events()
    grammar.whole = whole
    mark, shown_at = None, False
    for path, *event in events:
        if mark is None and event[1] > ring.number:
            mark = grammar.mark()
        if not shown_at and event[1] > shown:
            grammar.picture(grammar.mark() if mark is None else mark, objects, (ring.path,))
            shown_at = True
        grammar.event(path, *event)
    if not shown_at and events:
        grammar.picture(grammar.mark() if mark is None else mark, objects, (ring.path,))


def check(address, pid=None):
    """Fails when a stream of the service breaks a rule."""
    read(address, "the events that the service keeps", pid).check()
