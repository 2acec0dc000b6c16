# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compute agents: what a cloud runs on a host to know the power state of its guests. One has signals of
D-Bus alone, in two ways to tell a stop from a reboot; the other has libvirt's callbacks."""

import time
from signal import SIGHUP

from ..client import Client, DBusError, body_of, field
from ..hosts import host
from .listener import CONNECTION, OWNER, ROOT, connection_of, interface_of, is_away, picture

DOMAIN = "org.guestbus.Domain1"
UNKNOWN = "org.freedesktop.DBus.Error.UnknownObject"
# States that a cloud knows; the others pass.
POWER = ("running", "paused", "shutoff", "crashed")


def number_of(path):
    return path.rpartition("/_")[2].replace("_", "-")


class BusAgent:
    """Knows power states from lifecycle events. `told` is what it told its cloud, as (UUID, state), `states`
    what is true by that. A guest that is off counts as off when it has been so for `settle` seconds. It begins
    anew with each service that comes."""

    def __init__(self, bus, settle):
        self.settle = settle
        self.client = Client(bus.address).match(f"type='signal',member='Event',path_namespace='{ROOT}'")
        self.client.match(OWNER)
        self.states = {}
        self.told = []
        self.there = set()
        self.doubts = {}  # {path: the number of the event that cannot be trusted}
        self.off = {}
        self.unsure = set()  # connections whose guests could not be seen
        self.lost = False
        self.begin(self.tell)

    def begin(self, learn):
        """What is, whatever was told before. Where libvirt is away, guests are not gone."""
        found = picture(self.client)
        self.client.signals = [signal for signal in self.client.signals if signal.member == "NameOwnerChanged"]
        self.lost = False
        self.doubts.clear()
        self.off.clear()
        self.unsure = {path for path, interfaces in found.items()
                       if CONNECTION in interfaces and interfaces[CONNECTION]["State"] != "connected"}
        states = {path: interfaces[DOMAIN]["State"] for path, interfaces in found.items() if DOMAIN in interfaces}
        for path in [path for path in self.there - states.keys() if connection_of(path) not in self.unsure]:
            self.there.discard(path)
            self.tell(path, "gone")
        for path, state in states.items():
            self.there.add(path)
            learn(path, state)

    def begin_anew(self):
        try:
            self.begin(self.learn)
        except DBusError as error:
            if not is_away(error):
                raise

    def close(self):
        self.client.close()

    def work(self):
        """Takes what has arrived, and does what is due."""
        self.client.drain()
        signals, self.client.signals = self.client.signals, []
        for signal in signals:
            if signal.member == "NameOwnerChanged" or signal.path in self.unsure and signal.body[0] == "resynced":
                self.lost = True
            elif interface_of(signal.path) == DOMAIN:
                kind, number, _, _, details = signal.body
                self.handle(signal.path, kind, number, {name: value for name, (_, value) in details.items()})
        if self.lost:
            self.begin_anew()
        self.settled()

    def handle(self, path, kind, number, details):
        if kind == "lifecycle" and "state" in details:
            if details.get("checked", True):
                self.doubts.pop(path, None)
                self.learn(path, details["state"])
            else:
                self.doubts[path] = number
        elif kind == "state-checked" and self.doubts.get(path) == details["of"]:
            del self.doubts[path]
            self.learn(path, details["state"])
        elif kind == "added":
            self.there.add(path)
            # What a lifecycle event has told already is newer, or the same.
            if path not in self.off and self.states.get(number_of(path), "gone") == "gone":
                self.learn(path, details["State"])
        elif kind == "removed":
            self.there.discard(path)
            self.doubts.pop(path, None)
            self.tell(path, "gone")

    def learn(self, path, state):
        if state == "shutoff" and self.states.get(number_of(path)) != "shutoff":
            if path not in self.off:
                self.off[path] = self.begin_to_settle(path)
        elif state in (*POWER, "gone"):
            self.tell(path, state)

    def tell(self, path, state):
        """Tells the cloud what is new to it."""
        self.off.pop(path, None)
        number = number_of(path)
        if self.states.get(number, "gone") != state:
            self.told.append((number, state))
            self.states[number] = state

    # Stopped, or only started again?

    def begin_to_settle(self, path):
        """By a timer of its own."""
        return time.monotonic() + self.settle

    def settled(self):
        for path, due in list(self.off.items()):
            if time.monotonic() >= due:
                self.tell(path, "shutoff" if path in self.there else "gone")


class WaitingAgent(BusAgent):
    """The same, but it lets WaitForState watch over the settling."""

    def begin_to_settle(self, path):
        settle = int(self.settle * 1000)
        return self.client.send(path, DOMAIN, "WaitForState", "asua{sv}",
                                (["shutoff", "gone"], 10 * settle, {"settle": ("u", settle)}))

    def settled(self):
        waiting = {serial: path for path, serial in self.off.items()}
        replies, self.client.replies = self.client.replies, []
        for reply in replies:
            path = waiting.get(field(reply, "reply_serial"))
            outcome = path and self.outcome(reply)
            if outcome:
                self.tell(path, outcome)

    @staticmethod
    def outcome(reply):
        """An object that is not there any more is gone. A service that has left says nothing; the next one is
        asked again."""
        try:
            return body_of(reply)[0]
        except DBusError as error:
            if error.name == UNKNOWN:
                return "gone"
            if is_away(error):
                return None
            raise


class CallbackAgent(host.Watcher):
    """The agent on libvirt's callbacks, in a process of its own."""

    PROGRAM = "callback_agent.py"

    def __init__(self, home, uri, settle):
        super().__init__(home, uri, str(settle))

    def compare(self):
        """Lists all."""
        self.process.send_signal(SIGHUP)

    @property
    def told(self):
        assert self.process.poll() is None, f"the agent ended with {self.process.returncode}"
        return [tuple(one) for one in self.read()]

    @property
    def states(self):
        return dict(self.told)
