# SPDX-License-Identifier: LGPL-2.1-or-later
"""python3 -m support.programs.steady_user SETTINGS: a well-behaved caller, which asks and changes one guest steadily
and looks at each answer, until it is told to end (SIGTERM). SETTINGS is JSON: address, within (seconds for an answer).

Once a second it says in a line of JSON what its calls took, [[when, member, milliseconds], ...], and what was wrong
with them, [[when, member, words], ...]."""

import json
import signal
import sys
import time

from ..client import CONNECT, DOMAIN, PROPERTIES, Client, DBusError
from ..hosts.guarded import GUEST
from ..models.listener import CONNECTION, INTERFACES
from ..models.targets import TEST

EVERY = 0.02
TOLD_EVERY = 1.0
CHANGES_EVERY = 10
PAUSE = 0.2
STATES = {1: "running", 3: "paused"}
DOMAIN1 = INTERFACES["domain"]


class Steady:
    """The caller. `state` is what its own last change has brought about: nobody else may change the guest."""

    def __init__(self, settings):
        self.address = settings["address"]
        self.client = Client(self.address)
        self.within = settings["within"]
        self.state = 1
        self.epoch, self.after = "", 0
        self.calls, self.faults = [], []
        self.rounds = 0
        self.over = False

    def work(self):
        told = time.monotonic()
        while not self.over:
            for step in (self.ask_state, self.ask_list, self.ask_mirror, self.ask_events, self.wait_for_it):
                self.attempt(step)
            self.rounds += 1
            if self.rounds % CHANGES_EVERY == 0:
                self.attempt(self.change)
                self.attempt(self.ask_anew)
            if time.monotonic() >= told + TOLD_EVERY:
                told = time.monotonic()
                self.tell()

    def tell(self):
        print(json.dumps({"calls": self.calls, "faults": self.faults}), flush=True)
        self.calls, self.faults = [], []

    def attempt(self, step):
        """Calls; what is wrong with the answer is noted, and whether there is none."""
        if self.over:
            return
        began = time.monotonic()
        try:
            wrong = step()
        except (DBusError, AssertionError, OSError) as error:
            wrong = f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        self.calls.append([round(began, 3), step.__name__, round(took * 1000, 3)])
        if wrong:
            self.faults.append([round(began, 3), step.__name__, wrong[:300]])
            time.sleep(PAUSE)
        time.sleep(EVERY)

    def call(self, *call):
        return self.client.call(*call, within=self.within)

    def ask_state(self):
        state = self.call(GUEST, DOMAIN, "GetState", "u", (0,))[0][0]
        return state != self.state and f"{state}, and not {self.state}"

    def ask_list(self):
        return GUEST not in self.call(TEST, CONNECT, "ListDomains", "u", (0,))[0] and "the guest is not in the list"

    def ask_mirror(self):
        state = self.call(GUEST, PROPERTIES, "Get", "ss", (DOMAIN1, "State"))[0][1]
        return state != STATES[self.state] and f"{state}, and not {STATES[self.state]}"

    def ask_events(self):
        """The newest events, without a hole."""
        if not self.epoch:
            self.epoch = self.call(TEST, PROPERTIES, "Get", "ss", (CONNECTION, "Epoch"))[0][1]
            self.after = self.call(TEST, PROPERTIES, "Get", "ss", (CONNECTION, "Sequence"))[0][1]
        try:
            events, _ = self.call(TEST, CONNECTION, "GetEvents", "stu", (self.epoch, self.after, 100))
        except DBusError:
            self.epoch = ""
            raise
        numbers = [one[2] for one in events]
        expected = list(range(self.after + 1, self.after + 1 + len(events)))
        self.after += len(events)
        return numbers != expected and f"numbers {numbers[:5]} after {expected[:1]}"

    def wait_for_it(self):
        """For what is so already: answered at once."""
        self.call(GUEST, DOMAIN1, "WaitForState", "asua{sv}", ([STATES[self.state]], 10000, {}))

    def ask_anew(self):
        """As a new connection, which the service knows nothing of."""
        with Client(self.address) as client:
            paths = client.call(TEST, CONNECT, "ListDomains", "u", (0,), within=self.within)[0]
            client.call(GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", False)), within=self.within)
        return GUEST not in paths and "the guest is not in the list"

    def change(self):
        self.call(GUEST, DOMAIN, "Suspend" if self.state == 1 else "Resume")
        self.state = 4 - self.state

    def end(self, *_):
        self.over = True


def main(settings):
    steady = Steady(settings)
    signal.signal(signal.SIGTERM, steady.end)
    steady.work()
    steady.tell()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
