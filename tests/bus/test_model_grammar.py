# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of a stream of events, as support/models/grammar.py reads it: streams that it takes, and for each rule
streams that break it, and nothing else."""

import pytest

from support.client import Signal
from support.models import grammar as rules_of
from support.models.grammar import CONNECTION, MANAGER, PROPERTIES, Grammar, Ungrammatical

ROOT = "/org/libvirt/Test"
GUEST = f"{ROOT}/domain/_1"
NET = f"{ROOT}/network/_1"
POOL = f"{ROOT}/storagepool/_1"
DEVICE = f"{ROOT}/nodedev/usb1"
DOMAIN1 = "org.guestbus.Domain1"
OTHER1 = {"network": "org.guestbus.Network1", "storagepool": "org.guestbus.StoragePool1"}
STATES = {"started": "running", "resumed": "running", "suspended": "paused", "stopped": "shutoff",
          "shutdown": "shutdown", "crashed": "crashed", "pmsuspended": "pmsuspended"}


def wire(details):
    return {name: ("b" if isinstance(value, bool) else "s", value) for name, value in details.items()}


# What a stream is made of: functions of (grammar, the next number).

def event(path, kind, details=None, skip=0):
    def feed(grammar, number):
        grammar.event(path, kind, number + skip, 0, "name", wire(details or {}))
        return number + skip + 1
    return feed


def life(word, path=GUEST, **more):
    state = {"state": STATES[word]} if path == GUEST and word in STATES else {}
    return event(path, "lifecycle", {"event": word, **state, **more})


def added(state="shutoff", path=GUEST, reason="unknown"):
    if path != GUEST:
        return event(path, "added", {"Active": state == "active"})
    return event(path, "added", {"State": state, "StateReason": reason, "Active": state != "shutoff"})


def changed(path=GUEST, **values):
    return event(path, "changed", values)


def removed(path=GUEST):
    return event(path, "removed")


def checked(state):
    return event(GUEST, "state-checked", {"state": state, "reason": ""})


def signal(member, interface, path, *body):
    def feed(grammar, number):
        grammar.signal(Signal(path, interface, member, body, "", ":1.1"))
        return number
    return feed


def properties(path=GUEST, **values):
    return signal("PropertiesChanged", PROPERTIES, path, DOMAIN1, wire(values), [])


def interfaces(word, path=GUEST):
    return signal(f"Interfaces{word}", MANAGER, "/org/libvirt", path, {})


def picture(*objects, older=(), above=0):
    """A picture that was asked for before @older came; @objects are (path, State) pairs."""
    def feed(grammar, number):
        mark = grammar.mark()
        for one in older:
            number = one(grammar, number)
        found = {ROOT: {CONNECTION: {"Sequence": number - 1 + above, "Epoch": "1"}}}
        for path, state in objects:
            if path == GUEST:
                found[path] = {DOMAIN1: {"State": state, "StateReason": "unknown", "Active": state != "shutoff"}}
            else:
                found[path] = {OTHER1[path.split("/")[4]]: {"Active": state == "active"}}
        grammar.picture(mark, found)
        return number
    return feed


def restarted(to=None):
    def feed(grammar, number):
        grammar.replaced()
        return to or number + 1000
    return feed


def goes_on(grammar, number):
    """The service was started again, and has what the start before has left."""
    grammar.replaced()
    return number


def joined(grammar, number):
    """The listener has been away."""
    grammar.interrupted()
    return number + 7


def signals(grammar, number):
    """The listener hears all signals."""
    grammar.signals = True
    return number


OPENED = event(ROOT, "opened")
CLOSED = event(ROOT, "closed")
RESYNCED = event(ROOT, "resynced")
RUNS = [OPENED, added("running")]
STOPPED = life("stopped")

LEGAL = {
    "nothing": [],
    "a life": [OPENED, added(), life("defined"), life("started"), changed(State="running", Active=True),
               life("suspended"), changed(State="paused"), life("resumed"), changed(State="running"),
               life("stopped"), changed(State="shutoff", Active=False), life("undefined"), removed()],
    "a transient guest": [added("running"), life("started"), STOPPED, removed()],
    "one that comes again": [added("running"), STOPPED, removed(), added("running"), life("started"), STOPPED,
                             removed()],
    "what runs is told when it is added": [added("running"), changed(Id="1"), STOPPED, changed(State="shutoff")],
    "another change of the same state": [added("paused"), changed(StateReason="user")],
    "events of a guest that is there": [added("running"), event(GUEST, "balloon-change"), event(GUEST, "reboot")],
    "two resumptions and two suspensions": [*RUNS, life("suspended"), life("suspended"), life("resumed"),
                                            life("resumed")],
    "started after it was stopped": [*RUNS, STOPPED, life("started"), STOPPED, life("started")],
    "started after a crash": [*RUNS, life("crashed"), STOPPED, life("started")],
    "woken up": [added(), life("started"), life("pmsuspended"), life("started", detail="wakeup")],
    "started from a snapshot": [added(), life("started"), life("started", detail="from-snapshot")],
    "an outage in which it was stopped and started": [added(), life("started"), CLOSED, OPENED, life("started")],
    "a shutdown": [*RUNS, life("shutdown"), changed(State="shutdown"), STOPPED, changed(State="shutoff")],
    "a shutdown that does not show": [*RUNS, life("shutdown"), changed(StateReason="x"), properties(State="running")],
    "it waits for its host": [*RUNS, changed(State="blocked"), changed(State="running")],
    "a guest that is being started": [added(), changed(State="paused", StateReason="starting-up"), life("started"),
                                      changed(State="running", StateReason="booted")],
    "a start that is told as far as it is": [added(), life("suspended"), changed(State="paused",
                                                                                StateReason="starting-up")],
    "a guest that could not be started": [added("paused", reason="starting-up"), removed()],
    "a persistent one": [added("paused", reason="starting-up"), changed(State="shutoff", StateReason="failed")],
    "a doubtful suspension": [*RUNS, life("suspended", checked=False), changed(State="running", StateReason="x"),
                              checked("running"), changed(State="running")],
    "a suspension that stands": [*RUNS, life("suspended", checked=False), changed(State="paused"),
                                 checked("paused")],
    "networks and pools": [added("inactive", NET), life("started", NET), changed(NET, Active=True),
                           life("stopped", NET), changed(NET, Active=False), removed(NET),
                           added("active", POOL), event(POOL, "refresh"), life("stopped", POOL), removed(POOL)],
    "a network that is stopped again": [added("active", NET), life("stopped", NET), life("stopped", NET)],
    "devices have no beginning": [event(DEVICE, "lifecycle", {"event": "created"}), event(DEVICE, "update")],
    "signals beside events": [signals, interfaces("Added"), added("running"), life("suspended"), properties(State="paused"),
                              changed(State="paused"), STOPPED, interfaces("Removed"), removed(),
                              interfaces("Added"), properties(State="running"), added("running")],
    "removed just after": [signals, interfaces("Added"), added(), interfaces("Removed"), removed()],
    "a picture of what is": [*RUNS, added("active", NET), picture((GUEST, "running"), (NET, "active"))],
    "a picture of what was when it was asked for": [*RUNS, picture((GUEST, "running"), older=[STOPPED])],
    "a picture of what became of it meanwhile": [*RUNS, picture((GUEST, "shutoff"), older=[STOPPED])],
    "a picture with what is removed meanwhile": [added(), picture((GUEST, "shutoff"), older=[removed()])],
    "a picture without what is added meanwhile": [picture(older=[added()])],
    "a picture in the middle": [joined, picture((GUEST, "running")), STOPPED, changed(State="shutoff"), removed()],
    "in the middle": [joined, changed(State="running"), joined, STOPPED, joined, removed(), added()],
    "events before the first picture": [joined, picture((GUEST, "running"), older=[life("resumed")]),
                                        life("suspended"), changed(State="paused")],
    "the service starts again": [*RUNS, restarted(), *RUNS, picture((GUEST, "running"))],
    "it goes on": [signals, interfaces("Added"), *RUNS[1:], goes_on, CLOSED, properties(Stale=True), changed(Stale=True),
                   OPENED, STOPPED, changed(State="shutoff")],
    "it goes on twice": [*RUNS, goes_on, CLOSED, goes_on, OPENED, picture((GUEST, "running"))],
    "it goes on for one who came later": [joined, OPENED, goes_on, CLOSED, STOPPED],
    "another epoch": [event(ROOT, "opened", {"epoch": "1"}), added(), restarted(),
                      event(ROOT, "opened", {"epoch": "2"}), added(), RESYNCED],
}

BROKEN = {
    "a number is missing": ("number", [OPENED, event(ROOT, "resynced", skip=1)]),
    "a number comes twice": ("number", [OPENED, event(ROOT, "resynced", skip=-1)]),
    "a later epoch begins at 1": ("epoch", [OPENED, OPENED, restarted(to=1), OPENED]),
    "a later epoch's picture": ("epoch", [OPENED, OPENED, restarted(to=1), picture()]),
    "an earlier number after an absence": ("epoch", [OPENED, OPENED, joined, event(ROOT, "resynced", skip=-8)]),
    "defined and then added": ("before-added", [life("defined"), added()]),
    "stopped and then added": ("before-added", [STOPPED, added("running")]),
    "a network before it was added": ("before-added", [life("started", NET), added("active", NET)]),
    "a pool is refreshed before": ("before-added", [event(POOL, "refresh"), added("active", POOL)]),
    "a change of nothing": ("before-added", [changed(Autostart=True)]),
    "in a picture before it was added": ("before-added", [OPENED, picture((GUEST, "shutoff"))]),
    "removed before": ("before-added", [removed()]),
    "properties before": ("before-added", [properties(State="running")]),
    "removed before it was told to stop": ("after-removed", [added(), removed(), STOPPED]),
    "any event after": ("after-removed", [added(), removed(), event(GUEST, "device-removed")]),
    "a check after": ("after-removed", [added(), removed(), checked("gone")]),
    "removed twice": ("after-removed", [added(), removed(), removed()]),
    "a pool after": ("after-removed", [added("inactive", POOL), removed(POOL), life("stopped", POOL)]),
    "properties after": ("after-removed", [added(), removed(), properties(Autostart=True)]),
    "an event between a start and the first `added`": ("before-added", [added(), restarted(), STOPPED, added()]),
    "added again, and it went on": ("added-twice", [*RUNS, goes_on, CLOSED, OPENED, added("running")]),
    "stopped, and it went on": ("untold", [*RUNS, goes_on, CLOSED, OPENED, changed(State="shutoff")]),
    "added twice": ("added-twice", [added(), added()]),
    "shown by a signal first": ("added-twice", [added(), interfaces("Added")]),
    "stopped, and nothing said so": ("untold", [*RUNS, changed(State="shutoff")]),
    "an older question's answer": ("untold", [*RUNS, life("suspended"), life("resumed"), changed(State="paused")]),
    "added running after it was stopped": ("untold", [*RUNS, restarted(), OPENED, added("running"),
                                                      changed(State="shutoff")]),
    "properties before the event": ("untold", [*RUNS, properties(State="paused"), life("suspended")]),
    "crashed, while paused was told": ("untold", [added("paused"), changed(State="crashed")]),
    "paused is no way of running": ("untold", [*RUNS, changed(State="paused")]),
    "started up, and then paused": ("untold", [added(), changed(State="paused", StateReason="starting-up"),
                                               life("started"), changed(StateReason="user")]),
    "started up, and then running": ("untold", [added(), changed(State="paused", StateReason="starting-up"),
                                                changed(State="running", StateReason="booted")]),
    "being started, after it was told to be": ("untold", [added(), life("started"), changed(
        State="paused", StateReason="starting-up")]),
    "runs, and nothing told that the start was complete": ("untold", [
        added("paused", reason="starting-up"), changed(State="running", StateReason="booted")]),
    "a network that nobody told to start": ("untold", [added("inactive", NET), changed(NET, Active=True)]),
    "a pool that nobody told to stop": ("untold", [added("active", POOL), changed(POOL, Active=False)]),
    "not what the check said": ("untold", [*RUNS, life("suspended", checked=False), checked("running"),
                                           changed(State="paused")]),
    "removed while it runs": ("removed-active", [*RUNS, removed()]),
    "removed while it is paused": ("removed-active", [*RUNS, life("suspended"), removed()]),
    "removed on its way down": ("removed-active", [*RUNS, life("shutdown"), removed()]),
    "a network removed while active": ("removed-active", [added("active", NET), removed(NET)]),
    "stopped twice": ("repeated", [*RUNS, life("stopped", synthetic=True), STOPPED]),
    "started twice": ("repeated", [added(), life("started", synthetic=True), life("started")]),
    "a network started twice": ("repeated", [added("inactive", NET), life("started", NET, synthetic=True),
                                             life("started", NET)]),
    "a pool stopped twice": ("repeated", [added("active", POOL), life("stopped", POOL, synthetic=True),
                                          life("stopped", POOL)]),
    "a picture of what is removed": ("picture-over", [added(), removed(), picture((GUEST, "shutoff"))]),
    "a picture of what was removed before": ("picture-over", [added(), removed(), picture(
        (GUEST, "shutoff"), older=[OPENED])]),
    "a picture without what is there": ("picture-lacks", [added(), picture()]),
    "a picture without what was added": ("picture-lacks", [added(), picture(older=[added(path=NET)])]),
    "a picture of a state that is over": ("picture-old", [*RUNS, STOPPED, picture((GUEST, "running"))]),
    "a picture of the state before the last": ("picture-old", [
        *RUNS, life("suspended"), STOPPED, picture((GUEST, "paused"), older=[life("started")])]),
    "a picture of an active pool": ("picture-old", [added("active", POOL), life("stopped", POOL),
                                                    picture((POOL, "active"))]),
    "added without a signal": ("unpaired", [signals, added()]),
    "removed without a signal": ("unpaired", [signals, interfaces("Added"), added(), removed()]),
    "a picture of events that did not come": ("picture-number", [picture(), OPENED, picture(above=1)]),
}


def read(stream, **options):
    grammar = Grammar("test", whole=True, **options)
    number = 1
    for feed in stream:
        number = feed(grammar, number)
    return grammar


@pytest.mark.parametrize("name", LEGAL)
def test_legal(name):
    read(LEGAL[name]).check()


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name):
    rule, stream = BROKEN[name]
    assert read(stream, collect=True).counts() == {rule: 1}
    with pytest.raises(Ungrammatical, match=rule):
        read(stream)


def test_every_rule_has_a_stream_that_breaks_it():
    rules = [line.split()[0] for line in
             rules_of.__doc__.partition("that a violation has:\n\n")[2].splitlines()]
    assert {rule for rule, _ in BROKEN.values()} == set(rules)


def test_a_violation_shows_what_was_heard_before():
    grammar = read([OPENED, added("running"), life("suspended"), removed()], collect=True)
    assert len(grammar.violations) == 1 and "suspended" in grammar.text() and GUEST in grammar.text()
    with pytest.raises(Ungrammatical):
        grammar.check()


def test_signals_of_another_sender_are_of_another_start():
    grammar = Grammar("test", whole=True, collect=True)
    for sender, number in ((":1.1", 5), (":1.1", 6), (":1.2", 106), (":1.2", 107), (":1.3", 7)):
        grammar.signal(Signal(ROOT, CONNECTION, "Event", ("resynced", number, 0, "", {}), "", sender))
    assert grammar.counts() == {"epoch": 1}
