# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signals that claim to be another's. The service listens to the bus driver and to polkit; no client makes it end, drop
a call or refuse one in their names. The bus policy keeps such signals away, and the service does not rely on it."""

import contextlib
import itertools

import pytest

from support.client import BUS, body_of, field
from support.hosts import bus as buses
from support.hosts import guarded as guards
from support.hosts import people as others
from support.hosts import polkit as authority
from support.hosts.guarded import GUEST, Guarded, guarded, serving, set_autostart
from support.process import PATIENCE, own_directory, wait_until
from support.service import OURS

DRIVER, DRIVER_PATH, _ = BUS
NAMES = ("org.libvirt", OURS)
WITHIN = 20 * PATIENCE
CHANGED = (authority.PATH, authority.AUTHORITY, "Changed")

among_people = pytest.mark.skipif(bool(others.missing()), reason=f"{others.missing()} is not there")


def owner_changed(name, before, after):
    return DRIVER_PATH, DRIVER, "NameOwnerChanged", "sss", (name, before, after)


def forge(client, *signals):
    """Emits each of them to all that listen, and to the service alone by each of its names. When this returns, the
    service has read them: it answers in order."""
    unique = client.owner(OURS)
    for one, destination in itertools.product(signals, (None, *NAMES, unique)):
        client.signal(*one, destination=destination)
    client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping", destination=unique, within=WITHIN)


def may_manage(client):
    return field(client.take_reply(set_autostart(client), 60 * PATIENCE), "error_name") is None


def test_a_name_that_is_not_lost(service, client, connect):
    forge(connect(service.bus), *((DRIVER_PATH, DRIVER, "NameLost", "s", (name,)) for name in NAMES))
    assert all(service.owns(client, name) for name in NAMES)
    assert client.connect("ListDomains", "u", 0)
    assert "taken over" not in service.stderr()


def test_a_caller_that_has_not_left(service, client, connect):
    serial = client.send(GUEST, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["shutoff"], 0, {}))
    name = client.unique_name
    forge(connect(service.bus), owner_changed(name, name, ""))
    client.domain(GUEST, "Destroy", "u", 0)
    assert body_of(client.take_reply(serial, WITHIN)) == ("shutoff",)


@contextlib.contextmanager
def permissive(kind):
    """A Guarded without a polkit, on a bus that lets everybody do everything."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(own_directory())
        people = others.People(home)
        stack.callback(people.stop)
        bus = buses.Broker(home) if kind == "dbus-broker" else buses.Daemon(home, system=True, wrap=people.wrap)
        stack.callback(bus.stop)
        yield stack.enter_context(serving(Guarded(home, people, bus, None)))


@among_people
@pytest.mark.parametrize("kind", buses.kinds())
def test_a_polkit_that_is_not_there(kind):
    """Where there never was one, the group libvirt manages; where there was one, nobody but root would."""
    with permissive(kind) as world:
        member, outsider = world.client("member"), world.client("outsider")
        assert may_manage(member)
        forge(outsider, CHANGED, owner_changed(authority.NAME, "", outsider.unique_name),
              owner_changed(authority.NAME, outsider.unique_name, ""))
        assert may_manage(world.client("member"))
        assert not may_manage(outsider)


@among_people
@pytest.mark.parametrize("kind", buses.kinds())
def test_a_polkit_that_is(kind):
    """The name's owner is believed: it was there, so that its absence says nothing of what it would answer."""
    with permissive(kind) as world:
        assert may_manage(world.client("member"))
        with world.people.client("limited", world.bus.address) as polkit:
            assert polkit.bus("RequestName", "su", authority.NAME, 4) == 1
            polkit.signal(*CHANGED)
            polkit.bus("ReleaseName", "s", authority.NAME)
        wait_until(lambda: not may_manage(world.client("member")), WITHIN, "the owner of the name was heard")


@pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")
@pytest.mark.parametrize("kind", buses.guarded_kinds())
def test_with_the_shipped_policy(kind):
    """All of it works as before, and nothing that is forged arrives."""
    with guarded(kind=kind) as world:
        member, outsider = world.client("member"), world.client("outsider")
        assert may_manage(member) and not may_manage(outsider)
        for client in (world.client("root"), member, outsider):
            forge(client, CHANGED, owner_changed(member.unique_name, member.unique_name, ""),
                  *((DRIVER_PATH, DRIVER, "NameLost", "s", (name,)) for name in NAMES))
        assert may_manage(member) and not may_manage(outsider)
        assert not world.service.ended()
