# SPDX-License-Identifier: LGPL-2.1-or-later
"""The events that a running service keeps, all of them, read and held against the grammar, and against a picture
that was made meanwhile."""

import contextlib

from ..client import PROPERTIES, Client, DBusError
from ..process import PATIENCE
from .grammar import CONNECTION, MANAGER, Grammar, plain

ROOT = "/org/libvirt"
GONE = "org.guestbus.Error.Gone"
TOO_LARGE = "org.freedesktop.DBus.Error.LimitsExceeded"
# Everything here is answered from memory.
AT_ONCE = 10 * PATIENCE


class Ring:
    """What is kept of one connection. `values` are the connection's properties as they were at first."""

    def __init__(self, client, path, destination):
        self.client, self.path, self.destination = client, path, destination
        self.values = self.get_all()

    def get_all(self):
        values, = self.client.call(self.path, PROPERTIES, "GetAll", "s", (CONNECTION,), within=AT_ONCE,
                                   destination=self.destination)
        return plain(values)

    @property
    def number(self):
        return self.values["Sequence"]

    def is_filled(self):
        """Whether a picture of it waits for nothing."""
        return self.values["State"] == "connected" and self.values["Counters"]["comparisons"] > 0

    def page(self, after, most=0):
        """(events, complete), or the error's name: Gone for what is not kept any more."""
        try:
            return self.client.call(self.path, CONNECTION, "GetEvents", "stu", (self.values["Epoch"], after, most),
                                    within=AT_ONCE, destination=self.destination)
        except DBusError as error:
            if error.name not in (GONE, TOO_LARGE):
                raise
            return error.name

    def is_kept(self, after):
        return self.page(after, 1) != GONE

    def first(self):
        """The smallest number after which all events are kept; 0 where none was forgotten."""
        if self.is_kept(0):
            return 0
        low, high, step = 0, self.number, 1
        while high > 0 and self.is_kept(max(high - step, 0)):
            high = max(high - step, 0)
            step *= 2
        low = max(high - step, 0)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.is_kept(middle) else (middle, high)
        return high

    def events(self):
        """All that is kept: (the events, whether they are all since the start). What is too large to be told begins
        a new stream."""
        for _ in range(20):
            after, found, whole = self.first(), [], True
            while (answer := self.page(after)) != GONE:
                if answer == TOO_LARGE:
                    after, found, whole = after + 1, [], False
                    continue
                events, complete = answer
                found += events
                after = found[-1][2] if found else after
                if complete:
                    return found, whole and self.get_all()["Counters"]["events.forgotten"] == 0
        return [], False


def names(client, pid=None):
    """Those of the service, ours first."""
    return [name for name in ("org.guestbus1", "org.libvirt")
            if client.has_owner(name) and pid in (None, client.pid_of(name))]


def picture(client, destination, rings):
    """GetManagedObjects; nothing where it would have to wait for libvirt, or is larger than a reply."""
    if not all(ring.is_filled() for ring in rings):
        return {}
    try:
        return client.call(ROOT, MANAGER, "GetManagedObjects", within=AT_ONCE, destination=destination)[0]
    except DBusError as error:
        if error.name != TOO_LARGE:
            raise
        return {}


def read(address, name="ring", pid=None):
    """A Grammar that has read all rings of the service, and one picture, without raising anything. With @pid, of
    that process alone: another one may have the name."""
    grammar = Grammar(name, collect=True)
    with contextlib.closing(Client(address)) as client:
        found = names(client, pid)
        if found:
            connections, = client.call(ROOT, PROPERTIES, "Get", "ss", ("org.guestbus.Manager1", "Connections"),
                                       within=AT_ONCE, destination=found[0])
            rings = [Ring(client, path, found[0]) for path in connections[1]]
            objects = picture(client, found[0], rings)
            for ring in rings:
                feed(grammar, ring, objects)
    return grammar


def feed(grammar, ring, objects):
    """Reads one ring, and in its place the picture, which was asked for after the ring's number was."""
    events, grammar.whole = ring.events()
    shown = plain(objects[ring.path][CONNECTION])["Sequence"] if ring.path in objects else None
    mark = None
    for path, *event in [*events, (None, None, float("inf"))]:
        number = event[1]
        if mark is None and number > ring.number:
            mark = grammar.mark()
        if shown is not None and number > shown:
            grammar.picture(mark, objects, (ring.path,))
            shown = None
        if path:
            grammar.event(path, *event)


def check(address, pid=None):
    """Fails when a stream of the service breaks a rule."""
    read(address, "the events that the service keeps", pid).check()
