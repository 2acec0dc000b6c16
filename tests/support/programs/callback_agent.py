# SPDX-License-Identifier: LGPL-2.1-or-later
"""callback_agent.py URI SETTLE: a compute agent as they are made on libvirt's own callbacks. It prints each
change of a guest's power state, as it would tell it to its cloud, as a line of JSON [UUID, state]; a guest
that is no longer there is "gone".

A guest counts as off once it was off for SETTLE seconds. Where an event does not say what is, libvirt is
asked. When libvirt goes away, the agent comes back to it, registers again and lists all; it does so on
SIGHUP as well, for what libvirt does not tell."""

import collections
import json
import signal
import sys
import time

import libvirt

TICK = 20  # ms
STATES = {libvirt.VIR_DOMAIN_RUNNING: "running", libvirt.VIR_DOMAIN_PAUSED: "paused",
          libvirt.VIR_DOMAIN_SHUTOFF: "shutoff", libvirt.VIR_DOMAIN_CRASHED: "crashed"}
PLAIN = {libvirt.VIR_DOMAIN_EVENT_STARTED: "running", libvirt.VIR_DOMAIN_EVENT_RESUMED: "running",
         libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "paused"}

# It may have come back already.
MOVED = (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED)
GONE = None


class Agent:
    """What the agent knows, and what it has to do."""

    def __init__(self, uri, settle):
        self.uri = uri
        self.settle = settle
        self.compare = False
        self.connection = None
        self.events = collections.deque()
        self.states = {}
        self.off = {}  # {UUID: when it counts as off}

    def work(self):
        """Does what is due; called between libvirt's callbacks."""
        try:
            if self.connection is None:
                self.open()
            if self.compare:
                self.list()
            while self.events:
                self.handle(*self.events.popleft())
            for number, due in list(self.off.items()):
                if time.monotonic() >= due:
                    self.settled(number, self.state(number))
        except libvirt.libvirtError:
            if self.connection and not self.connection.isAlive():
                self.connection = None

    def open(self):
        self.events.clear()
        connection = libvirt.openReadOnly(self.uri)
        connection.registerCloseCallback(self.closed, None)
        self.connection = connection
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self.told, None)
        self.list()

    def list(self):
        """What is, whatever was told."""
        known = {domain.UUIDString(): domain.state()[0] for domain in self.connection.listAllDomains()}
        for number in self.states.keys() | self.off.keys() | known.keys():
            self.learn(number, known.get(number))
        self.compare = False

    def closed(self, connection, _reason, _opaque):
        if connection is self.connection:
            self.connection = None

    def told(self, connection, domain, event, detail, _opaque):
        if connection is self.connection:
            self.events.append((domain.UUIDString(), event, detail))

    def handle(self, number, event, detail):
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            self.learn(number, libvirt.VIR_DOMAIN_SHUTOFF)
        elif event in PLAIN and (event, detail) != MOVED:
            self.tell(number, PLAIN[event])
        elif event != libvirt.VIR_DOMAIN_EVENT_SHUTDOWN:
            self.learn(number, self.state(number))

    def state(self, number):
        """A guest's state by libvirt, or GONE."""
        try:
            return self.connection.lookupByUUIDString(number).state()[0]
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return GONE
            raise

    def learn(self, number, state):
        """A state that is new or not. What was on and is off has some time to come back."""
        if state == libvirt.VIR_DOMAIN_SHUTOFF and self.states.get(number) != "shutoff":
            self.off.setdefault(number, time.monotonic() + self.settle)
        else:
            self.settled(number, state)

    def settled(self, number, state):
        """States on the way to another one pass."""
        if state == GONE or state in STATES:
            self.tell(number, "gone" if state == GONE else STATES[state])

    def tell(self, number, state):
        self.off.pop(number, None)
        if self.states.get(number, "gone") != state:
            self.states[number] = state
            print(json.dumps([number, state]), flush=True)


def main():
    libvirt.registerErrorHandler(lambda context, error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(TICK, lambda timer, opaque: None, None)
    agent = Agent(sys.argv[1], float(sys.argv[2]))
    signal.signal(signal.SIGHUP, lambda number, frame: setattr(agent, "compare", True))
    agent.work()
    print(json.dumps(["ready"]), flush=True)
    while True:
        libvirt.virEventRunDefaultImpl()
        agent.work()


if __name__ == "__main__":
    main()
