# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host in trouble and those who listen to the bus: plain libvirt clients change domains, networks and
storage pools at random, libvirtd is killed again and again, and listeners come, go and come back. Whenever all
is quiet every listener's model must be libvirt's own answer."""

import collections
import contextlib
import os
import pathlib
import signal
import time

import libvirt

from ..client import Client, DBusError
from ..models.followers import PowerStates
from ..models.listener import CONNECTION, EventListener, StandardListener, connection_of, lasting, picture
from ..models.recipe import RecipeListener
from ..process import PATIENCE, wait_until
from ..programs.workload_client import keeper
from .workload import object_path, truth

QEMU, TEST = ROOTS = ("/org/libvirt/QEMU", "/org/libvirt/Test")
# Operations of each client between two quiet points.
SHARES = {"qemu": 12, "test": 10}
CLIENTS = {"qemu": 2, "test": 3}
# How QEMU ends by itself, or is found to have ended: no client here shuts a guest down.
ENDS = ("failed", "crashed", "shutdown", "found")
# How often a guest ends by itself, for each eight operations.
GUEST_ENDS = 0.3
WITHIN = 30 * PATIENCE


def kinds(libvirtd):
    """[(URI, kind)] of the clients at work."""
    return [(uri, kind) for kind, uri in (("qemu", libvirtd.uri), ("test", libvirtd.test_uri))
            for _ in range(CLIENTS[kind])]


def different(model, expected):
    """What a reader of a failure wants to see: {path: (model's, libvirt's)}."""
    result = {}
    for path in sorted(model.keys() | expected.keys()):
        ours, theirs = model.get(path), expected.get(path)
        if ours and theirs:
            ours = {name: ours.get(name) for name in theirs if ours.get(name) != theirs[name]}
            theirs = {name: theirs[name] for name in ours}
        if ours != theirs:
            result[path] = ours, theirs
    return result


def told_of(values):
    """What libvirt's events tell of an object: not autostart, nor that a start has failed."""
    silent = {"Autostart", "StateReason"} if values.get("State") == "shutoff" else {"Autostart"}
    return {name: value for name, value in values.items() if name not in silent}


def given_up(known, true):
    """Whether it may be a guest that libvirtd could not take over from the one before, and ended. It tells
    nobody, and a list that is made meanwhile may have one that is neither active nor persistent."""
    between = known and known.get("State") == "shutoff" and not known["Persistent"]
    return bool(known and (known.get("Id") or between) and (not true or true.get("State") == "shutoff"))


def failed(event):
    """Whether it is that a guest ended by itself, or with libvirtd: QEMU does not survive all of that."""
    if event.kind != "lifecycle" or event.details["event"][1] != "stopped":
        return False
    return event.details.get("detail", ("s", "found"))[1] in ENDS


class Scene:
    """Everything that is there: libvirtd, who works on it, and who listens. `dice` is random.Random; libvirtd
    dies when as many operations are done as `kills_at` has, in order, and the service when as many are done as
    `restarts_at` has."""

    def __init__(self, libvirtd, service, load, dice, kills_at=(), restarts_at=()):
        self.libvirtd = libvirtd
        self.uris = {QEMU: libvirtd.uri, TEST: libvirtd.test_uri}
        self.service = service
        self.bus = service.bus
        self.load = load
        self.random = dice
        self.kills_at = list(kills_at)
        self.kills = 0
        self.restarts_at = list(restarts_at)
        self.restarts = collections.Counter()  # {signal: how often}
        self.stops_before = None  # the number of stops by clients at which the next restart became due
        self.guests_ended = 0
        self.rounds = 0
        self.next_turn = None  # when libvirtd dies or comes back
        # A guest that nobody undefines, and what each test driver has.
        self.lasting = {object_path(QEMU, "domain", keeper("qemu")), *truth(self.uris[TEST], TEST)}
        self.lasting.discard(object_path(TEST, "domain", keeper("test")))
        self.asker = Client(self.bus.address)
        self.grammars = []
        self.witness = self.event_listener("witness")
        self.standard = StandardListener(self.bus, "standard", ROOTS)
        self.returning = [self.event_listener("returning", batch=0),
                          self.event_listener("returning by sevens", batch=7)]
        self.literal = [RecipeListener(self.bus, f"by the rules{also}", ROOTS, looks)
                        for also, looks in ((" alone", False), (", and the name", True))]
        self.power = PowerStates(self.bus, "power states", ROOTS)
        self.newcomers = []
        self.sleeper = self.event_listener("sleeper")
        for listener in (*self.listeners(), self.power, self.sleeper):
            listener.come()
        self.sleeper.leave()
        self.counted = dict(self.witness.numbers)
        self.removed = collections.Counter()  # {path: how often it was}
        self.failed = collections.Counter()  # {path: how often a guest ended by itself, or when libvirtd did}

    def event_listener(self, name, batch=0):
        """What breaks a rule is counted, and fails at the end."""
        listener = EventListener(self.bus, name, batch, ROOTS)
        listener.strict = False
        self.grammars.append(listener.grammar)
        return listener

    def listeners(self):
        return [self.witness, self.standard, *self.literal, *self.returning, *self.newcomers]

    def close(self):
        for listener in (*self.listeners(), self.power):
            listener.leave()
        self.asker.close()

    # Storm

    def storm(self):
        """A round of work, with everything that comes in between."""
        self.load.go(SHARES)
        mark = self.load.done
        self.progress = (mark, time.monotonic())
        self.hangs = 0
        self.replaced = self.load.replaced
        while not self.load.rests():
            if self.hangs == 2:
                self.replace_hung()
            self.outage()
            self.restart()
            self.end_hang()
            if self.load.done >= mark:
                mark = self.load.done + 8
                self.come_and_go()
                if self.random.random() < GUEST_ENDS:
                    self.end_guest()
            self.meanwhile()
            time.sleep(0.002)
        self.up()

    def meanwhile(self):
        """What goes on beside the work, all the time."""
        for listener in (*self.listeners(), self.power):
            listener.read()

    def restart(self):
        """The service ends, well or not, and starts again when so much was done: at any moment, when a client has just
        stopped something, or when a guest has just ended."""
        if not self.restarts_at or self.load.done < self.restarts_at[0]:
            return
        if self.stops_before is None:
            self.stops_before = self.load.stops() if self.random.random() < 0.4 else -1
        if self.load.stops() == self.stops_before and self.load.done < self.restarts_at[0] + 10:
            return
        self.stops_before = None
        self.restarts_at.pop(0)
        if self.random.random() < 0.4:
            self.end_guest()
        sig = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        self.restarts[sig] += 1
        self.service.restart(sig)

    def end_guest(self):
        """A guest of QEMU's ends, as one that shuts itself down or as one that dies. Not one that is being started:
        libvirtd waits for such a QEMU for many seconds, and lists nothing meanwhile."""
        guests = self.libvirtd.qemus(complete=True)
        if guests:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(guests), self.random.choice([signal.SIGTERM, signal.SIGKILL]))
                self.guests_ended += 1

    def outage(self):
        """Libvirtd dies when so much was done, and comes back soon; sometimes that does not last."""
        now = time.monotonic()
        if self.has_died():
            self.next_turn = now
        if self.libvirtd.process is None:
            if now >= self.next_turn:
                self.libvirtd.start()
                self.next_turn = now + self.random.uniform(0, 0.2) if self.random.random() < 0.3 else None
        elif self.kills_at and (self.load.done >= self.kills_at[0]
                                or self.next_turn and now >= self.next_turn):
            self.kills_at.pop(0)
            self.kills += 1
            self.libvirtd.stop(signal.SIGKILL)
            self.next_turn = now + self.random.choice([0, self.random.uniform(0, 0.5)])

    def end_hang(self):
        """Libvirtd 9.0 has been seen to forget a client's request: virDomainAttachDeviceFlags() waited for ever
        while no thread of libvirtd was at anything. Its death ends that, too."""
        now = time.monotonic()
        if self.load.done != self.progress[0]:
            self.progress = (self.load.done, now)
            self.hangs = 0
        elif now > self.progress[1] + WITHIN and self.libvirtd.process:
            # The clients have their time to come back.
            self.progress = (self.load.done, now)
            self.hangs += 1
            self.kills += 1
            self.libvirtd.stop(signal.SIGKILL)
            self.next_turn = now

    def replace_hung(self):
        """No death of libvirtd has helped: it is libvirt's client library that waits, for the connection can live
        on in a process that libvirtd has left behind. Once, for it is rare."""
        assert self.replaced == self.load.replaced, f"the clients hang at {self.load.counts}"
        self.up()
        self.load.replace_hung()
        self.hangs = 0

    def has_died(self):
        """Libvirtd 9.0 dies by itself, too, when a client leaves at the moment at which it registers for events."""
        died = self.libvirtd.process is not None and self.libvirtd.process.poll() is not None
        if died:
            self.kills += 1
            self.libvirtd.stop()
        return died

    def up(self):
        if self.has_died() or self.libvirtd.process is None:
            self.libvirtd.start()
        self.next_turn = None

    def come_and_go(self):
        for listener in self.returning:
            if self.random.random() < 0.4:
                (listener.leave if listener.here else listener.come)()
        if self.random.random() < 0.3 and len(self.newcomers) < 4:
            name = f"newcomer at {self.load.done}"
            self.newcomers.append(self.event_listener(name) if self.random.random() < 0.5
                                  else StandardListener(self.bus, name, ROOTS))
            self.newcomers[-1].come()

    # Quiet

    def quiet(self):
        """Everybody knows what libvirt knows. It counts when libvirt itself says the same before and after:
        the last operations have effects that come later."""
        for listener in self.listeners():
            if not listener.here:
                listener.come()
        self.hear_all()
        wait_until(self.compared, 4 * WITHIN, "libvirt comes to rest")
        for listener in self.newcomers:
            listener.leave()
        self.newcomers.clear()
        self.take_stock()
        self.check_removals()
        self.rounds += 1

    def hear_all(self):
        """What libvirtd itself takes to say what it has does not count: it waits for a QEMU that does not come up, or
        that it cannot take over, for 30 s, and lists nothing meanwhile. That a connection to libvirtd has fallen silent
        is noticed by its keep-alive, after 30 s."""
        end = time.monotonic() + 2 * WITHIN
        while True:
            began = time.monotonic()
            expected = self.truth()
            end += time.monotonic() - began
            if not self.unheard(expected):
                return
            assert time.monotonic() < end, self.missed()
            time.sleep(0.05)

    def missed(self):
        """What a reader of a failure wants to know: what is not told, and what the service says of itself."""
        values = {root: self.asker.call(root, "org.freedesktop.DBus.Properties", "GetAll", "s", (CONNECTION,))
                  for root in ROOTS}
        tasks = [task / "wchan" for task in pathlib.Path(f"/proc/{self.service.pid}/task").iterdir()]
        return (f"not told within {2 * WITHIN:.0f} s: {self.unheard(self.truth())}\n{values}\nits threads wait in "
                f"{sorted(task.read_text() for task in tasks)}\n{self.service.stderr()[-3000:]}")

    def unheard(self, true):
        """What somebody has not heard of yet of what is true, {listener: {path: (known, true)}}, but for what libvirt
        has no events for."""
        expected = {path: told_of(values) for path, values in true.items()}
        result = {}
        for listener in self.listeners():
            listener.read()
            wrong = {path: both for path, both in different(listener.objects, expected).items()
                     if not given_up(listener.objects.get(path), expected.get(path))}
            if wrong:
                result[listener.name] = wrong
        return result

    def compared(self):
        before = self.truth()
        for root in ROOTS:
            self.resync(root)
        for listener in self.listeners():
            for root in ROOTS:
                listener.up_to_date(root)
        self.power.up_to_date(QEMU)
        self.power.up_to_date(TEST)
        if self.truth() != before:
            return False
        for listener in self.listeners():
            wrong = different(listener.objects, before)
            assert not wrong, f"{listener.name}: (known, true) is {wrong}\n" + self.histories(wrong)
        wrong = self.power.different(before)
        assert not wrong, f"{self.power.name}: (known, true) is {wrong}\n" + self.histories(wrong)
        now = picture(self.asker, ROOTS)
        self.standard.read()
        assert lasting(now) == self.standard.everything
        assert not [path for path, values in self.standard.objects.items() if values["Stale"]]
        assert {root: now[root][CONNECTION]["Epoch"] for root in ROOTS} == self.witness.epochs
        return True

    def truth(self):
        try:
            return self.ask()
        except libvirt.libvirtError:
            if not self.has_died():
                raise
            self.up()
            return self.ask()

    def ask(self):
        return {path: values for root, uri in self.uris.items() for path, values in truth(uri, root).items()}

    def resync(self, root):
        """What has no event is found. An outage that has just begun is noticed by this."""
        def works():
            try:
                self.asker.call(root, CONNECTION, "Resync", within=4 * WITHIN)
            except DBusError as error:
                assert not self.service.ended(), self.service.stderr()[-3000:]
                works.error = error
                return False
            return True
        wait_until(works, 5 * WITHIN, lambda: f"Resync: {works.error}", every=0.02)

    # What must hold over all

    def wake(self):
        """Who was away for too long learns that it was, and starts again."""
        self.returning.append(self.sleeper)
        self.quiet()
        assert self.sleeper.pictures == 2

    def take_stock(self):
        """Counts what the witness has heard since the last time."""
        for root in ROOTS:
            for number, event in self.witness.heard[root].items():
                if number <= self.counted[root]:
                    continue
                self.removed[event.path] += event.kind == "removed"
                self.failed[event.path] += failed(event)
            self.counted[root] = self.witness.numbers[root]

    def check_history(self):
        """Those who were away know the same events as those who were not."""
        for listener in self.returning:
            for root in ROOTS:
                for number, event in listener.heard[root].items():
                    assert event == self.witness.heard[root].get(number, event), listener.name
        # After a restart each has a picture of its own time, and its grammar has the signals in pairs.
        assert self.restarts or self.standard.removals == self.removed

    def ungrammatical(self):
        """{rule: how often a listener heard it broken}, of the one that heard it most."""
        result = collections.Counter()
        for grammar in self.grammars:
            result |= collections.Counter(grammar.counts())
        return dict(result)

    def check_grammar(self):
        """All that was heard was grammatical."""
        for grammar in self.grammars:
            grammar.check()

    def check_removals(self):
        """What went was taken away: by a client, by QEMU's own end, or with libvirtd, which has the test
        driver's; but not by an outage."""
        for path, times in (+self.removed).items():
            most = self.load.removals[path.rpartition("/_")[2].replace("_", "-")] + self.failed[path]
            most += self.kills if connection_of(path) == TEST else 0
            assert times <= most, \
                f"{path} went {times} times, was taken away {most} times:\n{self.history(path)}"
            assert path not in self.lasting, \
                f"{path} went, but nobody took it away:\n{self.history(path)}"

    def history(self, path):
        """What the witness heard of an object and of its connection, as text."""
        return "\n".join(str(event) for event in self.witness.heard[connection_of(path)].values()
                         if event.path in (path, connection_of(path)))

    def histories(self, paths):
        """The last that the witness heard of each."""
        self.witness.read()
        return "\n\n".join("\n".join(self.history(path).splitlines()[-30:]) for path in paths)

    def report(self):
        last = {root.rpartition("/")[2]: self.witness.count[root] for root in ROOTS}
        replayed = sum(listener.replayed for listener in self.returning)
        pictures = sum(listener.pictures for listener in self.returning)
        restarts = {sig.name: count for sig, count in self.restarts.items()}
        return (f"{self.load.done} operations {self.load.outcomes()}, {self.kills} kills, restarts {restarts}, "
                f"{self.guests_ended} guests ended, "
                f"{self.rounds} times compared, events {last}; who came back was told {replayed} events and "
                f"{pictures} times everything")
