# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restart of the service, as an upgrade makes it, under a manager that keeps what it leaves: listeners notice
nothing. Here libvirtd goes on meanwhile, and a plain client changes what there is."""

import fcntl
import os
import signal

import libvirt
import pytest

from support.client import DOMAIN
from support.hosts.manager import Manager
from support.hosts.native import GUEST, TEST, counters, epoch, get_events, last, plain_values, resync
from support.hosts.native import plain  # noqa: F401 (fixture)
from support.models.listener import CONNECTION, INTERFACES, MANAGER, EventListener, picture
from support.process import PATIENCE, wait_until
from support.service import Service, wait_connected

DOMAIN1 = INTERFACES["domain"]
WITHIN = 30 * PATIENCE
NEW = "11111111-2222-3333-4444-555555555555"
GONE = "22222222-2222-3333-4444-555555555555"
XML = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>65536</memory>
<os><type>hvm</type></os></domain>"""


def path_of(uuid):
    return f"{TEST}/domain/_" + uuid.replace("-", "_")


class Stand:
    """A service under a manager, and a client that outlives it."""

    def __init__(self, bus, home, libvirtd, connect):
        self.manager = Manager(home)
        self.service = Service(bus, home, {"Test": libvirtd.test_uri}, env={"NOTIFY_SOCKET": self.manager.path},
                               wrap=self.manager.wrap)
        self.client = connect(bus)
        self.service.start()
        self.rest()

    def rest(self):
        """It knows what there is."""
        wait_connected(self.client)
        wait_until(lambda: all(things[DOMAIN1]["OSType"] for things in picture(self.client).values()
                               if DOMAIN1 in things), WITHIN, "the types are read")
        resync(self.client)

    def stop(self, sig=signal.SIGTERM):
        if sig == signal.SIGKILL:
            self.service.kill()
        else:
            self.service.stop()

    def start(self):
        self.service.start()
        self.rest()

    def epoch(self):
        return epoch(self.client)

    def events(self):
        """All of the epoch that are kept."""
        return get_events(self.client, 0)

    def close(self):
        self.service.stop()
        self.manager.close()


@pytest.fixture
def stand(home, one_bus, libvirtd, plain, connect):  # noqa: F811
    one = Stand(one_bus, home, libvirtd, connect)
    plain.defineXML(XML.format(name="gone", uuid=GONE))
    one.rest()
    yield one
    one.close()


def test_the_stream_goes_on(stand, plain, connect, one_bus):  # noqa: F811
    """One epoch, no hole, events of before; and what changed meanwhile comes as synthetic events."""
    ear = connect(one_bus).match()
    of, number = stand.epoch(), last(stand.client)
    before = stand.events()
    stand.stop()
    assert list(stand.manager.stored) == ["handover"]
    plain.lookupByUUIDString(GONE).undefine()
    plain.defineXML(XML.format(name="new", uuid=NEW))
    plain.lookupByName("test").suspend()
    stand.start()
    assert not stand.manager.stored
    assert stand.epoch() == of
    events = stand.events()
    assert events[:len(before)] == before
    assert [one.sequence for one in events] == list(range(before[0].sequence, before[0].sequence + len(events)))
    since = [one for one in events if one.sequence > number]
    told = [(one.path, one.kind, plain_values(one.details).get("event")) for one in since
            if one.kind not in ("changed", "closed", "opened", "resynced")]
    assert sorted(told) == sorted([
        (path_of(GONE), "lifecycle", "undefined"), (path_of(GONE), "removed", None),
        (path_of(NEW), "added", None), (path_of(NEW), "lifecycle", "defined"), (GUEST, "lifecycle", "suspended")])
    assert all(plain_values(one.details).get("synthetic") for one in since
               if one.kind in ("lifecycle", "added", "removed"))
    last(ear)
    objects = {(one.member, one.body[0]) for one in ear.signals if one.interface == MANAGER}
    assert objects == {("InterfacesRemoved", path_of(GONE)), ("InterfacesAdded", path_of(NEW))}
    assert counters(stand.client)["events"] == len(events)


def test_listeners(stand, plain, one_bus):  # noqa: F811
    """They end where libvirt is, and one that was there all along was given everything once."""
    listener = EventListener(one_bus, "listener", 0, (TEST,))
    listener.come()
    for turn in range(3):
        stand.stop()
        domain = plain.lookupByName("test")
        (domain.resume if turn % 2 else domain.suspend)()
        stand.start()
        listener.up_to_date(TEST)
        assert listener.objects[GUEST]["State"] == ("running" if turn % 2 else "paused")
        assert not any(values.get("Stale") for values in listener.objects.values())
    listener.leave()


def test_it_is_killed(stand):
    """The next best: another epoch, and greater numbers."""
    of, number = stand.epoch(), last(stand.client)
    stand.stop(signal.SIGKILL)
    stand.start()
    assert stand.epoch() != of
    assert stand.events()[0].sequence > number

    # What was left before a crash is not used after it.
    stand.stop()
    stand.start()
    of, number = stand.epoch(), last(stand.client)
    stand.stop(signal.SIGKILL)
    stand.start()
    assert stand.epoch() != of
    assert stand.events()[0].sequence > number


def test_libvirtd_is_away(stand, libvirtd):
    """What was known is shown as what may be outdated, and compared when libvirtd is back."""
    of = stand.epoch()
    stand.stop()
    libvirtd.stop()
    stand.service.start()
    wait_until(lambda: stand.client.get(TEST, CONNECTION, "State")[1] == "disconnected", WITHIN, "it cannot connect")
    objects = picture(stand.client)
    assert objects[GUEST][DOMAIN1]["Stale"] is True
    assert objects[GUEST][DOMAIN1]["Name"] == "test"
    libvirtd.start()
    stand.rest()
    assert stand.epoch() == of
    assert picture(stand.client)[GUEST][DOMAIN1]["Stale"] is False
    # The test driver's state went with libvirtd.
    assert path_of(GONE) not in picture(stand.client)


def put(manager, content, seals=True):
    """Has the manager keep something else."""
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS,
                    fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    manager.forget("handover")
    manager.stored["handover"] = fd


@pytest.mark.parametrize("change", ["nothing", "garbage", "half", "damaged", "unsealed", "version"])
def test_what_cannot_be_read(stand, change):
    """It is an end like any other, and the log says so."""
    of = stand.epoch()
    stand.stop()
    content = os.pread(stand.manager.stored["handover"], 1 << 24, 0)
    put(stand.manager, {"nothing": b"", "garbage": os.urandom(4096), "half": content[:len(content) // 2],
                        "damaged": content[:100] + bytes(100) + content[200:], "unsealed": content,
                        "version": (2).to_bytes(4, "little") + content[4:]}[change], seals=change != "unsealed")
    stand.start()
    # What is damaged may be a text alone.
    assert stand.epoch() != of or change == "damaged"
    if change != "damaged":
        assert any("what the service has left before its restart is not used" in line
                   for line in stand.service.lines())
    assert GUEST in picture(stand.client)


def test_another_hypervisor(stand, libvirtd):
    """A connection with another URI is another one."""
    stand.stop()
    stand.service.args = [word.replace(libvirtd.test_uri, "test:///default") for word in stand.service.args]
    stand.start()
    kinds = [one.kind for one in stand.events()]
    assert kinds[0] == "opened" and "added" in kinds
    assert path_of(GONE) not in picture(stand.client)


def test_without_a_manager(home, one_bus, libvirtd, run_service, connect):
    """Each start is an epoch."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_connected(client)
    of = epoch(client)
    service.restart()
    wait_connected(client)
    assert epoch(client) != of


def test_calls_are_served_as_ever(stand):
    """Of an object that was restored, too."""
    stand.stop()
    stand.start()
    assert stand.client.domain(GUEST, "GetState", "u", 0)[0] == libvirt.VIR_DOMAIN_RUNNING
    assert stand.client.get(GUEST, DOMAIN, "Name")[1] == "test"
    assert f"{GUEST}" in stand.client.call(TEST, "org.libvirt.Connect", "ListDomains", "u", (0,))[0]
