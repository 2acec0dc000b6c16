# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domain1.WaitForState: at once or later, never missed, never invented, and gone with who waits."""

import signal
import threading
import time
import uuid

import pytest

from support.client import DBusError, body_of
from support.hosts.native import GUEST, TEST, XML, plain, service  # noqa: F401 (fixtures)
from support.hosts.workload import object_path
from support.models.listener import CONNECTION, INTERFACES
from support.process import PATIENCE, seconds, soon, wait_until
from support.service import wait_connected

DOMAIN1 = INTERFACES["domain"]
ABSENT = object_path(TEST, "domain", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab")
TIMEOUT = "org.guestbus.Error.Timeout"
ERROR = "org.freedesktop.DBus.Error."
WITHIN = 20 * PATIENCE
AT_ONCE = 1.0 * PATIENCE
MANY = 1000
# Long enough that all that a test does in between is over before.
SETTLE = 1000 * PATIENCE


@pytest.fixture
def guest(plain):
    return plain.lookupByName("test")


def filled(name):
    return XML.format(name=name, number=uuid.uuid5(uuid.NAMESPACE_OID, name))


def path_of(domain):
    return object_path(TEST, "domain", domain.UUIDString())


def send(client, states, timeout=0, path=GUEST, **options):
    """Begins to wait; the serial."""
    options = {name: ("u", value) for name, value in options.items()}
    return client.send(path, DOMAIN1, "WaitForState", "asua{sv}", (states, timeout, options))


def take(client, serial, within=WITHIN):
    """The state that ended a wait."""
    return body_of(client.take_reply(serial, within))[0]


def wait(client, states, timeout=0, path=GUEST, **options):
    return take(client, send(client, states, timeout, path, **options))


def refused(client, serial, within=WITHIN):
    with pytest.raises(DBusError) as caught:
        take(client, serial, within)
    return caught.value


def waits(client):
    return client.get(TEST, CONNECTION, "Counters")[1]["waits"]


def waiting(client, count):
    wait_until(lambda: waits(client) == count, WITHIN, lambda: f"{count} wait, not {waits(client)}")


def unanswered(client, serial):
    """Whether nothing has come; what was sent before an answer of now is here."""
    waits(client)
    return not [reply for reply in client.replies if reply.header.fields.get(5) == serial]


# At once and later

@pytest.mark.parametrize("states", [["running"], ["shutoff", "running"], ["running", "running", "gone"]])
def test_at_once(client, states):
    assert wait(client, states) == "running"
    assert wait(client, states, 1) == "running"
    assert waits(client) == 0


def test_later(client, guest):
    for states, action, state in ((["paused"], guest.suspend, "paused"),
                                  (["running"], guest.resume, "running"),
                                  (["paused", "shutoff"], guest.destroy, "shutoff"),
                                  (["running", "gone"], guest.create, "running")):
        serial = send(client, states)
        waiting(client, 1)
        action()
        assert take(client, serial) == state
        assert waits(client) == 0


def test_what_it_says_is_so_already(client, guest):
    """The properties show the state when the answer is there."""
    for action, state in ((guest.suspend, "paused"), (guest.resume, "running"), (guest.destroy, "shutoff")):
        serial = send(client, [state])
        waiting(client, 1)
        action()
        assert take(client, serial) == state
        assert client.get(GUEST, DOMAIN1, "State") == ("s", state)


def test_nothing_is_missed_between_looking_and_waiting(client, guest):
    """The state changes at any moment around the call: it is answered all the same."""
    for turn in range(200):
        state = ("paused", "running")[turn % 2]
        change = threading.Thread(target=guest.suspend if state == "paused" else guest.resume)
        change.start()
        assert wait(client, [state], 10000 * PATIENCE) == state
        change.join()
    assert waits(client) == 0


def test_other_domains_do_not_matter(client, plain, guest):
    other = plain.defineXML(filled("other"))
    known(client, other)
    serial = send(client, ["paused"])
    other.create()
    other.suspend()
    assert wait(client, ["paused"], path=path_of(other)) == "paused"
    assert unanswered(client, serial) and waits(client) == 1
    guest.suspend()
    assert take(client, serial) == "paused"


def known(client, domain):
    """Waits until the domain is on the bus."""
    def there():
        try:
            return client.get(path_of(domain), DOMAIN1, "Name")
        except DBusError:
            return None
    return wait_until(there, WITHIN, "it is known")


def test_the_time_is_over(client):
    def over():
        error = refused(client, send(client, ["paused", "gone"], timeout))
        assert error.name == TIMEOUT and error.message

    for timeout in (1, 200):
        assert soon(lambda: seconds(over), timeout / 1000 + AT_ONCE) >= timeout / 1000
    assert waits(client) == 0


@pytest.mark.parametrize("states, part", [
    ([], "1 to 16"), (["running", "shutof"], '"shutof"'), (["stopped"], "shutoff"), ([""], "gone"),
    (["running "], "running, blocked"), (["1x"], "crashed"), (["x" * 1000000], "x")])
def test_no_state_at_all(client, states, part):
    """Nothing would end it but the time."""
    error = refused(client, send(client, states))
    assert error.name == ERROR + "InvalidArgs" and part in error.message
    assert waits(client) == 0


def test_a_state_of_a_later_libvirt(client):
    """It is a number until it has a name."""
    assert refused(client, send(client, ["8"], 1)).name == TIMEOUT
    assert wait(client, ["8", "running"]) == "running"


# Gone

def test_gone(client, plain):
    domain = plain.createXML(filled("transient"))
    known(client, domain)
    path = path_of(domain)
    gone, running = send(client, ["gone"], path=path), send(client, ["paused"], path=path)
    both = send(client, ["shutoff", "gone"], path=path)
    waiting(client, 3)
    domain.destroy()
    assert take(client, gone) == "gone"
    assert take(client, both) == "shutoff"  # which it was before it went
    error = refused(client, running)
    assert error.name == ERROR + "UnknownObject" and '"gone"' in error.message
    assert waits(client) == 0
    assert wait(client, ["gone"], path=path) == "gone"


def test_an_unknown_domain(client):
    error = refused(client, send(client, ["running"], path=ABSENT))
    assert error.name == ERROR + "UnknownObject"
    assert wait(client, ["running", "gone"], path=ABSENT) == "gone"
    assert refused(client, send(client, ["gone"], path=ABSENT + "0")).name == ERROR + "UnknownObject"
    assert waits(client) == 0


@pytest.mark.parametrize("options, text", [({"settled": ("u", 1)}, '"settled" of type "u"'),
                                           ({"settle": ("s", "1")}, '"settle" of type "s"'),
                                           ({"settle": ("t", 1)}, '"settle" of type "t"'),
                                           ({"settle": ("v", ("u", 1))}, '"settle" of type "v"'),
                                           ({"settle": ("u", 1), "": ("b", True)}, '"" of type "b"')])
def test_bad_options(client, options, text):
    for states in (["running"], ["paused"]):
        error = client.error(GUEST, DOMAIN1, "WaitForState", "asua{sv}", (states, 0, options))
        assert error.name == ERROR + "InvalidArgs" and text in error.message
    assert waits(client) == 0


def test_bad_arguments(client):
    for signature, args in (("as", (["running"],)), ("sua{sv}", ("running", 0, {})), ("", ())):
        assert client.error(GUEST, DOMAIN1, "WaitForState", signature, args).name == ERROR + "InvalidArgs"


# Settle

def test_what_settles(client, guest):
    def settles_later():
        if not guest.isActive():
            guest.create()
            assert wait(client, ["running"]) == "running"
        serial = send(client, ["shutoff"], settle=300)
        waiting(client, 1)
        stops = time.monotonic()
        guest.destroy()
        assert take(client, serial) == "shutoff"
        return time.monotonic() - stops

    assert soon(lambda: seconds(wait, client, ["running"], settle=300), 0.3 + AT_ONCE) >= 0.3
    assert soon(settles_later, 0.3 + AT_ONCE) >= 0.3


def test_a_reboot_does_not_count(client, service, guest, connect):
    """A stop and a start within the time are none; who listens to events heard of both at once."""
    listener = connect(service.bus).match()
    serial = send(client, ["shutoff"], settle=SETTLE)
    waiting(client, 1)
    for _ in range(3):
        guest.destroy()
        listener.wait_for(lambda one: one.member == "Event" and one.body[4].get("state") == ("s", "shutoff"), WITHIN)
        wait_until(lambda: client.get(GUEST, DOMAIN1, "State") == ("s", "shutoff"), WITHIN, "it stopped")
        guest.create()
        wait_until(lambda: client.get(GUEST, DOMAIN1, "State") == ("s", "running"), WITHIN, "it runs")
        listener.signals.clear()
    time.sleep(SETTLE / 1000)  # there is nothing to see but that nothing comes
    assert unanswered(client, serial) and waits(client) == 1
    stops = time.monotonic()
    guest.destroy()
    assert take(client, serial) == "shutoff"
    assert time.monotonic() - stops >= SETTLE / 1000


def test_a_start_and_a_stop_that_nobody_saw_begin_it_again(client, service, guest):
    """Between two looks the domain ran for a moment. No property changed, but events told of it."""
    guest.destroy()
    assert wait(client, ["shutoff"]) == "shutoff"
    serial = send(client, ["shutoff"], settle=SETTLE)
    waiting(client, 1)
    time.sleep(SETTLE / 4000)  # a part of it is over
    service.process.send_signal(signal.SIGSTOP)
    guest.create()
    guest.destroy()
    again = time.monotonic()
    service.process.send_signal(signal.SIGCONT)
    assert take(client, serial) == "shutoff"
    assert time.monotonic() - again >= SETTLE / 1000


def test_between_two_states_that_both_count(client, guest):
    """It is the set that is not left: the time does not begin again with each of the two."""
    def rest():
        began = time.monotonic()
        serial = send(client, ["running", "paused"], settle=SETTLE)
        while time.monotonic() - began < SETTLE / 2000:
            guest.suspend()
            guest.resume()
        ceased = time.monotonic()
        # On a slow machine it has settled before.
        assert take(client, serial) in ("running", "paused")
        assert time.monotonic() - began >= SETTLE / 1000
        return time.monotonic() - ceased

    soon(rest, SETTLE / 1000 * 0.9)


def test_time_runs_out_before_it_settles(client):
    assert refused(client, send(client, ["running"], 100, settle=SETTLE)).name == TIMEOUT


def test_gone_settles_too(client, plain):
    """A domain that is defined again within the time was not gone."""
    domain = plain.defineXML(filled("brief"))
    known(client, domain)
    path = path_of(domain)
    serial = send(client, ["gone"], path=path, settle=SETTLE)
    domain.undefine()
    leaf = path.rpartition("/")[2]
    wait_until(lambda: leaf not in client.introspect(f"{TEST}/domain"), WITHIN, "it is gone")
    domain = plain.defineXML(filled("brief"))
    known(client, domain)
    time.sleep(SETTLE / 1000)  # there is nothing to see but that nothing comes
    assert unanswered(client, serial)
    domain.undefine()
    assert take(client, serial) == "gone"


# Who waits

def test_a_caller_that_leaves(client, service, connect, guest):
    leaving, staying = connect(service.bus), connect(service.bus)
    for settle in (0, SETTLE * 60):
        for _ in range(20):
            send(leaving, ["paused"])
            send(leaving, ["running"], settle=settle or SETTLE * 60)
    serial = send(staying, ["paused"])
    waiting(client, 81)
    before = client.get(TEST, CONNECTION, "Counters")[1]["calls.dropped"]
    leaving.close()
    waiting(client, 1)
    assert client.get(TEST, CONNECTION, "Counters")[1]["calls.dropped"] == before + 80
    guest.suspend()
    assert take(staying, serial) == "paused"


def test_a_thousand_at_once(client, service, guest, connect):
    callers = [connect(service.bus) for _ in range(4)]
    serials = {caller: [send(caller, ["paused"], settle=settle) for settle in [0, 100] * (MANY // 8)]
               for caller in callers}
    waiting(client, MANY)
    assert client.get(GUEST, DOMAIN1, "State") == ("s", "running")
    guest.suspend()
    for caller, sent in serials.items():
        assert {body_of(reply) for reply in caller.collect(sent, WITHIN).values()} == {("paused",)}
    assert waits(client) == 0


def test_the_limit_of_calls_counts_waits(one_bus, libvirtd, run_service, connect):
    run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\ncalls-per-sender=10\n")
    client, other = connect(one_bus), connect(one_bus)
    wait_connected(client)
    serials = [send(client, ["paused"]) for _ in range(10)]
    waiting(other, 10)
    assert refused(client, send(client, ["paused"])).name == ERROR + "LimitsExceeded"
    assert all(unanswered(other, serial) for serial in serials)


def test_the_service_ends(client, service):
    serials = [send(client, ["paused"], timeout, settle=settle)
               for timeout in (0, 1 << 31) for settle in (0, 1 << 31) for _ in range(10)]
    serials += [send(client, ["running"], settle=1 << 31) for _ in range(10)]
    waiting(client, 50)
    service.stop()
    for reply in client.collect(serials, WITHIN).values():
        with pytest.raises(DBusError) as caught:
            body_of(reply)
        assert caught.value.name == ERROR + "Failed" and caught.value.message == "the service is stopping"


# Without libvirt

def test_an_outage_ends_no_wait(client, service, plain, libvirtd):
    """Nobody knows the state; not even that of a domain that is where it should be. Only the time runs
    on."""
    other = plain.defineXML(filled("other"))
    known(client, other)
    path = path_of(other)
    settling = send(client, ["running"], settle=SETTLE)
    gone, off = send(client, ["gone"]), send(client, ["shutoff", "paused"])
    lost = send(client, ["gone"], path=path)
    waiting(client, 4)
    libvirtd.stop(signal.SIGKILL)
    wait_until(lambda: client.get(GUEST, DOMAIN1, "Stale") == ("b", True), WITHIN, "it is stale")
    at_once = send(client, ["running"])
    assert refused(client, send(client, ["running"], 100)).name == TIMEOUT
    time.sleep(SETTLE / 1000)  # there is nothing to see but that nothing comes
    for serial in (settling, gone, off, lost, at_once):
        assert unanswered(client, serial)
    assert waits(client) == 5
    back = time.monotonic()
    libvirtd.start()
    assert take(client, at_once) == "running"
    assert take(client, lost) == "gone"  # the driver has forgotten it
    assert take(client, settling) == "running"
    assert time.monotonic() - back >= SETTLE / 1000
    assert unanswered(client, gone) and unanswered(client, off) and waits(client) == 2


def test_an_unknown_domain_during_an_outage(client, service, libvirtd):
    """It may have been made meanwhile."""
    assert wait(client, ["running"]) == "running"
    libvirtd.stop(signal.SIGKILL)
    wait_until(lambda: client.get(GUEST, DOMAIN1, "Stale") == ("b", True), WITHIN, "it is stale")
    serial = send(client, ["gone"], path=ABSENT)
    assert unanswered(client, serial)
    libvirtd.start()
    assert take(client, serial) == "gone"


def test_before_the_first_connection(one_bus, libvirtd, run_service, connect):
    """There is nothing to wait for as long as nobody knows what there is; the error says why."""
    libvirtd.stop()
    run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_until(lambda: client.get(TEST, CONNECTION, "State") == ("s", "disconnected"), WITHIN, "it gave up")
    error = refused(client, send(client, ["running"]))
    assert error.name == "org.libvirt.Error" and error.message
    libvirtd.start()
    wait_connected(client, within=WITHIN)
    assert wait(client, ["running"]) == "running"


def test_limits_of_waiting(one_bus, run_service, connect):
    """Waits have no end of their own, and leave room for other calls; and a list of states is short."""
    run_service(one_bus, config="[limits]\ncalls-total=40\n")
    client = connect(one_bus)
    wait_connected(client)
    path = "/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
    error = client.error(path, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["crashed"] * 17, 0, {}))
    assert error.name == "org.freedesktop.DBus.Error.InvalidArgs" and "16" in error.message
    for _ in range(10):
        client.send(path, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["crashed"], 0, {}))
    error = client.error(path, "org.guestbus.Domain1", "WaitForState", "asua{sv}", (["crashed"], 0, {}))
    assert error.name == "org.freedesktop.DBus.Error.LimitsExceeded"
    assert client.domain(path, "GetState", "u", 0)
