# SPDX-License-Identifier: LGPL-2.1-or-later
"""A listener that keeps to the rules of docs/events.md, "To miss nothing", and to nothing else. Each rule stands
beside the line that does it, in the document's words."""

from ..client import DBusError
from .listener import AT_ONCE, CONNECTION, OWNER, ROOT, Event, Listener, connection_of, interface_of, news_of


class Again(Exception):
    """Begin again."""


class RecipeListener(Listener):
    """Knows what the rules tell. `looks` says whether it looks at NameOwnerChanged."""

    def __init__(self, bus, name, roots=None, looks=True):
        super().__init__(bus, name, roots)
        self.RULES = (f"type='signal',member='Event',path_namespace='{ROOT}'", *[OWNER] * looks)
        self.objects = {}
        self.noted = {}  # {connection: [epoch, number]}
        self.unsure = set()  # connections whose `resynced` is waited for
        self.pictures = 0

    # 1. Subscribe to the signals `Event`, and then begin: call `GetManagedObjects`; if that fails, call it again a
    # little later.
    def begin(self):
        found = self.look()
        self.pictures += 1
        # 2. The answer replaces everything you knew. Note the `Epoch` and the `Sequence` of each connection in it.
        before, self.objects = self.objects, {}
        connections = {path: interfaces[CONNECTION] for path, interfaces in found.items()
                       if CONNECTION in interfaces}
        self.noted = {path: [values["Epoch"], values["Sequence"]] for path, values in connections.items()}
        # 3. If the `State` of a connection is not `connected`, the answer may lack some of its objects: keep those that
        # you knew as well, and begin again when its event `resynced` comes.
        self.unsure = {path for path, values in connections.items() if values["State"] != "connected"}
        self.objects.update({path: values for path, values in before.items()
                             if connection_of(path) in self.unsure})
        self.objects.update({path: dict(interfaces[interface_of(path)]) for path, interfaces in found.items()
                             if interface_of(path)})
        for values in self.objects.values():
            values.pop("Stale", None)

    def hear(self, signal):
        if self.lost:
            return  # what it begins with will have it
        if signal.member == "NameOwnerChanged":
            self.owned(signal.body[2])
            return
        try:
            self.apply(Event(signal.path, *signal.body))
        except Again:
            self.lost = True

    def owned(self, new):
        # 8. If you follow `NameOwnerChanged` of `org.guestbus1`: when the name has no owner, keep what you know,
        # because guests go on; when it has a new owner, begin again.
        if new:
            self.lost = True

    def apply(self, event):
        connection = connection_of(event.path)
        epoch, number = self.noted.get(connection, (None, None))
        # 4. An event of a connection for which you have no number, or with an `epoch` in its details that is not the
        # noted one: begin again.
        if number is None or event.details.get("epoch", ("s", epoch))[1] != epoch:
            raise Again
        # 5. An event whose number is not greater than the noted one: drop it.
        if event.sequence <= number:
            return
        # 6. An event with the next number: note the number. `added` and `changed` have the new properties in their
        # details; `removed` means that the object is gone.
        if event.sequence == number + 1:
            self.noted[connection][1] = event.sequence
            self.note(event)
            return
        # 7. An event with a greater number: you missed some. Call `GetEvents` with the noted epoch and number, and
        # apply these rules to the events that it returns, until the answer is complete; if the call fails, begin again.
        complete = False
        while not complete:
            try:
                events, complete = self.client.call(connection, CONNECTION, "GetEvents", "stu",
                                                    (*self.noted[connection], 0), within=AT_ONCE)
            except DBusError:
                raise Again from None
            for each in events:
                self.apply(Event(*each))

    def note(self, event):
        if event.kind in ("added", "changed"):
            self.objects.setdefault(event.path, {}).update(news_of(event))
        elif event.kind == "removed":
            self.objects.pop(event.path, None)
        elif event.kind == "resynced" and event.path in self.unsure:
            raise Again
