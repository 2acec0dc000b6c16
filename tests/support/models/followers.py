# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program that does what docs/events.md says of power states, and nothing else: it checks nothing, and is as right
as the words are."""

from .grammar import agrees, kind_of, plain
from .listener import CONNECTION, OWNER, ROOT, Event, Listener, connection_of, interface_of


class PowerStates(Listener):
    """"Power states": the state of a guest is that of its last event with a state, after what the picture or `added`
    shows. `states` is {path: state}."""

    RULES = (f"type='signal',member='Event',path_namespace='{ROOT}'", OWNER)

    def begin(self):
        found = self.look()
        self.numbers = {path: interfaces[CONNECTION]["Sequence"] for path, interfaces in found.items()
                        if CONNECTION in interfaces}
        self.states = {path: interfaces[interface_of(path)]["State"] for path, interfaces in found.items()
                       if kind_of(path) == "domain"}
        for signal in self.arrived():
            self.hear(signal)

    def take(self, signal):
        event = Event(signal.path, *signal.body)
        connection = connection_of(event.path)
        if event.sequence > self.numbers[connection]:
            self.numbers[connection] = event.sequence
            if kind_of(event.path) == "domain":
                self.apply(event.path, event.kind, plain(event.details))

    def apply(self, path, kind, details):
        if kind == "removed":
            self.states.pop(path, None)
        elif kind == "added":
            self.states[path] = details["State"]
        elif kind in ("lifecycle", "state-checked") and "state" in details and details.get("checked") is not False:
            self.states[path] = details["state"]

    def different(self, expected):
        """{path: (its state, libvirt's)} where they are not the same; @expected as workload.truth() has it."""
        true = {path: values["State"] for path, values in expected.items() if kind_of(path) == "domain"}
        return {path: (self.states.get(path), true.get(path)) for path in self.states.keys() | true.keys()
                if path not in self.states or path not in true or not agrees(true[path], self.states[path])}
