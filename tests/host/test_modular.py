# SPDX-License-Identifier: LGPL-2.1-or-later
"""Modular daemons: that of networks, of storage pools, ... goes and comes back while that of the guests stays."""

import signal

import libvirt
import pytest

from support.client import CONNECT
from support.hosts import host
from support.hosts.host import guest_xml
from support.hosts.modular import NAMES, Daemon, Host, StandIn, are_installed
from support.hosts.native import (NETWORK, POOL, QEMU, filled, get_events, last, number_of, plain_values,
                                  state)
from support.hosts.workload import object_path
from support.models.listener import CONNECTION, INTERFACES
from support.process import PATIENCE, wait_until
from support.service import wait_connected

WITHIN = 30 * PATIENCE
GUEST = object_path(QEMU, "domain", "11111111-2222-3333-4444-555555555555")
KINDS = {"network": ("network", NETWORK, "net-define"), "storage": ("storagepool", POOL, "pool-define")}


@pytest.fixture
def stand_ins(home, libvirt_cache):
    """libvirtds in the place of modular daemons, none of them started. There is none for node devices."""
    lacking = host.missing()
    if lacking:
        pytest.skip(f"{lacking} is not installed")
    one = Host(home, libvirt_cache, StandIn, ("qemu", "network", "storage", "secret"))
    yield one
    one.finish()


@pytest.fixture
def daemons(home, libvirt_cache):
    """Modular daemons, none of them started."""
    if not are_installed() or host.missing():
        pytest.skip("modular daemons are not installed")
    one = Host(home, libvirt_cache, Daemon)
    yield one
    one.finish()


@pytest.fixture(params=["stand_ins", "daemons"])
def modular(request):
    return request.getfixturevalue(request.param)


# A libvirtd that stands for the daemon of the guests asks no other daemon.
REAL = pytest.mark.parametrize("modular", ["daemons"], indirect=True)


@pytest.fixture
def begin(modular, one_bus, run_service, connect):
    """begin(without) starts all daemons but some, and the service; returns it and a client."""
    def start(*without):
        for name, daemon in modular.daemons.items():
            if name not in without:
                daemon.start()
        modular["qemu"].define(guest_xml())
        service = run_service(one_bus, {"QEMU": modular.uri})
        client = connect(one_bus)
        wait_connected(client, "QEMU")
        client.introspect(f"{QEMU}/domain")  # answered when the first list is complete
        return service, client
    return start


def define(modular, driver, name):
    """Another client defines an object; returns its path."""
    collection, template, command = KINDS[driver]
    daemon = modular[driver]
    daemon.virsh(command, daemon.file(filled(template, name)))
    return object_path(QEMU, collection, number_of(name))


def property_of(client, path, name):
    interface = INTERFACES[path.split("/")[-2]]
    return client.get(path, interface, name)[1]


def of_path(client, number, path, kind):
    return [one for one in get_events(client, number, QEMU) if one.path == path and one.kind == kind]


def heard(client, number, path, kind):
    """The first event of that kind about an object, as soon as it is there."""
    wait_until(lambda: of_path(client, number, path, kind), WITHIN,
               lambda: f"{kind} of {path}: {get_events(client, number, QEMU)}")
    return of_path(client, number, path, kind)[0]


def of_drivers(client, number):
    """[(kind, driver)] of what happened to the connection itself."""
    return [(one.kind, plain_values(one.details).get("driver")) for one in get_events(client, number, QEMU)
            if one.path == QEMU]


def back(client, number):
    """Waits until the comparison after an outage is over."""
    wait_until(lambda: of_drivers(client, number)[-1:] == [("resynced", None)], WITHIN,
               lambda: f"everything was compared: {get_events(client, number, QEMU)}")


@pytest.mark.parametrize("driver", KINDS)
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_an_outage_of_one_daemon(begin, modular, driver, sig):
    service, client = begin()
    number = last(client, QEMU)
    path = define(modular, driver, "first")
    assert plain_values(heard(client, number, path, "lifecycle").details)["event"] == "defined"
    assert property_of(client, path, "Stale") is False
    assert client.get(QEMU, CONNECTION, "Changes")[1][path.split("/")[-2]] == "events"

    number = last(client, QEMU)
    modular[driver].stop(sig)
    details = plain_values(heard(client, number, QEMU, "driver-closed").details)
    assert details["driver"] == driver and details["reason"] in ("eof", "error")
    wait_until(lambda: property_of(client, path, "Stale"), WITHIN, "its objects are stale")
    assert state(client, QEMU) == "connected"
    assert property_of(client, GUEST, "Stale") is False

    # Nothing of what happens while the service stands still is told by an event.
    service.process.send_signal(signal.SIGSTOP)
    modular[driver].start()
    silent = define(modular, driver, "second")
    service.process.send_signal(signal.SIGCONT)
    back(client, number)
    assert of_drivers(client, number) == [("driver-closed", driver), ("driver-opened", driver), ("resynced", None)]
    heard(client, number, silent, "added")
    assert property_of(client, path, "Stale") is False
    assert property_of(client, silent, "Stale") is False

    number = last(client, QEMU)
    third = define(modular, driver, "third")
    assert not plain_values(heard(client, number, third, "lifecycle").details).get("synthetic")


def test_a_daemon_that_appears_late(begin, modular):
    _, client = begin("network", "storage")
    assert state(client, QEMU) == "connected"
    number = last(client, QEMU)
    for driver in KINDS:
        modular[driver].start()
        back(client, number)
        assert of_drivers(client, number) == [("driver-opened", driver), ("resynced", None)]
        number = last(client, QEMU)
        path = define(modular, driver, "late")
        heard(client, number, path, "lifecycle")
        heard(client, number, path, "added")
        number = last(client, QEMU)


def test_a_restart_of_all(begin, modular):
    _, client = begin()
    path = define(modular, "network", "kept")
    heard(client, 0, path, "added")
    for sig in (signal.SIGTERM, signal.SIGKILL):
        number = last(client, QEMU)
        for daemon in modular.daemons.values():
            daemon.stop(sig)
        wait_until(lambda: state(client, QEMU) == "disconnected", WITHIN, "the outage is seen")
        assert property_of(client, path, "Stale") is True
        for name in ("network", "storage", "secret", "qemu"):
            modular[name].start()
        wait_connected(client, "QEMU", WITHIN)
        heard(client, number, QEMU, "resynced")
        wait_until(lambda: not property_of(client, path, "Stale"), WITHIN, "networks are known again")
        number = last(client, QEMU)
        heard(client, number, define(modular, "network", sig.name), "lifecycle")
        for name in set(modular.daemons) - {"network", "storage", "secret", "qemu"}:
            modular[name].start()


def test_secrets_are_told_of(begin, modular):
    """Nothing is known of them, but that they come and go."""
    _, client = begin()
    secret = "<secret ephemeral='no' private='no'><uuid>{0}</uuid><description>x</description></secret>"
    for name in ("before", "after"):
        number = last(client, QEMU)
        daemon = modular["secret"]
        daemon.virsh("secret-define", daemon.file(secret.format(number_of(name))))
        heard(client, number, object_path(QEMU, "secret", number_of(name)), "lifecycle")
        daemon.stop()
        heard(client, number, QEMU, "driver-closed")
        daemon.start()
        back(client, number)


def ask_all(client):
    """One call to each daemon."""
    for member in ("ListNetworks", "ListStoragePools", "ListNodeDevices", "ListSecrets", "ListDomains"):
        client.connect(member, "u", 0, name="QEMU")


@REAL
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_calls_work_again_at_once(begin, modular, sig):
    """Libvirt's own client of a daemon that was started anew fails for good; calls of the service do not fail."""
    _, client = begin()
    plain = libvirt.open(modular.uri)
    assert plain.listAllNetworks() == []
    ask_all(client)
    for name in NAMES[1:]:
        modular[name].stop(sig)
        modular[name].start()
    ask_all(client)
    with pytest.raises(libvirt.libvirtError):
        plain.listAllNetworks()
    plain.close()

    # What changes something is not run twice, for it was not sent before.
    modular["network"].stop(sig)
    modular["network"].start()
    path, = client.call(QEMU, CONNECT, "NetworkDefineXML", "s", (filled(NETWORK, "called"),))
    assert property_of(client, path, "Name") == "called"
    assert path in client.connect("ListNetworks", "u", 0, name="QEMU")
