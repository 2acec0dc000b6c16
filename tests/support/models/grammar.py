# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of a stream of events, as docs/events.md has it, as a program that reads a stream.

A Grammar is fed with everything that one listener hears, in the order in which it came: events, the signals of
properties and of objects, and pictures (answers of GetManagedObjects). It knows of each object whether it is there
and which state was told last, and notes each sentence that breaks a rule, with what was heard of the object before.

The rules, under the names that a violation has:

number         numbers grow by one
epoch          those of a later epoch are above all of earlier ones
before-added   the first event of an object is `added`
after-removed  the last one is `removed`, until it is added again
added-twice    what is there is not added
untold         a state is told by an event before `changed` or PropertiesChanged shows it
removed-active what is told to run is told to have stopped before it is removed
repeated       what was started is not started, and what was stopped is not stopped
picture-over   a picture has nothing of which `removed` was heard before it was asked for
picture-lacks  a picture has all of which `added` was heard, and no `removed` until it came
picture-old    a picture has no state older than the one that was told before it was asked for
picture-number a picture's number is not above that of the last event heard before it
unpaired       `added` and `removed` come just after InterfacesAdded and InterfacesRemoved of the same object
"""

import collections

NATIVE = "org.guestbus."
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER = "org.freedesktop.DBus.ObjectManager"
CONNECTION = "org.guestbus.Connection1"
# Kinds of objects that the service has a picture of; others have no `added` and no `removed`.
INTERFACES = {"domain": "org.guestbus.Domain1", "network": "org.guestbus.Network1",
              "storagepool": "org.guestbus.StoragePool1"}

# States of which an event tells that they are these; of all others that the guest runs, or shuts down: that it
# waits for its host, or is on its way down, events do not tell for sure.
PLAIN = ("paused", "pmsuspended", "crashed", "shutoff", "active", "inactive")
RUNS = ("running", "shutdown")
OFF = ("shutoff", "inactive", "gone")
# Nothing is told of a guest that is not complete: it is paused, and may come to nothing.
STARTING = "starting-up"
# libvirt starts what runs: from its sleep, and anew from a snapshot.
STARTS_AGAIN = ("wakeup", "from-snapshot")

KEPT = 40  # of each object's history, and of what was told of it
SHOWN = 12  # of an object's history in a violation's text

Violation = collections.namedtuple("Violation", "rule path what history")


class Ungrammatical(AssertionError):
    """A stream that breaks a rule."""


def kind_of(path):
    """domain, network or storagepool; None for other objects."""
    words = path.split("/")
    return words[4] if len(words) == 6 and words[4] in INTERFACES else None


def connection_of(path):
    return "/".join(path.split("/")[:4])


def plain(values):
    """{name: value} of {name: (signature, value)}, as it is on the wire, or of what is plain already."""
    return {name: value[1] if isinstance(value, tuple) and len(value) == 2 else value
            for name, value in values.items()}


def state_of(kind, values):
    """The state that properties show, in the words of events; None where they show none."""
    if kind != "domain":
        return None if "Active" not in values else "active" if values["Active"] else "inactive"
    if "State" not in values:
        return None
    if values["State"] == "paused" and values.get("StateReason") == STARTING:
        return STARTING
    return values["State"]


def agrees(shown, told):
    """Whether a state may be shown when that was the last one told. Of a guest that is being started libvirt tells when
    it is complete, and of one that could not be started nothing."""
    if shown is None or told is None:
        return True
    if shown == STARTING:
        return told in (STARTING, "paused", *OFF)
    if told == STARTING:
        return shown in ("paused", *OFF)
    return told == shown if shown in PLAIN else told in RUNS


class Changes:
    """What a value was, and when it became what it is: [(time, value)], the last ones."""

    def __init__(self, value):
        self.list = collections.deque([(0, value)], KEPT)

    @property
    def now(self):
        return self.list[-1][1]

    def to(self, time, value):
        self.list.append((time, value))

    def since(self, mark):
        """All that it was from @mark on."""
        before = [value for time, value in self.list if time <= mark]
        return before[-1:] + [value for time, value in self.list if time > mark] if before else [None]


class Thing:
    """What is known of one object: None stands for what is not known."""

    def __init__(self, here):
        self.here = Changes(here)
        self.told = Changes(None)
        self.doubted = False  # the state that was told last is still to be checked
        self.last = None  # of started and stopped: (the word that came last, whether it was synthetic)
        self.shown = {}
        self.signalled = False  # InterfacesAdded was heard, `added` not yet
        self.leaving = False  # InterfacesRemoved was heard, `removed` not yet
        self.gone = False  # it was there
        self.history = collections.deque(maxlen=KEPT)


class Stream:
    """One connection's."""

    def __init__(self, whole):
        self.whole = whole  # what was not added is not there
        self.epoch = None
        self.number = None
        self.highest = 0
        self.doubted = False  # the service was started again: it may go on, or begin anew
        self.things = {}

    def thing(self, path):
        if path not in self.things:
            self.things[path] = Thing(False if self.whole else None)
        return self.things[path]

    def forget(self, whole):
        """What is known of objects."""
        self.whole = whole
        self.things.clear()

    def restart(self, whole):
        self.forget(whole)
        self.number = None
        self.epoch = None
        self.doubted = False


class Grammar:
    """Reads what one listener hears. `whole` says that it has heard everything from the start of the service on,
    `signals` that it hears those of properties and objects beside events. With `collect` violations are noted in
    `violations` alone; otherwise the first one is raised."""

    def __init__(self, name="a listener", whole=False, signals=False, collect=False):
        self.name = name
        self.signals = signals
        self.whole = whole
        self.collect = collect
        self.violations = []
        self.streams = {}
        self.sender = None
        self.time = 0

    # Faults

    def fail(self, rule, path, what):
        self.violations.append(Violation(rule, path, what, self.history(path)))
        if not self.collect:
            raise Ungrammatical(self.text())

    def history(self, path):
        """What was last heard of an object and of its connection, in its order."""
        things = self.streams[connection_of(path)].things if connection_of(path) in self.streams else {}
        known = [things[one].history for one in {path, connection_of(path)} if one in things]
        return [text for _, text in sorted(line for history in known for line in history)[-SHOWN:]]

    def counts(self):
        """{rule: how often it was broken}."""
        return dict(collections.Counter(violation.rule for violation in self.violations))

    def text(self, most=5):
        """The first violations, to be read."""
        lines = [f"{self.name}: {self.counts()}"]
        for rule, path, what, history in self.violations[:most]:
            lines += [f"{rule}: {path}: {what}; what was heard of it:", *(f"    {one}" for one in history)]
        return "\n".join(lines)

    def check(self):
        """Fails when a rule was broken."""
        if self.violations:
            raise Ungrammatical(self.text())

    # The listener

    def replaced(self):
        """The service was started again. It begins anew, or goes on where the start before ended: the next event, or
        picture, says so where a number was heard before."""
        self.whole = False
        for stream in self.streams.values():
            stream.doubted = True

    def interrupted(self):
        """The listener was away: what happened meanwhile, it does not know."""
        self.whole = False
        self.sender = None
        for stream in self.streams.values():
            stream.restart(False)

    def stream(self, path):
        connection = connection_of(path)
        if connection not in self.streams:
            self.streams[connection] = Stream(self.whole)
        return self.streams[connection]

    def note(self, path, *what):
        """The object, with that in its history."""
        thing = self.stream(path).thing(path)
        self.time += 1
        thing.history.append((self.time, " ".join(str(one) for one in what)))
        return thing

    def signal(self, signal):
        """Any signal, as client.Signal has it."""
        if signal.sender != self.sender and self.ours(signal):
            if self.sender is not None:
                self.replaced()
            self.sender = signal.sender
        if signal.member == "Event" and (signal.interface or "").startswith(NATIVE):
            self.event(signal.path, *signal.body)
        elif signal.interface == PROPERTIES and signal.member == "PropertiesChanged":
            self.properties(signal.path, signal.body[0], signal.body[1])
        elif signal.interface == MANAGER and signal.member in ("InterfacesAdded", "InterfacesRemoved"):
            self.interfaces(signal.member == "InterfacesAdded", *signal.body)

    @staticmethod
    def ours(signal):
        """Whether it is one that the service alone sends."""
        return (signal.interface or "").startswith(NATIVE) and signal.member == "Event"

    # Events

    def event(self, path, kind, sequence, timestamp, name, details):
        details = plain(details)
        self.count(path, kind, sequence, details)
        thing = self.note(path, sequence, kind, name, details)
        if path == connection_of(path):
            self.of_connection(path, kind)
        elif kind_of(path):
            self.of_object(path, thing, kind, details)

    def count(self, path, kind, sequence, details):
        stream = self.stream(path)
        epoch = details.get("epoch") if kind in ("opened", "resynced") else None
        if stream.doubted and sequence != (stream.number or 0) + 1:
            stream.restart(stream.number is not None)
        stream.doubted = False
        if epoch and stream.epoch and epoch != stream.epoch:
            stream.restart(self.whole)
        stream.epoch = epoch or stream.epoch
        if stream.number is None:
            if sequence <= stream.highest:
                self.fail("epoch", path, f"{sequence} is not above {stream.highest}, which was heard before")
        elif sequence != stream.number + 1:
            number, stream.number = stream.number, sequence
            stream.forget(False)
            self.fail("number", path, f"{sequence} {kind} comes after {number}")
        stream.number = sequence
        stream.highest = max(stream.highest, sequence)

    def of_connection(self, path, kind):
        """What happens while libvirt is away is not told as it happens, and what was lost is not told twice."""
        if kind == "closed":
            for thing in self.stream(path).things.values():
                thing.last = None

    def of_object(self, path, thing, kind, details):
        if kind == "added":
            self.added(path, thing, details)
            return
        if thing.here.now is False:
            self.fail("after-removed" if thing.gone else "before-added", path, f"{kind} of what is not there")
        if kind == "removed":
            self.removed(path, thing)
            return
        if thing.here.now is None:
            thing.here.to(self.time, True)
        if kind == "changed":
            self.shows(path, thing, details, kind)
        elif kind == "lifecycle":
            self.lifecycle(path, thing, details)
        elif kind == "state-checked":
            self.tell(thing, details.get("state"))

    def added(self, path, thing, details):
        if thing.here.now:
            self.fail("added-twice", path, "added, and was there")
        self.pair(path, thing.signalled, "added")
        thing.here.to(self.time, True)
        thing.signalled = False
        thing.shown = dict(details)
        thing.last = None
        self.tell(thing, state_of(kind_of(path), details))

    def removed(self, path, thing):
        told = thing.told.now
        if thing.here.now is not False and told not in (None, STARTING, *OFF):
            self.fail("removed-active", path, f"removed, and was told to be {told}")
        self.pair(path, thing.leaving, "removed")
        thing.here.to(self.time, False)
        thing.told.to(self.time, None)
        thing.leaving = False
        thing.gone = True
        thing.last = None
        thing.doubted = False

    def pair(self, path, signalled, kind):
        if self.signals and not signalled and self.stream(path).whole:
            self.fail("unpaired", path, f"{kind}, and no signal of its interfaces")

    def tell(self, thing, state, doubted=False):
        thing.told.to(self.time, state)
        thing.doubted = doubted

    def lifecycle(self, path, thing, details):
        word = details.get("event")
        state = details.get("state")
        if kind_of(path) != "domain" and state is None:
            state = {"started": "active", "stopped": "inactive"}.get(word)
        if word in ("started", "stopped"):
            found = bool(details.get("synthetic"))
            # libvirt itself tells some twice: its test driver stops a network that is stopped already, and stops a
            # guest that is saved for a snapshot that it is reverted to.
            own = not found and thing.last == (word, False)
            # What was told to be paused, say, since it was stopped is another life, whose start libvirt did not complete.
            own = own or (word == "stopped" and thing.told.now not in (None, *OFF))
            if thing.last and thing.last[0] == word and not own and details.get("detail") not in STARTS_AGAIN:
                self.fail("repeated", path, f"{word} again")
            thing.last = word, found
        if state is not None:
            self.tell(thing, state, details.get("checked") is False)

    def shows(self, path, thing, values, by):
        """Properties are shown to have changed."""
        kind = kind_of(path)
        relevant = {"State", "StateReason"} if kind == "domain" else {"Active"}
        thing.shown.update(values)
        if not relevant & set(values):
            return
        shown, told = state_of(kind, thing.shown), thing.told.now
        if not thing.doubted and not agrees(shown, told):
            self.fail("untold", path, f"{by} shows {shown}, and {told} was told last")
            self.tell(thing, shown)  # once

    # Signals of properties and objects

    def properties(self, path, interface, changed):
        if interface not in INTERFACES.values() or not kind_of(path):
            return
        values = plain(changed)
        thing = self.note(path, "PropertiesChanged", values)
        if thing.here.now is False and not thing.signalled:
            self.fail("after-removed" if thing.gone else "before-added", path,
                      "PropertiesChanged of what is not there")
        elif not thing.signalled:
            self.shows(path, thing, values, "PropertiesChanged")

    def interfaces(self, added, path, _interfaces):
        """They come just before the event that says the same."""
        if not kind_of(path):
            return
        thing = self.note(path, "InterfacesAdded" if added else "InterfacesRemoved")
        if added and thing.here.now:
            self.fail("added-twice", path, "InterfacesAdded, and was there")
        if not added and thing.here.now is False and not thing.signalled:
            self.fail("after-removed", path, "InterfacesRemoved of what is not there")
        thing.signalled = added
        thing.leaving = not added

    # Pictures

    def mark(self):
        """A moment, to be taken before a picture is asked for."""
        return self.time

    def picture(self, mark, objects, roots=None):
        """{path: {interface: {property: value}}}, asked for at @mark, after all signals that came before it. Other
        connections than @roots are not looked at, unless that is None."""
        self.time += 1
        there = {path: interfaces for path, interfaces in objects.items()
                 if roots is None or connection_of(path) in roots}
        for path, interfaces in there.items():
            if CONNECTION in interfaces:
                self.picture_of_stream(path, plain(interfaces[CONNECTION]))
        for path, interfaces in there.items():
            if kind_of(path):
                self.pictured(mark, path, plain(interfaces[INTERFACES[kind_of(path)]]))
        for connection, stream in self.streams.items():
            if connection in there:
                self.left_out(mark, stream, there)
                stream.whole = True

    def picture_of_stream(self, path, values):
        stream = self.stream(path)
        number, epoch = values["Sequence"], values["Epoch"]
        # Before an epoch was heard, events may have been another's.
        if stream.epoch != epoch and (stream.epoch or stream.doubted or number > (stream.number or number)):
            stream.restart(self.whole)
        stream.doubted = False
        stream.epoch = epoch
        if stream.number is None:
            stream.number = number
            if number < stream.highest:
                self.fail("epoch", path, f"a picture of {number}, and {stream.highest} was heard before")
            stream.highest = max(stream.highest, number)
        elif number > stream.number:
            last, stream.number = stream.number, number
            stream.forget(False)
            self.fail("picture-number", path, f"a picture of {number} came after event {last}")

    def pictured(self, mark, path, values):
        """One object in a picture."""
        shown = state_of(kind_of(path), values)
        thing = self.note(path, "in a picture:", {name: values[name] for name in ("State", "StateReason", "Active")
                                                  if name in values})
        if not any(here is not False for here in thing.here.since(mark)) and not thing.signalled:
            self.fail("picture-over" if thing.gone else "before-added", path, "in a picture, and not there")
        told = thing.told.since(mark)
        if thing.here.now and not thing.doubted and not any(agrees(shown, one) for one in told):
            self.fail("picture-old", path, f"a picture shows {shown}, and told was {told}")
        if thing.here.now is None:
            thing.here.to(self.time, True)
        if thing.here.now and thing.told.now is None:
            self.tell(thing, shown)
        thing.shown.update(values)

    def left_out(self, mark, stream, there):
        """What a picture does not have."""
        for path, thing in stream.things.items():
            if not kind_of(path) or path in there:
                continue
            if thing.here.now is None:
                thing.here.to(self.time, False)
            elif all(here is True for here in thing.here.since(mark)):
                self.fail("picture-lacks", path, "there, and in no picture")
