# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stream of events: numbered without a hole, kept for a while, told again as it was told, and in
words."""

import libvirt
import pytest

from support.client import DBusError, body_of
from support.hosts.native import (TEST, XML, before, counters, epoch, filled, get_batch, last, quiet,
                                  some_of_every_kind)
from support.hosts.native import plain, service  # noqa: F401 (fixtures)
from support.models.listener import CONNECTION, GONE, ROOT, Event, EventListener, connection_of
from support.process import PATIENCE, wait_until
from support.service import wait_connected

WITHIN = 20 * PATIENCE
RECORD = "a(ostxsa{sv})b"
KEPT = 8


def refused(client, after, of=None):
    """The error of GetEvents."""
    return client.error(TEST, CONNECTION, "GetEvents", "stu", (of or epoch(client), after, 0))


def told(listener, path=TEST):
    """The events that came as signals of a connection's objects, in order."""
    last(listener)  # what was sent before the answer is here
    return [Event(one.path, *one.body) for one in listener.signals
            if one.member == "Event" and connection_of(one.path) == path]


# Numbers and replay

def test_numbers_without_a_hole(client, service, plain, connect):
    """One row of numbers over all kinds, told as signals and told again the same."""
    listener = connect(service.bus).match()
    first = quiet(client)
    some_of_every_kind(plain)
    final = quiet(client)
    signals = [event for event in told(listener) if event.sequence > first]
    assert [event.sequence for event in signals] == list(range(first + 1, final + 1))
    assert {event.path.split("/")[4] for event in signals if event.path != TEST} == \
        {"domain", "network", "storagepool", "nodedev"}
    stamps = [event.timestamp for event in signals]
    assert stamps == sorted(stamps)
    events, complete = get_batch(client)
    start = before(client)
    assert complete and [event.sequence for event in events] == list(range(start + 1, final + 1))
    assert get_batch(client, start) == (events, True)
    assert counters(client)["events"] == final - start == len(events)


def test_the_replay_is_what_was_told(client, service, plain, connect):
    """Byte for byte: the same values of the same types in the same order."""
    listener = connect(service.bus).match()
    first = quiet(client)
    some_of_every_kind(plain)
    plain.defineXML(filled(XML, "d")).rename("gäst ☃")
    quiet(client)
    signals = [one for one in told(listener) if one.sequence > first]
    reply = client.exchange(TEST, CONNECTION, "GetEvents", "stu", (epoch(client), first, 0))
    assert client.message(TEST, CONNECTION, "x", RECORD, reply.body).serialise(1) == \
        client.message(TEST, CONNECTION, "x", RECORD, ([tuple(one) for one in signals], True)).serialise(1)
    assert any(one.name == "gäst ☃" for one in signals)


def test_as_many_as_wanted(client, plain):
    some_of_every_kind(plain)
    final = quiet(client)
    events, complete = get_batch(client)
    start, total = before(client), len(events)
    assert complete and total == final - start
    for after in (0, 1, total // 2, total - 1, total):
        for most in (0, 1, 2, total - after, total - after + 1, (1 << 32) - 1):
            some, complete = get_batch(client, start + after, most)
            assert some == events[after:after + most if most else None]
            assert complete == (after + len(some) == total)
    assert get_batch(client, final) == ([], True)


@pytest.mark.parametrize("most", [1, 2, 7])
def test_paging(client, plain, most):
    some_of_every_kind(plain)
    final = quiet(client)
    everything, _ = get_batch(client)
    found, complete = [], False
    while not complete:
        some, complete = get_batch(client, found[-1].sequence if found else 0, most)
        assert 1 <= len(some) <= most
        found += some
    assert found == everything and len(found) == final - before(client)


def test_what_cannot_be_told(client):
    final = quiet(client)
    for after in (final + 1, (1 << 64) - 1):
        error = refused(client, after)
        assert error.name == "org.freedesktop.DBus.Error.InvalidArgs"
        assert error.message == f"there is no event {after} yet; the last one is {final}"
    # Of an earlier epoch, whatever is said: the picture helps then.
    for after in (1, before(client) - 1):
        error = refused(client, after)
        assert error.name == GONE
        assert error.message == (f'event {after} is not of epoch "{epoch(client)}", which begins after '
                                 f"{before(client)}; GetManagedObjects tells what is")
    for of in ("", "x", epoch(client) + "0"):
        error = client.error(TEST, CONNECTION, "GetEvents", "stu", (of, 0, 0))
        assert error.name == GONE
        assert f'"{of}"' in error.message and f'"{epoch(client)}"' in error.message


def test_too_late(one_bus, libvirtd, plain, run_service, connect):
    """Of the numbers before the last so many, nothing is told: not even a part."""
    run_service(one_bus, {"Test": libvirtd.test_uri}, config=f"[limits]\nevents-kept={KEPT}\n")
    client = connect(one_bus)
    wait_connected(client)
    some_of_every_kind(plain)
    final = quiet(client)
    start = before(client)
    assert final - start > 2 * KEPT
    for after in (0, start, start + 1, final - KEPT - 1):
        error = refused(client, after)
        assert error.name == GONE
        assert error.message == (f"events up to {final - KEPT} are gone, and those after {after} were asked "
                                 "for; GetManagedObjects tells what is")
    events, complete = get_batch(client, final - KEPT)
    assert complete and [event.sequence for event in events] == list(range(final - KEPT + 1, final + 1))
    assert counters(client)["events.forgotten"] == final - start - KEPT


def test_none_kept(one_bus, libvirtd, plain, run_service, connect):
    run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\nevents-kept=0\n")
    client = connect(one_bus)
    wait_connected(client)
    listener = connect(one_bus).match()
    final = quiet(client)
    assert get_batch(client, final) == ([], True)
    assert refused(client, final - 1).name == GONE
    plain.lookupByName("test").suspend()
    listener.wait_for(lambda one: one.member == "Event" and one.body[1] == final + 1, WITHIN)


@pytest.fixture
def limited(one_bus, libvirtd, plain, run_service, connect):  # noqa: F811
    """limited(limit, times): a client of a service with that limit, and the number of the last event, when everything
    has happened so many times."""
    def start(limit, times):
        run_service(one_bus, {"Test": libvirtd.test_uri}, config=f"[limits]\n{limit}\n")
        client = connect(one_bus)
        wait_connected(client)
        for _ in range(times):
            some_of_every_kind(plain)
        return client, quiet(client)
    return start


def test_a_limit_of_bytes(plain, limited):  # noqa: F811
    """Many small ones are kept, or few that are large; the last number is always the last."""
    client, final = limited("events-bytes=4096", 5)
    kept = counters(client)["events"] - counters(client)["events.forgotten"]
    assert 2 <= kept < 100
    assert refused(client, final - kept - 1).name == GONE
    events, complete = get_batch(client, final - kept)
    assert complete and [event.sequence for event in events] == list(range(final - kept + 1, final + 1))
    assert len(client.message(TEST, CONNECTION, "x", RECORD, (events, True)).serialise(1)) < 2 * 4096
    # One that is larger than all that may be kept.
    domain = plain.lookupByName("test")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<a/>", "k", "urn:" + "x" * 8000, 1)
    wait_until(lambda: last(client) == final + 1, WITHIN, "it is told")
    assert get_batch(client, final + 1) == ([], True)
    assert refused(client, final).name == GONE


def test_a_reply_has_a_limit(limited):
    """0 means as many as one reply holds; the rest comes with the next."""
    client, final = limited("reply-bytes=8192", 3)
    found, complete, parts = [], False, 0
    while not complete:
        some, complete = get_batch(client, before(client) + len(found))
        assert some
        found += some
        parts += 1
    assert parts > 2 and [event.sequence for event in found] == list(range(before(client) + 1, final + 1))


def test_another_start_is_another_epoch(one_bus, libvirtd, run_service, connect):
    client, seen, mark = connect(one_bus), [], 0
    for _ in range(3):
        service = run_service(one_bus, {"Test": libvirtd.test_uri, "Second": "test:///default"})
        wait_connected(client)
        wait_connected(client, "Second")
        seen.append(epoch(client))
        assert epoch(client, f"{ROOT}/Second") == seen[-1]
        for old in seen[:-1]:
            error = refused(client, 0, old)
            assert error.name == GONE
        assert get_batch(client, 0, 0, seen[-1])[0][0].sequence == before(client) + 1 > mark
        mark = max(last(client), last(client, f"{ROOT}/Second"))
        service.stop()
    assert len(set(seen)) == 3


def test_several_callers(client, service, plain, connect):
    """Each has its own place; what one asks for does not move another's."""
    some_of_every_kind(plain)
    final = quiet(client)
    callers = {connect(service.bus): most for most in (1, 3, 5, 8)}
    found = {caller: [] for caller in callers}
    start = before(client)
    while any(len(events) < final - start for events in found.values()):
        serials = {caller: caller.send(TEST, CONNECTION, "GetEvents", "stu",
                                       (epoch(client), start + len(found[caller]), most))
                   for caller, most in callers.items()}
        for caller, serial in serials.items():
            found[caller] += body_of(caller.take_reply(serial, WITHIN))[0]
    everything = [tuple(event) for event in get_batch(client)[0]]
    assert all(events == everything for events in found.values())


def test_who_comes_back_misses_nothing(client, service, plain):
    """Away and back in the middle of it, by pages: the numbers of a listener have no hole."""
    listener = EventListener(service.bus, "returning", batch=3)
    try:
        listener.come()
        for _ in range(5):
            listener.leave()
            some_of_every_kind(plain)
            quiet(client)
            listener.come()
        final = listener.up_to_date(TEST)
        assert listener.pictures == 1 and listener.replayed > 50
        assert [tuple(listener.heard[TEST][number]) for number in sorted(listener.heard[TEST])] == \
            [tuple(event) for event in get_batch(client, min(listener.heard[TEST]) - 1)[0]]
        assert max(listener.heard[TEST]) == final
    finally:
        listener.leave()


def test_arguments_that_make_no_sense(client):
    """Not the service's: the error names what is wrong, and the stream goes on."""
    for signature, args in (("st", ("", 0)), ("stt", ("", 0, 0)), ("", ())):
        with pytest.raises(DBusError) as caught:
            client.call(TEST, CONNECTION, "GetEvents", signature, args)
        assert caught.value.name == "org.freedesktop.DBus.Error.InvalidArgs"
    assert get_batch(client)[1]
