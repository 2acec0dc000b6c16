# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a program knows that has the bus alone: models of all domains, networks and storage pools, made from
one picture (GetManagedObjects) and from what was told since.

Each checks what it hears while it listens: numbers without a hole and without a double, times that do not go
back, signals that mean something. When the service leaves the bus and another comes, it begins anew."""

import collections
from xml.etree import ElementTree

from ..client import PROPERTIES, Client, DBusError
from ..process import PATIENCE, wait_until
from ..service import CHECKOUT
from .grammar import Grammar

ROOT = "/org/libvirt"
CONNECTION = "org.guestbus.Connection1"
INTERFACES = {"domain": "org.guestbus.Domain1", "network": "org.guestbus.Network1",
              "storagepool": "org.guestbus.StoragePool1"}
MANAGER = "org.freedesktop.DBus.ObjectManager"
GONE = "org.guestbus.Error.Gone"
# Of the service's name.
OWNER = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.guestbus1'"
AWAY = {f"org.freedesktop.DBus.Error.{name}" for name in ("ServiceUnknown", "NameHasNoOwner", "NoReply")}
# A picture is made from memory, whatever libvirt does; at the start of the service it waits for libvirt, up to
# open-timeout.
AT_ONCE = 5 * PATIENCE
AT_THE_START = 10 + AT_ONCE
LIST_FAILED = "org.libvirt.Error"

Event = collections.namedtuple("Event", "path kind sequence timestamp name details")


def is_away(error):
    """Whether a call failed because the service was not there, or left."""
    return error.name in AWAY or error.message == "the service is stopping"


def declared():
    """{(interface, property): (signature, whether a change is told)} of the native interfaces."""
    result = {}
    for file in (CHECKOUT / "introspection").glob("org.guestbus.*.xml"):
        for interface in ElementTree.parse(file).iter("interface"):
            for one in interface.iter("property"):
                notes = {note.get("name"): note.get("value") for note in one.iter("annotation")}
                told = notes["org.freedesktop.DBus.Property.EmitsChangedSignal"] == "true"
                result[interface.get("name"), one.get("name")] = one.get("type"), told
    return result


DECLARED = declared()


def connection_of(path):
    return "/".join(path.split("/")[:4])


def interface_of(path):
    """The native interface of a domain, network or storage pool; None for other objects."""
    words = path.split("/")
    return INTERFACES.get(words[4]) if len(words) == 6 else None


def values_of(interface, properties):
    """{property: value}; each has the type that the interface declares."""
    for name, (signature, _) in properties.items():
        assert signature == DECLARED[interface, name][0], (interface, name, signature)
    return {name: value for name, (_, value) in properties.items()}


def news_of(event):
    """The properties in an event's details. That nobody told, but that it was found, is no property."""
    properties = dict(event.details)
    assert properties.pop("synthetic", ("b", True)) == ("b", True), event
    return values_of(interface_of(event.path), properties)


def among(path, roots):
    """Whether it is of one of these connections, or of none in particular; None stands for all of them."""
    return roots is None or path == ROOT or connection_of(path) in roots


def picture(client, roots=None):
    """GetManagedObjects: {path: {interface: {property: value}}}, of some connections."""
    if isinstance(client, Ear):
        objects = client.picture()
    else:
        objects, = client.call(ROOT, MANAGER, "GetManagedObjects", within=AT_THE_START)
    return {path: {name: values_of(name, properties) for name, properties in interfaces.items()}
            for path, interfaces in objects.items() if among(path, roots)}


def lasting(objects):
    """A picture without what nobody is told of."""
    return {path: {interface: {name: value for name, value in properties.items()
                               if CONNECTION != interface or DECLARED[interface, name][1]}
                   for interface, properties in interfaces.items()} for path, interfaces in objects.items()}


class Ear(Client):
    """A client that has a Grammar read each signal as it comes, and each picture at its place among them."""

    def __init__(self, address, grammar):
        super().__init__(address)
        self.grammar = grammar

    def receive(self, within):
        before = len(self.signals)
        super().receive(within)
        for signal in self.signals[before:]:
            self.grammar.signal(signal)

    def picture(self):
        """GetManagedObjects, as it is on the wire."""
        self.drain()
        mark = self.grammar.mark()
        objects, = self.call(ROOT, MANAGER, "GetManagedObjects", within=AT_THE_START)
        self.grammar.picture(mark, objects)
        return objects


class Listener:
    """A listener that comes and goes. `objects` is {path: {property: value}} of what the model is about;
    `roots` are the connections that it listens to, None for all."""

    RULES = ()

    def __init__(self, bus, name, roots=None):
        self.bus = bus
        self.name = name
        self.roots = roots
        self.client = None
        self.away = set()  # connections without libvirt
        self.lost = False  # the service left, or another is there, or it did not answer
        self.queue = []

    def come(self):
        """Opens a connection, asks for everything, and listens."""
        self.client = self.connect()
        self.queue = []
        for rule in self.RULES:
            self.client.match(rule)
        self.begin_anew()

    def connect(self):
        return Client(self.bus.address)

    def leave(self):
        """What happens from now on, it misses."""
        if self.client:
            self.client.close()
            self.client = None

    @property
    def here(self):
        return self.client is not None

    def look(self):
        """The picture, and which connections are without libvirt by it. Where libvirt takes its time for a list there is
        none yet, and that is an error."""
        found = wait_until(self.try_to_look, 6 * AT_THE_START, "there is a picture", every=0.2)
        self.away = {path for path, interfaces in found.items()
                     if CONNECTION in interfaces and interfaces[CONNECTION]["State"] != "connected"}
        return found

    def try_to_look(self):
        try:
            return picture(self.client, self.roots)
        except DBusError as error:
            if error.name != LIST_FAILED:
                raise
            return None

    def read(self):
        """Takes what has arrived."""
        if not self.here:
            return
        self.client.drain()
        self.queue = self.arrived()
        while self.queue:
            self.hear(self.queue.pop(0))
        if self.lost:
            self.begin_anew()

    def arrived(self):
        """What is not taken yet: the service's signals, and of the bus's own those about its name."""
        signals, self.client.signals = [*self.queue, *self.client.signals], []
        self.queue = []
        return [signal for signal in signals if signal.member == "NameOwnerChanged"
                or signal.path.startswith(ROOT) and among(self.subject(signal), self.roots)]

    def hear(self, signal):
        """What comes while the service is lost is older than what it begins anew with."""
        if signal.member == "NameOwnerChanged":
            self.lost = True
        elif not self.lost:
            self.take(signal)

    def begin_anew(self):
        """As soon as the service answers."""
        self.lost = False
        try:
            self.begin()
        except DBusError as error:
            if not is_away(error):
                raise
            self.lost = True

    @staticmethod
    def subject(signal):
        """The path of the object that a signal is about."""
        return signal.body[0] if signal.interface == MANAGER else signal.path

    def up_to_date(self, connection):
        """Reads all that was sent before an answer of now, which is the connection's last number."""
        number = self.client.get(connection, CONNECTION, "Sequence")[1]
        self.read()
        return number

    def begin(self):
        """Asks for all that it needs; DBusError when the service is not there."""
        raise NotImplementedError

    def take(self, signal):
        raise NotImplementedError

    def fail(self, what, about):
        raise AssertionError(f"{self.name}: {what}: {about}")


class EventListener(Listener):
    """Knows the stream of events. Away for a while, it asks for what it has missed. The signals of properties and
    objects it hears for its grammar alone."""

    RULES = (f"type='signal',interface='{MANAGER}'",
             f"type='signal',interface='{PROPERTIES}',path_namespace='{ROOT}'",
             f"type='signal',member='Event',path_namespace='{ROOT}'", OWNER)

    def __init__(self, bus, name, batch=0, roots=None):
        super().__init__(bus, name, roots)
        self.batch = batch  # of GetEvents
        self.objects = {}
        self.epochs = {}
        self.numbers = {}
        self.times = collections.defaultdict(int)
        self.heard = collections.defaultdict(dict)  # {connection: {sequence: Event}}
        self.count = collections.Counter()  # {connection: how many events}
        self.pictures = 0
        self.replayed = 0
        self.grammar = Grammar(name, signals=True, collect=True)
        self.strict = True  # a stream that breaks a rule fails at once

    def connect(self):
        self.grammar.interrupted()
        return Ear(self.bus.address, self.grammar)

    def arrived(self):
        return [signal for signal in super().arrived() if signal.member in ("Event", "NameOwnerChanged")]

    def read(self):
        super().read()
        if self.strict:
            self.grammar.check()

    def begin(self):
        """What comes in before the answer may be part of it: then its number says so."""
        if not self.pictures or not all([self.catch_up(connection) for connection in self.epochs]):
            self.start_again()
        for signal in self.arrived():
            if signal.member != "Event" or signal.body[1] > self.numbers.get(connection_of(signal.path), 0):
                self.hear(signal)

    def start_again(self):
        found = self.look()
        connections = {path: interfaces[CONNECTION] for path, interfaces in found.items()
                       if CONNECTION in interfaces}
        epochs = {path: properties["Epoch"] for path, properties in connections.items()}
        for path in [path for path in epochs if epochs[path] != self.epochs.get(path)]:
            if connections[path]["Sequence"] <= self.numbers.get(path, -1):
                self.fail(f"{path} had {self.numbers[path]} before", connections[path])
            self.times.pop(path, None)
        self.epochs = epochs
        self.numbers = {path: properties["Sequence"] for path, properties in connections.items()}
        self.objects = {path: dict(interfaces[interface_of(path)]) for path, interfaces in found.items()
                        if interface_of(path)}
        for properties in self.objects.values():
            del properties["Stale"]
        self.pictures += 1

    def catch_up(self, connection):
        """Whether all that was missed is still to be had, and then it is applied."""
        complete = False
        while not complete:
            try:
                events, complete = self.client.call(
                    connection, CONNECTION, "GetEvents", "stu",
                    (self.epochs[connection], self.numbers[connection], self.batch), within=AT_ONCE)
            except DBusError as error:
                if error.name != GONE:
                    raise
                return False
            if self.batch and len(events) > self.batch or not events and not complete:
                self.fail("an answer of another length", (len(events), complete))
            for event in events:
                self.apply(Event(*event))
                self.replayed += 1
        return True

    def up_to_date(self, connection):
        number = super().up_to_date(connection)
        if self.numbers[connection] < number:
            self.fail(f"{number} is the last event, but came none after", self.numbers[connection])
        return number

    def take(self, signal):
        assert signal.signature == "stxsa{sv}", signal
        self.apply(Event(signal.path, *signal.body))

    def apply(self, event):
        connection = connection_of(event.path)
        if event.sequence != self.numbers[connection] + 1:
            self.fail(f"after {self.numbers[connection]}", event)
        if event.timestamp < self.times[connection]:
            self.fail(f"a time before {self.times[connection]}", event)
        self.numbers[connection] = event.sequence
        self.times[connection] = event.timestamp
        self.heard[connection][event.sequence] = event
        self.count[connection] += 1
        if event.path == connection:
            self.of_connection(event)
        elif event.kind in ("added", "changed", "removed"):
            getattr(self, event.kind)(event)

    def of_connection(self, event):
        """Libvirt goes and comes in turn."""
        if event.kind in ("opened", "closed"):
            if (event.kind == "opened") != (event.path in self.away):
                self.fail(f"{event.path} was in that state", event)
            if event.kind == "opened" and event.details["epoch"][1] != self.epochs[event.path]:
                self.fail(f"the epoch was {self.epochs[event.path]}", event)
            (self.away.add if event.kind == "closed" else self.away.discard)(event.path)

    def fail(self, what, about):
        """With what was last heard of the object and of its connection."""
        if isinstance(about, Event):
            connection = connection_of(about.path)
            heard = [event for event in self.heard[connection].values()
                     if event.path in (about.path, connection)]
            about = "\n".join(str(event) for event in [*heard[-8:], about])
        super().fail(what, about)

    def added(self, event):
        if event.path in self.objects:
            self.fail("was there already", event)
        new = news_of(event)
        every = {name for interface, name in DECLARED if interface == interface_of(event.path)}
        if {*new, "Stale"} != every:
            self.fail("other properties", event)
        self.objects[event.path] = new

    def changed(self, event):
        known = self.objects.get(event.path)
        new = news_of(event)
        if known is None or not new or any(known[name] == value for name, value in new.items()):
            self.fail(f"no change of {known}", event)
        known.update(new)

    def removed(self, event):
        if self.objects.pop(event.path, None) is None:
            self.fail("was not there", event)


class StandardListener(Listener):
    """Knows the signals of the D-Bus specification alone."""

    RULES = (f"type='signal',interface='{MANAGER}'",
             f"type='signal',interface='{PROPERTIES}',path_namespace='{ROOT}'",
             f"type='signal',interface='{CONNECTION}',member='Resynced'", OWNER)

    def __init__(self, bus, name, roots=None):
        super().__init__(bus, name, roots)
        self.everything = {}
        self.removals = collections.Counter()

    def begin(self):
        """What came in before the answer is part of it, but for that another service has come."""
        self.everything = lasting(self.look())
        for signal in self.arrived():
            if signal.member == "NameOwnerChanged":
                self.hear(signal)

    @property
    def objects(self):
        return {path: interfaces[interface_of(path)] for path, interfaces in self.everything.items()
                if interface_of(path)}

    def take(self, signal):
        handlers = {"InterfacesAdded": self.added, "InterfacesRemoved": self.removed,
                    "PropertiesChanged": self.changed, "Resynced": self.resynced}
        handlers[signal.member](signal, *signal.body)

    def added(self, signal, path, interfaces):
        assert signal.path == ROOT and interface_of(path) in interfaces, signal
        if path in self.everything:
            self.fail("was there already", signal)
        self.everything[path] = {name: values_of(name, values) for name, values in interfaces.items()}

    def removed(self, signal, path, interfaces):
        self.removals[path] += 1
        if set(self.everything.pop(path, {})) != set(interfaces):
            self.fail("had other interfaces", signal)

    def changed(self, signal, interface, properties, invalidated):
        known = self.everything.get(signal.path, {}).get(interface)
        new = values_of(interface, properties)
        if known is None or invalidated or not new:
            self.fail(f"no change of {known}", signal)
        for name, value in new.items():
            if not DECLARED[interface, name][1] or known[name] == value:
                self.fail(f"{name} is no change of {known}", signal)
        known.update(new)
        if interface == CONNECTION and "State" in new:
            (self.away.discard if new["State"] == "connected" else self.away.add)(signal.path)

    def resynced(self, signal, *_):
        if signal.path in self.away:
            self.fail("compared with a libvirt that is not there", signal)
        stale = [path for path, values in self.objects.items()
                 if connection_of(path) == signal.path and values["Stale"]]
        if stale:
            self.fail(f"still stale: {stale}", signal)
