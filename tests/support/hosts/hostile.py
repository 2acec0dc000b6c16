# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hostile traffic: several unprivileged users act against the service at once (hostile_user.py), while another user
calls steadily (steady_user.py) and root watches. What must hold: the service does not end, each of the steady user's
calls is answered as it should be, and afterwards the service needs what it needed before."""

import collections
import contextlib
import json
import math
import os
import subprocess
import sys
import time

from ..client import DOMAIN, PROPERTIES, SERVICE, DBusError
from ..curve import RESOURCES
from ..models.listener import CONNECTION
from ..models.surface import nodes
from ..models.targets import TEST, prepare
from ..process import PATIENCE, SANITIZED, end, own_directory, wait_until
from ..programs.fuzz import LOG
from ..programs.hostile_user import WEIGHTS
from ..service import CHECKOUT, FAULTS, OURS
from . import bus as buses
from . import people as others
from . import polkit as authority
from .guarded import BUS_RULES, GUEST, RULES, Guarded, missing  # noqa: F401 (for those who import this)
from .native import XML, filled

# Three users, besides the one that is well-behaved.
USERS = ("outsider", "limited", "stranger")
STEADY = "member"
PHASES = ("before", "during", "after")
# A dbus-daemon with its own limits takes nothing more from the service while one caller leaves 127 MiB unread. So a
# host with such users has this lower one, as docs/reliability.md says, and so has this bus.
LIMITS = {"max_outgoing_bytes": 32 << 20}
# Of each hostile user: messages a second, and of one processor. Three of them load a machine of two, and leave room
# for the bus and the service.
RATE, SHARE = 400, 0.15
GUESTS = 200
CHANGES = 3000  # before the beginning, so that the events that are kept are many
AT_A_TIME = 100  # of one caller; the bus takes 128
SAMPLE_EVERY = 1.0
ANSWERED_WITHIN = 30 * PATIENCE
# Milliseconds: the longest that the steady user may wait in all that traffic, and its 99th percentile, which may be so
# many times what it was before, too. The processors are shared with all hostile users, and with whatever else the
# machine does, and there is more time where more programs are ready to run than there are processors: this says that
# nothing holds the service up, not how fast it is.
LONGEST = 5000 * PATIENCE
# In one of so many parts of each phase: what holds the service up is the same in all of them.
PARTS = 6
PERCENTILE = {"during": 250 * PATIENCE, "after": 250 * PATIENCE}
TIMES_BEFORE = {"during": 10, "after": 3}
# What may be left when all have gone: an allocator keeps what it once had, threads wait for some seconds.
LEFT = {"rss": 64 << 10, "descriptors": 2, "threads": 4, "waits": 1}
MOST = {"rss": 384 << 10, "descriptors": 1000, "threads": 64}
# A dbus-broker without a policy takes such sockets from all, and is itself the last to close some: it stands still for
# as long as they linger, and everything with it. That is no fault of the service.
NOT_ON = {"dbus-broker": ("lingering_sockets",)}
REST_WITHIN = 60 * PATIENCE
REMEMBERED = 8
MOST_CRASHES = 50


@contextlib.contextmanager
def surroundings(kind):
    """A directory, people, and a bus with polkitd on it: as it is installed, but on a dbus-broker, whose policy comes
    from a launcher that needs systemd: there everybody may send everything."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(own_directory())
        people = others.People(home)
        stack.callback(people.stop)
        if kind == "dbus-broker":
            bus = buses.Broker(home)
        else:
            bus = buses.Daemon(home, wrap=people.wrap, limits=LIMITS, rules=BUS_RULES)
        stack.callback(bus.stop)
        polkit = authority.Polkit(bus, people, RULES)
        stack.callback(polkit.stop)
        polkit.start()
        one = Guarded(home, people, bus, polkit)
        stack.callback(one.close)
        stack.callback(lambda: one.service and one.service.abandon())
        yield one


class Program:
    """A program of a user, which writes lines of JSON."""

    def __init__(self, world, who, module, settings):
        self.who = who
        self.lines, self.buffer = [], b""
        self.errors = world.home / f"{module}-{who}.log"
        with self.errors.open("wb") as log:
            self.process = subprocess.Popen(
                world.people.wrap([sys.executable, "-m", f"support.programs.{module}", json.dumps(settings)], who),
                env={**os.environ, "PYTHONPATH": str(CHECKOUT / "tests"), "PYTHONDONTWRITEBYTECODE": "1",
                     "GUESTBUS_TEST_DIR": str(world.home)},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self):
        """What it wrote since the last time."""
        while data := self.process.stdout.read(1 << 20):
            self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def stop(self):
        """Ends it; its last words. One that has ended by itself has failed."""
        status = self.process.poll()
        found = []
        if status is None:
            self.process.terminate()
            wait_until(lambda: found.extend(self.read()) or self.process.poll() is not None, 2 * ANSWERED_WITHIN,
                       f"{self.who} ends")
        status = self.process.poll()
        found += self.read()
        assert status == 0, f"{self.who}: {status}: {self.errors.read_text(encoding='utf-8')[-2000:]}"
        return found

    def abandon(self):
        end(self.process)
        self.process.stdout.close()


class Hostile:
    """One run. `faults` are what must not be, in words; `samples` what the service needed."""

    def __init__(self, world, seed, users=3, rate=RATE, only=None):
        self.world, self.seed, self.rate = world, seed, rate
        self.chosen = only or [name for name in WEIGHTS if name not in NOT_ON.get(world.bus.kind, ())]
        self.users = USERS[:users]
        self.faults = []
        self.samples = []
        self.calls = {phase: [] for phase in PHASES}
        self.wrong = {phase: [] for phase in PHASES}
        self.acts = {who: collections.deque(maxlen=REMEMBERED) for who in self.users}
        self.reports = {}
        self.crashes = []
        self.phase = PHASES[0]
        self.starts = {}
        self.load = dict.fromkeys(PHASES, 1.0)  # programs that were ready to run, for each processor
        self.number = None
        self.events = 0
        self.programs = []
        self.began = time.monotonic()

    # What there is

    def prepare(self):
        """The service, with guests and events; what introspection shows of it goes to the hostile users."""
        self.serve()
        texts = nodes(self.world.root)
        surface = self.world.home / "surface.json"
        surface.write_text(json.dumps({path: texts[path] for path in self.some(texts)}), encoding="utf-8")
        surface.chmod(0o644)
        self.surface = str(surface)

    @staticmethod
    def some(texts):
        """The paths that hostile users are told of: all kinds, and not each of hundreds of guests."""
        guests = [path for path in texts if path.startswith(f"{TEST}/domain/")]
        return [path for path in texts if path not in guests[20:]]

    def serve(self):
        self.world.serve()
        root = self.world.root
        root.set(LOG, "org.freedesktop.LogControl1", "LogLevel", "s", "warning")
        prepare(root)
        for index in range(GUESTS):
            root.connect("DomainDefineXML", "s", filled(XML, f"guest{index}"))
        for _ in range(CHANGES // AT_A_TIME):
            root.collect([root.send(GUEST, DOMAIN, "Resume" if index % 2 else "Suspend") for index in range(AT_A_TIME)],
                         ANSWERED_WITHIN)
        root.bus("AddMatch", "s", f"type='signal',sender='{OURS}',member='Event',path_namespace='{TEST}'")
        self.owner, self.number = root.owner(OURS), None

    # The run

    def run(self, seconds):
        """All phases: {phase: seconds}."""
        try:
            self.programs.append(Program(self.world, STEADY, "steady_user",
                                         {"address": self.world.bus.address, "within": ANSWERED_WITHIN}))
            for self.phase in PHASES:
                self.starts[self.phase] = time.monotonic()
                if self.phase == "during":
                    self.attack()
                self.watch(seconds[self.phase])
                if self.phase == "during":
                    self.withdraw()
            self.rest()
            self.note_calls(self.programs[0].stop())
        finally:
            for program in self.programs:
                program.abandon()
        self.judge()

    def attack(self):
        # Where no policy keeps the service's names from others, any caller that asks for them may have them.
        names = ["a.b"] + ([OURS, SERVICE] if self.world.bus.kind != "dbus-broker" else [])
        for who in self.users:
            self.programs.append(Program(self.world, who, "hostile_user", {
                "address": self.world.bus.address, "seed": f"{self.seed} {who}", "surface": self.surface,
                "names": names, "rate": self.rate, "share": SHARE, "only": self.chosen}))

    def withdraw(self):
        for program in self.programs[1:]:
            last = program.stop()[-1]
            self.reports[program.who] = last["report"]

    def watch(self, seconds):
        """Looks at everything, for so long."""
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            self.look()
            time.sleep(max(min(SAMPLE_EVERY, over - time.monotonic()), 0))

    def look(self):
        self.note_calls(self.programs[0].read())
        self.load[self.phase] = max(self.load[self.phase], os.getloadavg()[0] / os.cpu_count())
        for program in self.programs[1:]:
            for line in program.read():
                if "act" in line:
                    self.acts[program.who].append(line["act"])
        if self.world.service.ended():
            self.begin_anew()
        else:
            self.sample()
        for program in self.programs:
            assert self.phase == "after" or program.process.poll() is None, program.stop()

    def note_calls(self, lines):
        """A call belongs to the phase that it began in."""
        for line in lines:
            for where, found in ((self.calls, line["calls"]), (self.wrong, line["faults"])):
                for one in found:
                    phase = [name for name, start in self.starts.items() if one[0] >= start] or PHASES[:1]
                    where[phase[-1]].append(one)

    def sample(self):
        """What the service needs, and what it has counted."""
        try:
            values = {name: read(self.world.service.pid) for name, (_, read) in RESOURCES.items()}
            counters = self.world.root.call(TEST, PROPERTIES, "Get", "ss", (CONNECTION, "Counters"),
                                            within=ANSWERED_WITHIN)[0][1]
            self.world.root.drain()
        except (AssertionError, OSError, DBusError) as error:
            if not self.world.service.ended():
                self.faults.append(f"root was not answered ({self.phase}): {error}")
            return
        self.samples.append({"seconds": round(time.monotonic() - self.began, 1), "phase": self.phase, **values,
                             "waits": counters["waits"], "unanswered": counters["calls.most"]})
        self.check_events()

    def check_events(self):
        """Root is told of each event once, in order."""
        for one in self.world.root.signals:
            if one.sender == self.owner and one.member == "Event":
                number = one.body[1]
                if self.number is not None and number != self.number + 1:
                    self.faults.append(f"root heard event {number} after {self.number}")
                self.number = number
                self.events += 1
        self.world.root.signals.clear()

    def begin_anew(self):
        """The service has ended, which must not be. As a supervisor does, this starts it again, so that the run goes
        on; where it ends again at once, the next look begins anew."""
        service = self.world.service
        acts = {who: list(names) for who, names in self.acts.items()}
        self.crashes.append({"seconds": round(time.monotonic() - self.began, 1),
                             "status": service.process.returncode, "words": service.lines()[-3:], "acts": acts})
        assert len(self.crashes) < MOST_CRASHES, f"guestbusd ended {MOST_CRASHES} times: {self.crashes[-1]}"
        with contextlib.suppress(AssertionError, DBusError, OSError):
            self.serve()

    def rest(self):
        """What is at rest again needs what it needed; that takes a moment."""
        first = self.first()

        def rested():
            self.look()
            return not self.left(first)
        with contextlib.suppress(AssertionError):
            wait_until(rested, REST_WITHIN, "", every=SAMPLE_EVERY)

    def first(self):
        """What it needed before: the medians."""
        samples = self.of_phase("before")
        return {name: sorted(one[name] for one in samples)[len(samples) // 2] for name in samples[0]
                if name != "phase"}

    def left(self, first):
        last = self.samples[-1]
        return [f"{name}: {first[name]} before, {last[name]} after, {most} more are allowed"
                for name, most in LEFT.items()
                if last[name] > first[name] + most and not (SANITIZED and name == "rss")]

    def of_phase(self, phase):
        return [one for one in self.samples if one["phase"] == phase]

    # What it comes to

    def times(self, phase):
        """(p50, p99, longest) of the steady user's calls, in milliseconds."""
        return times_of(self.calls[phase])

    def best(self, phase, which):
        """The least of one of these in the parts of a phase."""
        calls = sorted(self.calls[phase])
        size = max(len(calls) // PARTS, 1)
        return min((times_of(calls[start:start + size])[which] for start in range(0, len(calls) - size + 1, size)),
                   default=math.inf)

    def judge(self):
        """Adds to the faults what did not hold."""
        for one in self.crashes[:3]:
            self.faults.append(f"guestbusd ended with {one['status']} after {one['seconds']} s, one of "
                               f"{len(self.crashes)} times: {one['words']}; the last acts were {one['acts']}")
        for phase in PHASES:
            wrong = self.wrong[phase]
            if wrong:
                self.faults.append(f"{len(wrong)} of {len(self.calls[phase])} calls of the steady user went wrong "
                                   f"{phase}: {wrong[:3]}")
            longest, tail = self.best(phase, 2), self.best(phase, 1)
            if longest > LONGEST:
                self.faults.append(f"the steady user waited for {longest:.0f} ms in each part of {phase}")
            most = max(PERCENTILE.get(phase, math.inf) * self.load[phase],
                       TIMES_BEFORE.get(phase, 0) * self.times("before")[1])
            if tail > most:
                self.faults.append(f"p99 of the steady user in each part of {phase}: {tail:.0f} ms, at most {most:.0f}")
        self.faults += self.left(self.first())
        for name, most in MOST.items():
            highest = max(one[name] for one in self.samples)
            if highest > most and not (SANITIZED and name == "rss"):
                self.faults.append(f"{name}: {highest}, at most {most} are allowed")
        for who, report in self.reports.items():
            if report["doubles"]:
                self.faults.append(f"{report['doubles']} calls of {who} had more than one reply")
        text = self.world.service.stderr()
        if FAULTS.search(text):
            self.faults.append(text[-3000:])

    def table(self):
        """What docs/reliability.md shows."""
        rows = [("calls of the well-behaved user", [f"{len(self.calls[phase]):,}" for phase in PHASES]),
                ("... unanswered, refused or wrong", [len(self.wrong[phase]) for phase in PHASES])]
        times = [self.times(phase) for phase in PHASES]
        for index, title in enumerate(("... p50, ms", "... p99, ms", "... longest, ms")):
            rows.append((title, [f"{one[index]:.1f}" for one in times]))
        for name, title, scale in (("rss", "resident memory, MiB", 1024), ("descriptors", "descriptors", 0),
                                   ("threads", "threads", 0), ("waits", "waits", 0)):
            rows.append((title, [self.figure(name, phase, scale) for phase in PHASES]))
        lines = ["| | before | during, at most | after |", "|---|---:|---:|---:|"]
        return "\n".join(lines + [f"| {title} | {' | '.join(map(str, cells))} |" for title, cells in rows])

    def figure(self, name, phase, scale):
        """The median before, the highest during, the last one after."""
        values = [one[name] for one in self.of_phase(phase)] or [0]
        value = {"before": sorted(values)[len(values) // 2], "during": max(values), "after": values[-1]}[phase]
        return f"{value / scale:.1f}" if scale else value

    def traffic(self):
        """What the hostile users sent: {act: messages}."""
        total = collections.Counter()
        for report in self.reports.values():
            total.update(report["messages"])
        return dict(sorted(total.items()))

    def text(self):
        """The table, and beneath it what was sent."""
        sent = self.traffic()
        words = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in sent.items())
        return f"{self.table()}\n\n{sum(sent.values()):,} messages of {len(self.users)} hostile users: {words}."

    def result(self):
        return {"seed": self.seed, "bus": self.world.bus.kind, "users": list(self.users), "faults": self.faults,
                "times": {phase: self.times(phase) for phase in PHASES}, "traffic": self.traffic(),
                "reports": self.reports, "crashes": self.crashes, "events": self.events, "samples": self.samples}


def times_of(calls):
    took = sorted(one[2] for one in calls)
    if not took:
        return (math.inf,) * 3
    return took[len(took) // 2], took[len(took) * 99 // 100], took[-1]


def durations(minutes):
    """{phase: seconds}: quiet before, and again a minute after, less where all is short."""
    return {"before": min(60.0, 10 * max(minutes, 0.5)), "during": 60 * minutes,
            "after": min(60.0, 20 * max(minutes, 0.5))}


@contextlib.contextmanager
def hostile(kind, seed, **options):
    """A Hostile that is ready to run."""
    with surroundings(kind) as world:
        one = Hostile(world, seed, **options)
        one.prepare()
        yield one
