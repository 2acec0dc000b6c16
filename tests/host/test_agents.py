# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compute agents that know D-Bus alone end with the same power states as one that has libvirt's callbacks
and asks, and tell their cloud no stop that was none: reboots, migrations that fail, libvirtd's death, and
everything at once.

GUESTBUS_SEED sets the seed of all dice but libvirt's."""

import contextlib
import os
import random
import signal
import threading
import time
import uuid

import libvirt
import pytest

from support.client import CONNECT, DOMAIN
from support.hosts import host
from support.hosts.migration import by_socket
from support.hosts.workload import STATES, Load, object_path
from support.models.agents import BusAgent, CallbackAgent, WaitingAgent
from support.models.listener import CONNECTION
from support.process import PATIENCE, end_all, wait_until
from support.service import wait_connected

pytestmark = pytest.mark.long

SEED = os.environ.get("GUESTBUS_SEED", "1")
QEMU, TEST = "/org/libvirt/QEMU", "/org/libvirt/Test"
TITLE = libvirt.VIR_DOMAIN_METADATA_TITLE
WITHIN = 30 * PATIENCE
# How long a guest must be off to count as off: longer than a reboot by destroying and starting takes.
SETTLE = 5.0 * PATIENCE
OTHER_HOST = "cccccccc-1111-2222-3333-444444444444"
PEER = libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_LIVE
GUEST = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
<name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>48</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>{emulator}</emulator><controller type='usb' model='none'/><memballoon model='none'/>
</devices>{more}</domain>"""


class Agents:
    """Two agents on D-Bus, and one for each hypervisor on callbacks."""

    def __init__(self, home, bus, uris):
        self.uris = uris
        self.by_bus = [BusAgent(bus, SETTLE), WaitingAgent(bus, SETTLE)]
        self.by_callbacks = [CallbackAgent(home, uri, SETTLE) for uri in uris]

    def close(self):
        for agent in self.by_bus:
            agent.close()
        for agent in self.by_callbacks:
            agent.stop()

    def work(self):
        for agent in self.by_bus:
            agent.work()

    def views(self):
        """What each believes, {UUID: state}; those on callbacks together."""
        self.work()
        views = [agent.states for agent in self.by_bus]
        views.append({guest: state for agent in self.by_callbacks for guest, state in agent.states.items()})
        return [{number: state for number, state in view.items() if state != "gone"} for view in views]

    def told(self, number):
        """What each told its cloud of a guest, in order."""
        self.work()
        told = [agent.told for agent in self.by_bus]
        told.append([one for agent in self.by_callbacks for one in agent.told])
        return [[state for guest, state in one if guest == number] for one in told]

    def wait_told(self, number, *states):
        """Waits until each has told its cloud just that of a guest."""
        wait_until(lambda: self.told(number) == [list(states)] * 3, WITHIN,
                   lambda: f"{states} of {number}: {self.told(number)}")

    def wait_off(self, path):
        """Waits until those on D-Bus know that a guest is off; they do not tell yet."""
        wait_until(lambda: self.work() or all(path in agent.off for agent in self.by_bus), WITHIN,
                   lambda: f"it is off: {[(agent.off, agent.told) for agent in self.by_bus]}")

    def compare(self):
        """Makes up for what libvirt does not tell: it ends guests that a new libvirtd cannot take over from
        its predecessor. In real life this is done every few minutes."""
        for root in (QEMU, TEST):
            self.by_bus[0].client.call(root, CONNECTION, "Resync")
        for agent in self.by_callbacks:
            agent.compare()

    def agree(self):
        """Waits until all believe what libvirt says."""
        wait_until(lambda: self.views() == [power(self.uris)] * 3, WITHIN,
                   lambda: f"{self.views()} as {power(self.uris)}", every=0.1)


def power(uris):
    """{UUID: state} by libvirt itself."""
    result = {}
    for uri in uris:
        with opened(uri) as connection:
            for domain in connection.listAllDomains():
                result[domain.UUIDString()] = STATES[domain.state()[0]]
    return result


@contextlib.contextmanager
def opened(uri):
    """A connection of python3-libvirt."""
    connection = libvirt.open(uri)
    try:
        yield connection
    finally:
        connection.close()


# The scene

@pytest.fixture
def client(one_bus, reaper, libvirtd, run_service, connect):
    """Hears every signal of the service."""
    client = connect(one_bus)
    client.service = run_service(one_bus, {"QEMU": libvirtd.uri, "Test": libvirtd.test_uri})
    for name in ("QEMU", "Test"):
        wait_connected(client, name)
    return client.match()


@pytest.fixture
def agents(home, one_bus, client, libvirtd):
    agents = Agents(home, one_bus, [libvirtd.uri, libvirtd.test_uri])
    yield agents
    agents.close()


@pytest.fixture
def destination(home, libvirt_cache):
    """A second libvirtd, on a host of its own as far as it knows."""
    (home / "second").mkdir()
    other = host.Libvirtd(home / "second", libvirt_cache)
    other.configure(f'host_uuid = "{OTHER_HOST}"\n')
    other.start()
    yield other
    other.resume()
    other.finish()


def guest_xml(name, more=""):
    number = uuid.uuid5(uuid.NAMESPACE_OID, name)
    return str(number), GUEST.format(name=name, uuid=number, more=more, emulator=host.emulator())


def full_of_bytes(libvirtd):
    """A guest with so many random bytes in its memory that it takes a while to move."""
    file = os.path.join(libvirtd.directory("content"), "random")
    with open(file, "wb") as content:
        content.write(random.Random(SEED).randbytes(24 << 20))
    return ("<qemu:commandline><qemu:arg value='-device'/>"
            f"<qemu:arg value='loader,file={file},addr=0x1000000,force-raw=on'/></qemu:commandline>")


def events(client, path):
    """[(kind, number, details)] of an object's Events so far."""
    client.drain()
    return [(signal.body[0], signal.body[1], {name: value for name, (_, value) in signal.body[4].items()})
            for signal in client.signals if signal.path == path and signal.member == "Event"]


def count(client, path, kind):
    """How many Events of a kind there were."""
    return sum(one == kind for one, _, _ in events(client, path))


# What happens

def reboot(domain, client, agents):
    """As a cloud does it, twice, and as a guest does. Nobody takes it for a stop."""
    number = domain.UUIDString()
    path = object_path(QEMU, "domain", number)
    told, reboots = agents.told(number), count(client, path, "reboot")
    for _ in range(2):
        domain.destroy()
        agents.wait_off(path)
        domain.create()
    domain.reset()
    wait_until(lambda: count(client, path, "reboot") > reboots, WITHIN, "the reboot is told")
    assert agents.told(number) == told and [states[-1] for states in told] == ["running"] * 3


class FailedMigration:
    """A migration that the destination cannot finish, when the source is suspended already: the other
    libvirtd stands still when its turn comes, and finds the guest's QEMU dead when it goes on."""

    def __init__(self, libvirtd, destination, name):
        self.destination = destination
        self.connections = [libvirt.open(libvirtd.uri) for _ in range(2)]
        moving, self.domain = (connection.lookupByName(name) for connection in self.connections)
        self.error = None
        self.thread = threading.Thread(target=self.move, args=(moving,))

    def move(self, domain):
        try:
            values = {"migrate_uri": by_socket(self.destination, domain.name()), "bandwidth": 1}
            domain.migrateToURI3(self.destination.uri, values, PEER)
        except libvirt.libvirtError as error:
            self.error = error

    def moves(self):
        assert not self.error, f"the migration ended at once: {self.error}"
        return self.domain.jobStats().get("data_processed")

    def suspend(self):
        """Goes on until the guest is suspended on this side. The other has forgotten the one before it."""
        with opened(self.destination.uri) as there:
            wait_until(lambda: not there.listAllDomains(), WITHIN, "nothing is left there")
        self.thread.start()
        wait_until(self.moves, WITHIN, lambda: f"it moves: {self.domain.jobStats()}")
        self.destination.pause()
        self.domain.migrateSetMaxSpeed(1000)
        moved = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]
        wait_until(lambda: self.domain.state() == moved, WITHIN, "all is moved")

    def fail(self):
        end_all(self.destination.qemus())
        self.destination.resume()
        self.thread.join(WITHIN)
        assert self.error, "the migration went well"
        wait_until(lambda: self.domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, WITHIN, "it runs here")
        for connection in self.connections:
            connection.close()


def suspended_by_migration(client, path):
    """The number and details of the event that says so, and libvirt's answer that makes up for it; None
    while they are not here."""
    seen = events(client, path)
    doubt = next(((number, details) for kind, number, details in seen if kind == "lifecycle"
                  and (details["event"], details.get("detail")) == ("suspended", "migrated")), None)
    checked = next((details for kind, _, details in seen if kind == "state-checked"), None)
    return (*doubt, checked) if doubt and checked else None


# Tests

def test_a_reboot_is_no_stop(libvirtd, client, agents):
    number, xml = guest_xml("rebooted")
    with opened(libvirtd.uri) as connection:
        domain = connection.defineXML(xml)
        agents.wait_told(number, "shutoff")
        domain.create()
        agents.wait_told(number, "shutoff", "running")
        reboot(domain, client, agents)
        domain.destroy()
        agents.wait_told(number, "shutoff", "running", "shutoff")
    agents.agree()


def test_a_restart_of_the_service(libvirtd, client, agents):
    """What happens meanwhile is learned, and the restart itself is nothing; one while a stop settles, too."""
    number, xml = guest_xml("rebooted")
    with opened(libvirtd.uri) as connection, opened(libvirtd.test_uri) as plain:
        domain = connection.defineXML(xml)
        other, = plain.listAllDomains()
        expected, steady = ["shutoff"], ["running"]
        agents.wait_told(number, *expected)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            domain.create()
            expected.append("running")
            agents.wait_told(number, *expected)
            domain.destroy()
            agents.wait_off(object_path(QEMU, "domain", number))
            client.service.restart(sig)
            expected.append("shutoff")
            agents.wait_told(number, *expected)
            agents.wait_told(other.UUIDString(), *steady)
            client.service.stop()
            other.suspend()
            client.service.start()
            agents.wait_told(other.UUIDString(), *steady, "paused")
            other.resume()
            steady += ["paused", "running"]
            agents.wait_told(other.UUIDString(), *steady)
        domain.undefine()
    agents.agree()


def test_a_migration_that_fails_is_no_pause_for_ever(libvirtd, destination, client, agents):
    number, xml = guest_xml("stays", full_of_bytes(libvirtd))
    path = object_path(QEMU, "domain", number)
    with opened(libvirtd.uri) as connection:
        connection.createXML(xml)
        agents.wait_told(number, "running")
    migration = FailedMigration(libvirtd, destination, "stays")
    migration.suspend()
    sequence, details, checked = wait_until(lambda: suspended_by_migration(client, path), WITHIN,
                                            lambda: events(client, path))
    assert details["checked"] is False
    assert (checked["state"], checked["reason"], checked["of"]) == ("paused", "migrating", sequence)
    agents.wait_told(number, "running", "paused")
    migration.fail()
    agents.wait_told(number, "running", "paused", "running")
    last = [details for kind, _, details in events(client, path) if kind == "lifecycle"][-1]
    assert (last["event"], last["state"]) == ("resumed", "running")
    agents.agree()


def test_a_migration_that_goes_well(libvirtd, destination, client, agents):
    number, xml = guest_xml("moves")
    with opened(libvirtd.uri) as connection:
        domain = connection.createXML(xml)
        agents.wait_told(number, "running")
        domain.migrateToURI3(destination.uri, {"migrate_uri": by_socket(destination, "moves")}, PEER)
    wait_until(lambda: [one[-1] for one in agents.told(number)] == ["gone"] * 3, WITHIN,
               lambda: agents.told(number))
    sequence, details, checked = suspended_by_migration(client, object_path(QEMU, "domain", number))
    assert details["checked"] is False and checked["of"] == sequence
    agents.agree()


@pytest.fixture
def load(home, libvirtd, client):
    kinds = [(libvirtd.uri, "qemu"), (libvirtd.test_uri, "test"), (libvirtd.test_uri, "test")]
    load = Load(home, SEED, kinds, libvirtd.directory("pools"))
    yield load
    load.stop()


def test_everything_at_once(libvirtd, destination, client, agents, load):
    """Work, with libvirtd killed in between; work, with reboots and migrations that fail in between."""
    print(f"GUESTBUS_SEED={SEED}")
    for xml in (guest_xml("rebooted")[1], guest_xml("stays", full_of_bytes(libvirtd))[1]):
        libvirtd.define(xml)
    dice = random.Random(f"{SEED} agents")
    for _ in range(3):
        killed_while_working(libvirtd, load, agents, dice)
        load.go({"qemu": 10, "test": 20})
        with opened(libvirtd.uri) as connection:
            for name in ("rebooted", "stays"):
                run(connection.lookupByName(name), agents)
            reboot(connection.lookupByName("rebooted"), client, agents)
            migration = FailedMigration(libvirtd, destination, "stays")
            migration.suspend()
            migration.fail()
        wait_until(load.rests, 2 * WITHIN, "the work is done")
    agents.compare()
    agents.agree()


def run(domain, agents):
    """Starts a guest, unless it runs: QEMU does not survive all that can happen to libvirtd. The first call
    waits until libvirtd has taken the guest over, or given it up."""
    with contextlib.suppress(libvirt.libvirtError):
        domain.setMetadata(TITLE, None, None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if not domain.isActive():
        domain.create()
    number = domain.UUIDString()
    wait_until(lambda: all(states[-1:] == ["running"] for states in agents.told(number)), WITHIN,
               lambda: f"{domain.name()} runs: {agents.told(number)}")


def killed_while_working(libvirtd, load, agents, dice):
    """A round of work during which libvirtd dies twice."""
    load.go({"qemu": 10, "test": 20})
    kills = sorted(load.done + dice.randrange(40) for _ in range(2))
    end = time.monotonic() + 2 * WITHIN
    while not load.rests():
        assert time.monotonic() < end, f"the clients hang at {load.counts}"
        if kills and load.done >= kills[0]:
            kills.pop(0)
            libvirtd.stop(signal.SIGKILL)
            time.sleep(dice.uniform(0, 0.3))
            libvirtd.start()
        agents.work()
        time.sleep(0.002)


def test_memory_that_comes(libvirtd, client, watcher):
    """An agent that plugs memory in is told when it is there, by the alias, after what came before."""
    plain = watcher()
    libvirtd.define(host.guest_xml())
    path = object_path(QEMU, "domain", "11111111-2222-3333-4444-555555555555")
    for command in (["start", "guest"], ["attach-device", "guest", libvirtd.file(host.DIMM), "--live"],
                    ["suspend", "guest"], ["destroy", "guest"]):
        libvirtd.virsh(*command)
    stopped = [libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED]
    wait_until(lambda: stopped in [one[1:] for one in native(client, path)], WITHIN, "it is stopped")
    alias, = (one[3] for one in plain.read() if one[0] == "DeviceAdded")
    told = native(client, path)
    assert ["device-added", alias] in told and alias.endswith("dimm0")
    assert told == forwarded(client, path)
    assert told == [[WORDS[member], *rest] for member, _, _, *rest in plain.read() if member in WORDS]
    words = [details.get("event", alias) for kind, _, details in events(client, path)
             if kind in ("lifecycle", "device-added")]
    # What some versions of libvirt tell besides.
    words = [word for word in words if word not in ("resumed", "shutdown")]
    assert words == ["defined", "started", alias, "suspended", "stopped"]


WORDS = {"DomainEvent": "lifecycle", "DeviceAdded": "device-added"}


def native(client, path):
    """Lifecycle and devices by Event: what libvirt told."""
    result = []
    for kind, _, details in events(client, path):
        if kind == "lifecycle":
            result.append([kind, details["event-number"], details["detail-number"]])
        elif kind == "device-added":
            result.append([kind, details["device"]])
    return result


def forwarded(client, path):
    """The same by the signals of org.libvirt."""
    result = []
    for one in client.signals:
        if one.interface == CONNECT and one.member == "DomainEvent" and one.body[0] == path:
            result.append(["lifecycle", *one.body[1:]])
        elif one.interface == DOMAIN and one.member == "DeviceAdded" and one.path == path:
            result.append(["device-added", *one.body])
    return result
