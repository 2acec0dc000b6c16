# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comparisons with libvirt: by Resync, and by themselves. They find what libvirt has no event for."""

import signal
import time

from support.client import DBusError
from support.hosts.native import GUEST, NET, TEST, counters, get_events, last, plain_values, resync, state
from support.hosts.native import plain, service  # noqa: F401 (fixtures)
from support.models.listener import CONNECTION, INTERFACES, picture
from support.process import PATIENCE, wait_until
from support.service import wait_connected

DOMAIN1, NETWORK1 = INTERFACES["domain"], INTERFACES["network"]
WITHIN = 30 * PATIENCE


def everything_known(client):
    """The number of the last event when the service knows what there is."""
    wait_until(lambda: picture(client)[GUEST][DOMAIN1]["OSType"], WITHIN, "its type is read")
    resync(client)
    return last(client)


def test_resync(client, service, plain, connect):
    listener = connect(service.bus).match("type='signal',member='Resynced'")
    number = everything_known(client)
    assert resync(client) == (0, 0, 0)
    plain.lookupByName("test").setAutostart(1)  # libvirt has no event for this
    before = counters(client)
    assert client.get(GUEST, DOMAIN1, "Autostart") == ("b", False)
    assert resync(client) == (0, 1, 0)
    assert client.get(GUEST, DOMAIN1, "Autostart") == ("b", True)
    assert resync(client) == (0, 0, 0)
    events = get_events(client, number)
    assert [one.kind for one in events] == ["changed", "resynced"]  # nothing of those that found nothing
    assert plain_values(events[0].details) == {"Autostart": True, "synthetic": True}
    after = counters(client)
    assert after["comparisons"] - before["comparisons"] == 2
    assert after["comparisons.differences"] - before["comparisons.differences"] == 1
    assert after["events.synthetic"] - before["events.synthetic"] == 1
    last(listener)  # what was sent before the answer is here
    told = [one.body for one in listener.signals if one.member == "Resynced"]
    assert [body[1:] for body in told if body[1] > number] == [(events[-1].sequence, 0, 1, 0)]


def resynced(client):
    """Whether there is a connection that can be asked."""
    try:
        return resync(client)
    except DBusError:
        return None


def test_resync_while_the_first_list_is_made(one_bus, libvirtd, run_service, connect):
    """What is there from the start is nothing that was missed."""
    for _ in range(5):
        service = run_service(one_bus, {"Test": libvirtd.test_uri})
        client = connect(one_bus)
        wait_until(lambda: resynced(client), WITHIN, "it is open", every=0)
        everything_known(client)
        assert counters(client)["events.synthetic"] == 0
        service.stop()


def test_many_resyncs_at_once(client, plain, libvirtd):
    """They share rounds; each is answered when one that began after it is over."""
    everything_known(client)
    before = counters(client)["comparisons"]
    plain.lookupByName("test").setAutostart(1)  # libvirt has no event for this
    libvirtd.pause()
    try:
        serials = [client.send(TEST, CONNECTION, "Resync") for _ in range(200)]
        client.get(TEST, CONNECTION, "State")
    finally:
        libvirtd.resume()
    replies = client.collect(serials, WITHIN)
    assert {reply.body for reply in replies.values()} <= {(0, 1, 0), (0, 0, 0)}
    assert replies[serials[0]].body == (0, 1, 0)
    # That of the first, and one for all that came after it had begun.
    assert counters(client)["comparisons"] - before <= 2


def test_networks_have_a_daemon_of_their_own(home, one_bus, libvirtd, run_service, connect, preload):
    """While it is away, networks stay as they were known, and are stale; nothing else is."""
    away = home / "away"
    run_service(one_bus, {"Test": libvirtd.test_uri}, env=preload("fail_network_lists", NO_NETWORKS=str(away)))
    client = connect(one_bus)
    wait_connected(client)
    number = everything_known(client)
    away.touch()
    assert resync(client) == (0, 0, 0)
    assert client.get(NET, NETWORK1, "Stale") == ("b", True)
    assert client.get(NET, NETWORK1, "Active") == ("b", True)
    assert client.get(GUEST, DOMAIN1, "Stale") == ("b", False)
    away.unlink()  # found by itself: it is asked again and again
    wait_until(lambda: client.get(NET, NETWORK1, "Stale") == ("b", False), WITHIN, "it is listed again")
    assert get_events(client, number) == []


def test_resync_without_libvirt(client, libvirtd):
    everything_known(client)
    libvirtd.stop()
    wait_until(lambda: state(client) == "disconnected", WITHIN, "it is lost")
    for _ in range(20):
        error = client.error(TEST, CONNECTION, "Resync")
        assert error.name == "org.libvirt.Error" and error.message
    libvirtd.start()
    wait_until(lambda: state(client) == "connected", WITHIN, "it is back")
    assert resync(client) == (0, 0, 0)


def test_libvirtd_dies_during_a_resync(client, libvirtd):
    everything_known(client)
    libvirtd.pause()
    serials = [client.send(TEST, CONNECTION, "Resync") for _ in range(3)]
    client.get(TEST, CONNECTION, "State")
    libvirtd.stop(signal.SIGKILL)
    for reply in client.collect(serials, WITHIN).values():
        assert reply.header.fields[4] == "org.libvirt.Error"  # the error's name
    assert GUEST in picture(client)
    libvirtd.start()
    wait_until(lambda: client.get(GUEST, DOMAIN1, "Stale") == ("b", False), WITHIN, "it is back")


def test_the_check_interval(one_bus, libvirtd, plain, run_service, connect):
    """What libvirt has no event for is found without anybody asking, told and counted; what is the same is
    not."""
    run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\ncheck-interval=1\n")
    client = connect(one_bus)
    wait_connected(client)
    listener = connect(one_bus).match()
    everything_known(client)
    wait_until(lambda: counters(client)["comparisons"] >= 3, WITHIN, "it compares")
    before, number = counters(client), last(client)
    listener.drain()
    listener.signals.clear()
    plain.lookupByName("test").setAutostart(1)
    plain.networkLookupByName("default").setAutostart(1)
    listener.wait_for(lambda one: one.member == "PropertiesChanged" and one.path == GUEST
                      and one.body[1] == {"Autostart": ("b", True)}, WITHIN)
    wait_until(lambda: client.get(NET, INTERFACES["network"], "Autostart") == ("b", True), WITHIN, "both")
    # By one comparison, or by two where one began in between.
    wait_until(lambda: last(listener) and sum(one.body[3] for one in listener.signals if one.member == "Resynced") == 2,
               WITHIN, "both are told")
    after = counters(client)
    assert after["comparisons.differences"] - before["comparisons.differences"] == 2
    assert after["events.synthetic"] - before["events.synthetic"] == 2
    assert {one.kind for one in get_events(client, number)} == {"changed", "resynced"}
    mark = last(client)
    wait_until(lambda: counters(client)["comparisons"] >= after["comparisons"] + 2, WITHIN, "it goes on")
    assert last(client) == mark


def test_no_check_interval(one_bus, libvirtd, run_service, connect):
    run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\ncheck-interval=0\n")
    client = connect(one_bus)
    wait_connected(client)
    resync(client)
    before = counters(client)["comparisons"]
    time.sleep(1.5)  # there is nothing to see but that nothing comes
    assert counters(client)["comparisons"] == before
