# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real guest's life: what the bus tells is what a plain libvirt client was told, in the same order."""

import os
import signal as signals

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES
from support.hosts.host import DIMM, TABLET, guest_xml
from support.process import PATIENCE, wait_until
from support.service import wait_connected

ROOT = "/org/libvirt/QEMU"
GUEST = f"{ROOT}/domain/_11111111_2222_3333_4444_555555555555"
PROBE = "99999999-2222-3333-4444-555555555555"
PROBE_PATH = f"{ROOT}/domain/_" + PROBE.replace("-", "_")
WITHIN = 20 * PATIENCE
(DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED, SHUTDOWN) = range(7)


def told(signals, path=GUEST):
    """The signals about one domain in the words of the plain client."""
    result = []
    for signal in signals:
        if signal.member == "DomainEvent" and signal.body[0] == path:
            assert (signal.path, signal.interface, signal.signature) == (ROOT, CONNECT, "oii")
            result.append([signal.member, *signal.body[1:]])
        elif signal.interface == DOMAIN and signal.path == path:
            result.append([signal.member, *signal.body])
    return result


def happened(events, name="guest"):
    """The plain client's events about one domain, without its name and UUID."""
    return [[member, *rest] for member, domain, _, *rest in events if domain == name]


@pytest.fixture
def service(bus, libvirtd, run_service):
    return run_service(bus, {"QEMU": libvirtd.uri})


@pytest.fixture
def listener(bus, libvirtd, service, connect):
    """A listener, once signals flow. Nobody calls a method of the service for that: a second guest is defined
    and undefined by virsh until its events come."""
    client = connect(bus).match()
    xml = libvirtd.file(guest_xml("probe", PROBE))

    def flows():
        libvirtd.virsh("define", xml)
        libvirtd.virsh("undefine", "probe")
        client.drain()
        return [UNDEFINED] in [event[1:2] for event in told(client.signals, PROBE_PATH)]
    wait_until(flows, WITHIN, "signals flow", every=0.1)
    return client


def check(listener, plain):
    """Called when the last signal is here: as soon as the plain client has its last event as well, both have
    the same, in the same order, none missing, none twice."""
    def same():
        listener.drain()
        return told(listener.signals) == happened(plain.read())
    wait_until(same, WITHIN, lambda: f"{told(listener.signals)} as in {happened(plain.events)}")
    assert told(listener.signals)


def kinds(listener):
    """(kind, event or device) of what was told, less what some versions of libvirt tell besides: a resume
    when the CPUs start, a shutdown when QEMU is ended."""
    every = [(one[0], one[1] if len(one) > 1 else None) for one in told(listener.signals)]
    return [one for one in every
            if one[0] in ("DomainEvent", "DeviceAdded", "DeviceRemoved") and one[1] not in (RESUMED, SHUTDOWN)]


def life(dimm):
    """What must be told of a guest's life. libvirt 9.0 names a DIMM in this event by its memory object,
    memdimm0; its alias is dimm0."""
    assert dimm in ("dimm0", "memdimm0")
    return [("DomainEvent", DEFINED), ("DomainEvent", STARTED), ("DeviceAdded", dimm), ("DomainEvent", SUSPENDED),
            ("DomainEvent", STOPPED), ("DomainEvent", UNDEFINED)]


def resumed_last(listener):
    """Whether the last suspension was followed by a resume."""
    states = [one[1] for one in told(listener.signals)
              if one[0] == "DomainEvent" and one[1] in (SUSPENDED, RESUMED)]
    return states[-2:] == [SUSPENDED, RESUMED]


def test_a_life_over_the_bus(service, listener, connect, watcher):
    plain = watcher()
    client = connect(service.bus)
    wait_connected(client, "QEMU")
    assert client.connect("DomainDefineXML", "s", guest_xml(), name="QEMU") == GUEST
    for member, signature, args, state in (
            ("Create", "u", (0,), libvirt.VIR_DOMAIN_RUNNING),
            ("AttachDevice", "su", (DIMM, libvirt.VIR_DOMAIN_AFFECT_LIVE), libvirt.VIR_DOMAIN_RUNNING),
            ("Suspend", "", (), libvirt.VIR_DOMAIN_PAUSED),
            ("Resume", "", (), libvirt.VIR_DOMAIN_RUNNING),
            ("Destroy", "u", (0,), libvirt.VIR_DOMAIN_SHUTOFF),
            ("Undefine", "u", (0,), None)):
        assert client.call(GUEST, DOMAIN, member, signature, args, within=60 * PATIENCE) == ()
        if state is not None:
            assert client.domain(GUEST, "GetState", "u", 0)[0] == state
    listener.wait_signal("DomainEvent", WITHIN, body=(GUEST, UNDEFINED, 0))
    check(listener, plain)
    added = listener.wait_signal("DeviceAdded")
    assert (added.path, added.interface, added.signature) == (GUEST, DOMAIN, "s")
    assert kinds(listener) == life(added.body[0])
    assert resumed_last(listener)


def test_a_life_by_virsh(libvirtd, listener, watcher):
    """Nobody has called any method of the service."""
    plain = watcher()
    libvirtd.define(guest_xml())
    libvirtd.virsh("start", "guest")
    libvirtd.virsh("attach-device", "guest", libvirtd.file(DIMM), "--live")
    libvirtd.virsh("suspend", "guest")
    libvirtd.virsh("resume", "guest")
    libvirtd.virsh("destroy", "guest")
    libvirtd.virsh("undefine", "guest")
    listener.wait_signal("DomainEvent", WITHIN, body=(GUEST, UNDEFINED, 0))
    check(listener, plain)
    assert kinds(listener) == life(listener.wait_signal("DeviceAdded").body[0])
    assert resumed_last(listener)


def test_devices_reset_and_shutdown(libvirtd, listener, watcher):
    plain = watcher()
    libvirtd.define(guest_xml())
    libvirtd.virsh("start", "guest")
    tablet = libvirtd.file(TABLET)
    for _ in range(3):
        libvirtd.virsh("attach-device", "guest", tablet, "--live")
        libvirtd.virsh("detach-device", "guest", tablet, "--live")
        listener.wait_for(lambda s: told([s])[:1] == [["DeviceRemoved", "ua-tablet"]], WITHIN)
    libvirtd.virsh("reset", "guest")
    reboot = listener.wait_signal("Reboot", WITHIN)
    assert (reboot.path, reboot.interface, reboot.signature, reboot.body) == (GUEST, DOMAIN, "", ())
    libvirtd.virsh("destroy", "guest")
    listener.wait_for(lambda s: told([s])[:1] and told([s])[0][:2] == ["DomainEvent", STOPPED], WITHIN)
    check(listener, plain)
    assert kinds(listener).count(("DeviceAdded", "ua-tablet")) == 3
    assert kinds(listener).count(("DeviceRemoved", "ua-tablet")) == 3


def test_end_of_a_guest_from_outside(libvirtd, listener, watcher):
    """QEMU is killed: nobody asked for it, and everybody is told."""
    plain = watcher()
    libvirtd.define(guest_xml())
    libvirtd.virsh("start", "guest")
    pid, = libvirtd.qemus()
    os.kill(pid, signals.SIGKILL)
    event = listener.wait_for(lambda s: told([s])[:1] and told([s])[0][:2] == ["DomainEvent", STOPPED], WITHIN)
    assert event.body[2] == libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED
    check(listener, plain)


def test_balloon(libvirtd, service, listener, connect, watcher):
    """Without a driver in the guest the balloon does not move, so its signal is libvirt's to send or not:
    what counts is that both sides are told the same."""
    plain = watcher()
    client = connect(service.bus)
    wait_connected(client, "QEMU")
    libvirtd.define(guest_xml())
    libvirtd.virsh("start", "guest")
    assert client.domain(GUEST, "SetMemory", "tu", 64 * 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE) is None
    libvirtd.virsh("destroy", "guest")
    listener.wait_for(lambda s: told([s])[:1] and told([s])[0][:2] == ["DomainEvent", STOPPED], WITHIN)
    check(listener, plain)


def test_an_event_is_not_ahead_of_a_read(libvirtd, service, listener, connect):
    """Who reads when told sees what was told."""
    client = connect(service.bus)
    wait_connected(client, "QEMU")
    libvirtd.define(guest_xml())
    libvirtd.virsh("start", "guest")
    for command, event, state in (("suspend", SUSPENDED, 3), ("resume", RESUMED, 1)) * 5:
        listener.signals.clear()
        libvirtd.virsh(command, "guest")
        listener.wait_for(lambda s: told([s])[:1] and told([s])[0][:2] == ["DomainEvent", event], WITHIN)
        assert client.domain(GUEST, "GetState", "u", 0)[0] == state
        assert client.get(GUEST, DOMAIN, "Active") == ("b", True)


def test_stats_and_state_of_a_real_guest(libvirtd, service, connect):
    client = connect(service.bus)
    wait_connected(client, "QEMU")
    plain = libvirt.open(libvirtd.uri)
    client.connect("DomainCreateXML", "su", guest_xml(), 0, name="QEMU")
    domain = plain.lookupByName("guest")
    stats = client.domain(GUEST, "GetStats", "uu", 0, 0)
    expected = plain.domainListGetStats([domain], 0, 0)[0][1]
    assert set(stats) == set(expected)
    assert stats["state.state"] == ("v", ("i", 1)) and stats["vcpu.current"] == ("v", ("u", 1))
    assert stats["cpu.time"][1][0] == "t" and stats["balloon.maximum"] == ("v", ("t", 128 * 1024))
    assert client.domain(GUEST, "GetXMLDesc", "u", 0) == domain.XMLDesc(0)
    assert client.get(GUEST, DOMAIN, "Id") == ("u", domain.ID())
    assert "SchedulerType" not in client.get_all(GUEST, DOMAIN), "what cannot be read is left out"
    error = client.error(GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "SchedulerType"))
    with pytest.raises(libvirt.libvirtError) as caught:
        domain.schedulerType()
    assert (error.name, error.message) == ("org.libvirt.Error", caught.value.get_error_message())
    client.domain(GUEST, "Destroy", "u", 0)
    plain.close()
