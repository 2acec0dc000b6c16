# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scene that lasts for hours, with all kinds of trouble at once: libvirtd dies or stands still, listeners
and floods come and go, and everything that the service has is called at random.

The random calls go to a test driver inside the service: what they change there is no plain client's work, so
it has a connection of its own, and a listener that checks its events."""

import signal
import time

from ..client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, SERVICE
from ..models.listener import CONNECTION, MANAGER, ROOT, EventListener, interface_of, picture
from ..models.targets import objects
from ..process import PATIENCE
from ..programs.fuzz import Fuzz
from ..programs.workload_client import keeper
from ..wire import DESTINATION, INTERFACE, MEMBER, PATH, SIGNATURE, Wire, marshal
from .scene import QEMU, ROOTS, TEST, WITHIN, Scene, different
from .workload import STATES, object_path

FUZZ = f"{ROOT}/Fuzz"
# Random calls: so many a second, that many at a time, and how often the driver is tidied up.
RATE = 60
BATCH = 30
TIDY_EVERY = 20
# A flood: calls of one client that reads nothing and leaves soon, and the pause until the next.
CALLS = 600
STAYS = (0.0, 2.0)
PAUSE = (2.0, 8.0)
# Operations between two troubles, the share of those that are a stop, and how long that lasts: with keep-alive
# as below some of them are taken for a loss.
TROUBLE = (20, 120)
STOPS = 0.35
STOPPED = (0.5, 7.0)
KILLED_WHILE_STOPPED = 0.2
KEEPALIVE = "keepalive-interval=1\nkeepalive-count=3\n"
PING_EVERY = 0.5  # s
# As many events as are kept for those who return; some absences miss more, others fewer.
EVENTS_KEPT = 200
CONFIG = f"[limits]\nevents-kept={EVENTS_KEPT}\n{KEEPALIVE}"
# What a listener's history keeps for the text of a failure.
REMEMBERED = 400


class Flood:
    """Clients that send a crowd of calls, read nothing, and leave, some at once."""

    def __init__(self, bus, dice):
        self.bus = bus
        self.random = dice
        self.next = time.monotonic()
        self.here = []  # (client, when it leaves)
        self.sent = 0
        guest = object_path(QEMU, "domain", keeper("qemu"))
        self.calls = [(root, CONNECT, "ListDomains", "u", [0]) for root in (QEMU, TEST, FUZZ)] + [
            (guest, PROPERTIES, "GetAll", "s", [DOMAIN]), (guest, DOMAIN, "GetXMLDesc", "u", [0]),
            (ROOT, MANAGER, "GetManagedObjects", "", []), (ROOT, INTROSPECTABLE, "Introspect", "", []),
            (TEST, CONNECTION, "Resync", "", [])]

    def step(self):
        now = time.monotonic()
        for one in [one for one in self.here if one[1] <= now]:
            one[0].close()
            self.here.remove(one)
        if now >= self.next:
            self.next = now + self.random.uniform(*PAUSE)
            self.come(now + self.random.uniform(*STAYS))

    def come(self, leaves_at):
        client = Wire(self.bus.address)
        for _ in range(CALLS):
            path, interface, member, signature, values = self.random.choice(self.calls)
            fields = {PATH: path, INTERFACE: interface, MEMBER: member, DESTINATION: SERVICE}
            if signature:
                fields[SIGNATURE] = signature
            client.call(fields, marshal(signature, values))
        client.flush()
        self.here.append((client, leaves_at))
        self.sent += CALLS

    def ebb(self):
        """All leave."""
        for client, _ in self.here:
            client.close()
        self.here.clear()


class Soak(Scene):
    """The scene, with trouble of more kinds and without an end of its own."""

    def __init__(self, libvirtd, service, load, dice, home, seed):
        super().__init__(libvirtd, service, load, dice)
        self.fuzz = Fuzz(self.bus, home, FUZZ, seed)
        self.onlooker = EventListener(self.bus, "onlooker", roots=(FUZZ,))
        self.onlooker.come()
        self.flood = Flood(self.bus, dice)
        self.stopped = False
        self.stops = 0
        self.trouble_at = 0
        self.batches = 0
        self.next_batch = time.monotonic()
        self.next_ping = time.monotonic()
        self.slowest = 0.0  # s until a Ping was answered, since the last sample

    def close(self):
        self.flood.ebb()
        self.fuzz.close()
        self.onlooker.leave()
        self.sleeper.leave()
        super().close()

    def listeners(self):
        return super().listeners() + [self.sleeper] * self.sleeper.here

    # Storm

    def outage(self):
        now = time.monotonic()
        if self.stopped:
            if now >= self.next_turn:
                self.go_on(now)
            return
        if self.libvirtd.process and self.load.done >= self.trouble_at:
            self.trouble_at = self.load.done + self.random.randint(*TROUBLE)
            if self.random.random() < STOPS:
                self.stop(now)
                return
            self.kills_at = [self.load.done, self.load.done + 5][:self.random.randint(1, 2)]
        super().outage()

    def stop(self, now):
        self.libvirtd.pause()
        self.stopped = True
        self.stops += 1
        self.next_turn = now + self.random.uniform(*STOPPED)

    def go_on(self, now):
        self.stopped = False
        if self.random.random() < KILLED_WHILE_STOPPED:
            self.kills += 1
            self.libvirtd.stop(signal.SIGKILL)
            self.next_turn = now
        else:
            self.libvirtd.resume()
            self.next_turn = None

    def up(self):
        if self.stopped:
            self.libvirtd.resume()
            self.stopped = False
        self.kills_at.clear()
        super().up()

    def come_and_go(self):
        super().come_and_go()
        if self.random.random() < 0.05:
            (self.sleeper.leave if self.sleeper.here else self.sleeper.come)()

    def meanwhile(self):
        super().meanwhile()
        self.onlooker.read()
        self.flood.step()
        self.ping()
        self.fuzz.read()
        if self.fuzz.answered and time.monotonic() >= self.next_batch:
            self.next_batch = time.monotonic() + BATCH / RATE
            self.fuzz.batch(BATCH)
            self.batches += 1
            if self.batches % TIDY_EVERY == 0:
                self.fuzz.tidy()

    def ping(self):
        """How long the service takes to answer by itself."""
        now = time.monotonic()
        if now >= self.next_ping:
            self.asker.call(ROOT, "org.freedesktop.DBus.Peer", "Ping", within=WITHIN)
            self.slowest = max(self.slowest, time.monotonic() - now)
            self.next_ping = now + PING_EVERY

    # Quiet

    def quiet(self):
        """Nothing that was heard long ago is kept: a listener's memory is not what is looked at."""
        self.flood.ebb()
        self.fuzz.settle()
        super().quiet()
        self.check_history()
        self.check_fuzz()
        for listener in (self.witness, self.sleeper, self.onlooker, *self.returning):
            forget(listener)
        assert not self.service.ended(), self.service.stderr()[-3000:]

    def check_fuzz(self):
        """What the random calls left behind is known, by who was only told, and by the service."""
        self.fuzz.tidy()
        self.asker.call(FUZZ, CONNECTION, "Resync", within=WITHIN)
        self.onlooker.up_to_date(FUZZ)
        known = {path: interfaces[interface_of(path)] for path, interfaces in
                 picture(self.asker, (FUZZ,)).items() if interface_of(path)}
        assert not [path for path, values in known.items() if values.pop("Stale")]
        wrong = different(self.onlooker.objects, known)
        assert not wrong, f"onlooker: (known, true) is {wrong}"
        for kind, member in (("domain", "ListDomains"), ("network", "ListNetworks"),
                             ("storagepool", "ListStoragePools")):
            true, = self.asker.call(FUZZ, CONNECT, member, "u", (0,))
            assert sorted(true) == sorted(path for path in known if path.startswith(f"{FUZZ}/{kind}/"))
        victim = objects(FUZZ)["Domain"]
        state, = self.asker.call(victim, DOMAIN, "GetState", "u", (0,), within=10 * PATIENCE)
        assert known[victim]["State"] == STATES[state[0]]

    def report(self):
        return (f"{super().report()}; {self.stops} stops of libvirtd, {self.flood.sent} calls in floods, "
                f"{self.fuzz.sent} random calls {dict(self.fuzz.outcomes)}; the sleeper was told "
                f"{self.sleeper.replayed} events and {self.sleeper.pictures} times everything")

    def numbers(self):
        """How much was done so far, and the slowest answer of late."""
        slowest, self.slowest = self.slowest, 0.0
        return {"ping ms": round(1000 * slowest, 1), "operations": self.load.done, "kills": self.kills,
                "stops": self.stops, "rounds": self.rounds, "flood calls": self.flood.sent,
                "random calls": self.fuzz.sent,
                "events": sum(self.witness.count[root] for root in ROOTS)}


def forget(listener):
    for root, heard in listener.heard.items():
        for number in [number for number in heard if number <= listener.numbers[root] - REMEMBERED]:
            del heard[number]
