# SPDX-License-Identifier: LGPL-2.1-or-later
"""Listeners over restarts of the service: one that keeps to the rules of docs/events.md to the letter, and all
others of the tests. At the end each knows what libvirt knows."""

import inspect
import random
import re
import shutil
import signal

import libvirt
import pytest

from support.hosts.clock import clock  # noqa: F401 (fixture)
from support.hosts.native import NETWORK, POOL, TEST, XML, filled, plain  # noqa: F401 (fixture)
from support.hosts.scene import different
from support.hosts.workload import truth
from support.models import recipe
from support.models.compiled import CompiledListener
from support.models.listener import CONNECTION, EventListener, StandardListener, picture
from support.models.recipe import RecipeListener
from support.process import PATIENCE, wait_until
from support.service import CHECKOUT, wait_connected

WITHIN = 20 * PATIENCE
DAY = 86400
ROUNDS = 8


def test_the_rules_are_those_of_the_document():
    """Word for word, all of them, in order."""
    text = (CHECKOUT / "docs" / "events.md").read_text(encoding="utf-8")
    section = re.search(r"^## To miss nothing$(.*?)^## ", text, re.M | re.S).group(1)
    rules = re.findall(r"^(\d+\. .*?)(?=^\d+\. |^\n)", section, re.M | re.S)
    quotes = re.findall(r"^ *# (\d+\. .*(?:\n *# (?!\d).*)*)", inspect.getsource(recipe), re.M)
    assert [" ".join(rule.split()) for rule in rules] == \
        [" ".join(re.sub(r"\n *# ", " ", quote).split()) for quote in sorted(quotes, key=number_of_rule)]
    assert len(rules) == 8


def number_of_rule(quote):
    return int(quote.partition(".")[0])


class Guests:
    """What other programs do to the test driver's guests, networks and pools, at random."""

    NAMES = ("one", "two", "three", "four")

    def __init__(self, connection, dice):
        self.connection = connection
        self.random = dice

    def act(self):
        name = self.random.choice(self.NAMES)
        what = self.random.choice([self.domain, self.domain, self.network, self.pool])
        try:
            what(name)
        except libvirt.libvirtError as error:
            # Not in the state that it takes; that is as random as the rest.
            assert error.get_error_code() in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INTERNAL_ERROR,
                                              libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_NETWORK,
                                              libvirt.VIR_ERR_NO_STORAGE_POOL), error

    def domain(self, name):
        connection = self.connection
        act = self.random.choice(["define", "transient", "create", "suspend", "resume", "destroy", "undefine"])
        if act == "define":
            connection.defineXML(filled(XML, name))
        elif act == "transient":
            connection.createXML(filled(XML, f"{name}'s"), 0)
        else:
            getattr(connection.lookupByName(self.random.choice([name, f"{name}'s"])), act)()

    def network(self, name):
        act = self.random.choice(["define", "create", "destroy", "undefine"])
        if act == "define":
            self.connection.networkDefineXML(filled(NETWORK, f"n{name}"))
        else:
            getattr(self.connection.networkLookupByName(f"n{name}"), act)()

    def pool(self, name):
        act = self.random.choice(["define", "create", "destroy", "undefine"])
        if act == "define":
            self.connection.storagePoolDefineXML(filled(POOL, f"p{name}"))
        else:
            getattr(self.connection.storagePoolLookupByName(f"p{name}"), act)()


class World:
    """The service on a libvirtd's test driver, listeners of all kinds, and others at work."""

    def __init__(self, service, libvirtd, connection, dice):
        self.service = service
        self.libvirtd = libvirtd
        self.random = dice
        self.guests = Guests(connection, dice)
        self.literal = [RecipeListener(service.bus, "by the rules alone", looks=False),
                        RecipeListener(service.bus, "by the rules, and the name"),
                        CompiledListener(service.bus, "in C", service.home)]
        self.others = [EventListener(service.bus, "stream"), EventListener(service.bus, "by threes", batch=3),
                       StandardListener(service.bus, "standard")]
        for listener in self.listeners():
            listener.come()

    def listeners(self):
        return [*self.literal, *self.others]

    def close(self):
        for listener in self.listeners():
            listener.leave()

    def work(self, times):
        """Some listeners hear at once, some later."""
        for _ in range(times):
            self.guests.act()
            for listener in self.listeners():
                if self.random.random() < 0.5:
                    listener.read()

    def wrong(self, listeners):
        """{listener: {path: (known, true)}}."""
        true = truth(self.libvirtd.test_uri, TEST)
        for listener in listeners:
            listener.read()
        return {listener.name: different(listener.objects, true) for listener in listeners
                if different(listener.objects, true)}

    def check(self, listeners=None):
        listeners = listeners or self.listeners()
        wait_until(lambda: not self.wrong(listeners), WITHIN, lambda: f"(known, true): {self.wrong(listeners)}")


@pytest.fixture
def seed():
    return 1


@pytest.fixture
def world(bus, libvirtd, plain, run_service, connect, clock, seed):
    service = run_service(bus, {"Test": libvirtd.test_uri}, env=clock.env)
    wait_connected(connect(bus))
    one = World(service, libvirtd, plain, random.Random(seed))
    yield one
    one.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_over_restarts(world, clock, sig):
    """Guests change before, while the service is away, while it starts, and afterwards; the clock is set back."""
    for turn in range(ROUNDS):
        world.work(10)
        world.service.stop() if sig == signal.SIGTERM else world.service.kill()
        clock(-DAY * turn)
        world.work(world.random.choice([0, 10]))
        world.service.spawn()
        world.work(world.random.choice([0, 10, 100]))
        world.service.wait_ready()
        world.work(world.random.choice([0, 10]))
        world.check()
    assert all(listener.pictures > ROUNDS for listener in world.literal)


def test_over_restarts_that_nothing_follows(world):
    """Listeners that do not look at the name hear of a restart by what the service itself tells at its start."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        world.work(20)
        world.check()
        world.service.stop() if sig == signal.SIGTERM else world.service.kill()
        for _ in range(20):
            world.guests.act()
        world.service.start()
        world.check()


def test_numbers_that_fall_back(world, clock):
    """The state directory is lost and the clock set back: what has the epoch is heard all the same. The other
    listeners take smaller numbers for a fault."""
    for listener in world.others:
        listener.leave()
    for turn in range(1, 4):
        world.work(20)
        world.service.kill()
        shutil.rmtree(world.service.state)
        clock(-DAY * turn)
        world.service.start()
        for _ in range(20):
            world.guests.act()
        world.check(world.literal)


def test_a_restart_without_libvirtd(world, connect):
    """Guests that cannot be seen are not gone; what has gone meanwhile is, when libvirtd is back."""
    for name in world.guests.NAMES:
        world.guests.connection.defineXML(filled(XML, name))
    world.check()
    known = {listener: dict(listener.objects) for listener in world.literal}
    assert all(len(objects) > 4 for objects in known.values())
    world.libvirtd.stop()
    client = connect(world.service.bus)
    wait_until(lambda: client.get(TEST, CONNECTION, "State")[1] == "disconnected", WITHIN, "it is lost")
    world.service.restart(signal.SIGKILL)
    assert [path for path in picture(client) if path.startswith(f"{TEST}/")] == []
    for listener in world.literal:
        listener.read()
        assert listener.objects == known[listener]
    # The test driver of another libvirtd has none but its own.
    world.libvirtd.start()
    world.check()
    assert all(len(listener.objects) == 3 for listener in world.literal)
