# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service counts on a connection: as many as happened, and nothing else.

Reading the counters is a call as well: it is counted when it is answered, and so in the next reading."""

import itertools
import re

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, DBusError, field
from support.hosts import guarded as guards
from support.hosts.guarded import ALLOW_INTERACTION, DENIED, INTERACTIVE, LIMIT, guarded, send
from support.hosts.native import GUEST, QEMU, TEST, XML, counters, filled, get_batch, get_events, last, quiet, resync
from support.hosts.native import plain, service  # noqa: F401 (fixtures)
from support.models.listener import CONNECTION, GONE, INTERFACES, ROOT
from support.process import PATIENCE, wait_until
from support.service import CHECKOUT, wait_connected

WITHIN = 20 * PATIENCE
NO_REPLY = 0x1
OUTCOMES = ("ok", "failed", "refused", "dropped")
DOCUMENTED = re.search(r"<!-- Counters:(.*?)-->", (CHECKOUT / "introspection" / f"{CONNECTION}.xml").read_text(
    encoding="utf-8"), re.DOTALL)[1]
DOMAIN1 = INTERFACES["domain"]
NOBODY = f"{TEST}/domain/_00000000_0000_0000_0000_000000000001"


def outcomes(client, root=TEST):
    """How many calls there were of each outcome."""
    found = counters(client, root)
    return [found[f"calls.{name}"] for name in OUTCOMES]


def difference(client, function, *args, root=TEST):
    """{outcome: calls} of what the function does, without outcomes that none had."""
    before = outcomes(client, root)
    function(*args)
    found = {name: now - then for name, now, then in zip(OUTCOMES, outcomes(client, root), before)}
    found["ok"] -= 1  # the first reading
    return {name: number for name, number in found.items() if number}


def try_all(client, calls):
    """The name of each call's error, or None."""
    names = []
    for call in calls:
        try:
            client.call(*call)
            names.append(None)
        except DBusError as error:
            names.append(error.name)
    return names


def tree(client, path=TEST):
    """Introspects everything below, as busctl does."""
    found = [path]
    for leaf in re.findall(r'<node name="([^"]+)"', client.introspect(path)):
        found += tree(client, f"{path}/{leaf}")
    return found


def test_all_that_are_documented(client):
    quiet(client)
    documented = {name for names in re.findall(r"^ +([a-z.,\- ]+): ", DOCUMENTED, re.MULTILINE)
                  for name in re.split(", | and ", names)} | {"events"}
    known = {name for name in counters(client) if not name.startswith("events.")}
    assert known == {name for name in documented if not name.startswith("events.")}
    assert {name for name in documented if name.startswith("events.")} <= set(counters(client))
    assert {f"calls.{name}" for name in OUTCOMES} <= documented


def test_events(client):
    number = quiet(client)
    before = counters(client)
    assert before["events"] == len(get_events(client, 0))
    assert 0 < before["resync-us"] < 10e6 * PATIENCE
    client.domain(GUEST, "Suspend")
    client.domain(GUEST, "Resume")
    resync(client)
    after = counters(client)
    assert after["events"] == before["events"] + len(get_events(client, number))
    assert last(client) == number + len(get_events(client, number))
    assert after["events"] == sum(count for name, count in after.items() if name.startswith("events.")
                                  and name not in ("events.synthetic", "events.forgotten", "events.dropped"))
    assert after["events.lifecycle"] - before.get("events.lifecycle", 0) == 2
    assert after["events.forgotten"] == after["events.dropped"] == 0
    assert after["refreshes"] > before["refreshes"]
    assert after["comparisons"] > before["comparisons"]
    assert after["reconnects"] == 0


def test_an_event_that_cannot_be_sent(one_bus, libvirtd, plain, run_service, connect):
    """Its number is missing where signals are heard, and the counter says that it is no error of the bus."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\nreply-bytes=8192\n")
    client = connect(one_bus)
    wait_connected(client)
    quiet(client)
    listener = connect(one_bus).match()
    number = last(client)
    domain = plain.lookupByName("test")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<a/>", "k", "urn:" + "x" * 9000, 1)
    domain.suspend()
    listener.wait_for(lambda one: one.member == "Event" and one.body[0] == "lifecycle", WITHIN)
    told = [one.body[1] for one in listener.signals if one.member == "Event"]
    assert number + 1 not in told and number + 2 in told
    assert counters(client)["events.dropped"] == 1
    assert counters(client)["events.forgotten"] == 0
    assert counters(client)["events.metadata-change"] == 1
    assert [one.sequence for one in get_batch(client, number + 1)[0]][:1] == [number + 2]
    assert "failed to emit org.guestbus.Domain1.Event" in service.stderr()


def test_results(client):
    """Whoever knew them: libvirt, the mirror, the service itself."""
    calls = [(GUEST, DOMAIN, "Suspend"), (GUEST, DOMAIN, "Resume"),
             (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Active")),
             (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)),
             (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("b", False))),
             (GUEST, PROPERTIES, "Get", "ss", (DOMAIN1, "State")),
             (GUEST, PROPERTIES, "GetAll", "s", ("org.freedesktop.DBus.Introspectable",)),
             (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN1,)),
             (GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["running"], 1000, {})),
             (TEST, CONNECTION, "Resync"),
             (TEST, PROPERTIES, "Get", "ss", (CONNECTION, "State"))]
    names = []
    found = difference(client, lambda: names.extend(try_all(client, calls)))
    # The standard interfaces have no properties to ask for.
    assert [name for name in names if name] == ["org.freedesktop.DBus.Error.InvalidArgs"]
    assert found == {"ok": len(calls) - 1, "refused": 1}


def test_introspection(client):
    """A tree is complete where libvirt says that it knows no such objects: that is no failure."""
    paths = tree(client)
    assert GUEST in paths and f"{TEST}/secret" in paths and f"{TEST}/nwfilter" in paths
    assert difference(client, tree, client) == {"ok": len(paths)}


def test_errors(client):
    """Of libvirt, of the mirror, of the service: what was begun and did not succeed."""
    calls = [(GUEST, DOMAIN, "Resume"),  # it runs
             (NOBODY, DOMAIN, "Resume"),
             (NOBODY, PROPERTIES, "Get", "ss", (DOMAIN, "Active")),
             (NOBODY, PROPERTIES, "Get", "ss", (DOMAIN1, "State")),
             (NOBODY, INTROSPECTABLE, "Introspect"),
             (f"{TEST}/domainsnapshot/_6695eb01_f6a4_8304_79aa_97f2502e193f_none", INTROSPECTABLE, "Introspect"),
             (TEST, CONNECTION, "GetEvents", "stu", ("another", 0, 0)),
             (TEST, CONNECT, "DomainLookupByName", "s", ("none",)),
             (GUEST, DOMAIN1, "WaitForState", "asua{sv}", (["crashed"], 1, {}))]
    names = []
    assert difference(client, lambda: names.extend(try_all(client, calls))) == {"failed": len(calls)}
    assert None not in names and GONE in names


def test_what_was_never_begun(one_bus, libvirtd, run_service, connect):
    run_service(one_bus, {"Test": libvirtd.test_uri}, config="[limits]\nrequest-bytes=10000\n")
    client = connect(one_bus)
    wait_connected(client)
    calls = [(GUEST, DOMAIN, "Suspend", "u", (0,)),
             (GUEST, DOMAIN, "Suspended"),
             (GUEST, "org.example.Other", "Suspend"),
             (GUEST, PROPERTIES, "Get", "s", (DOMAIN,)),
             (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Suspended")),
             (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Active", ("b", False))),
             (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("u", 1))),
             (GUEST, PROPERTIES, "GetAll", "s", ("org.example.Other",)),
             (GUEST, PROPERTIES, "Forget"),
             (GUEST, INTROSPECTABLE, "Introspect", "s", ("",)),
             (f"{TEST}/domain", DOMAIN, "Suspend"),
             (f"{TEST}/domain/none", DOMAIN, "Suspend"),
             (f"{TEST}/nothing", INTROSPECTABLE, "Introspect"),
             (TEST, CONNECTION, "GetEvents", "st", ("", 0)),
             (TEST, CONNECT, "DomainDefineXML", "s", ("x" * 10000,))]
    names = []
    assert difference(client, lambda: names.extend(try_all(client, calls))) == {"refused": len(calls)}
    assert None not in names and LIMIT in names


def test_of_no_connection(client):
    """Nobody could say whose they are."""
    calls = [(ROOT, INTROSPECTABLE, "Introspect"), (ROOT, PROPERTIES, "GetAll", "s", ("org.guestbus.Manager1",)),
             (ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"), (ROOT, DOMAIN, "Suspend"),
             (f"{ROOT}/None", INTROSPECTABLE, "Introspect"), (TEST, "org.freedesktop.DBus.Peer", "Ping")]
    assert difference(client, try_all, client, calls) == {}


def test_each_connection_has_its_own(one_bus, libvirtd, run_service, connect):
    run_service(one_bus, {"Test": libvirtd.test_uri, "QEMU": libvirtd.uri})
    client = connect(one_bus)
    wait_connected(client)
    wait_connected(client, "QEMU")
    calls = [(GUEST, DOMAIN, "Resume"), (GUEST, DOMAIN, "Resumed"), (GUEST, DOMAIN, "GetState", "u", (0,))]
    assert difference(client, try_all, client, calls, root=QEMU) == {}
    assert difference(client, try_all, client, calls) == {"ok": 1, "failed": 1, "refused": 1}


def test_a_result_that_cannot_be_sent(one_bus, run_service, connect):
    """It is an error for who asked."""
    run_service(one_bus, config="[limits]\nreply-bytes=20000\n")
    client = connect(one_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", filled(XML, "n").replace("</name>", f"{'n' * 30000}</name>"))
    assert difference(client, try_all, client, [(path, DOMAIN, "GetXMLDesc", "u", (0,))]) == {"failed": 1}


def test_without_a_reply(client):
    """Who wants none has had an outcome all the same, at the time of the reply."""
    def call():
        readings = itertools.count(1)
        before = sum(outcomes(client))
        for member in ("Suspend", "Resume", "Resume", "Resumed"):
            message = client.message(GUEST, DOMAIN, member)
            message.header.flags |= NO_REPLY
            client.send_bytes(client.serialise(message)[1])
        wait_until(lambda: sum(outcomes(client)) - before - next(readings) == 4, WITHIN, "all have an outcome")
        ok.append(next(readings))
    ok = []
    found = difference(client, call)
    assert found.pop("ok") == 2 + ok[0]
    assert found == {"failed": 1, "refused": 1}


@pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")
def test_without_a_right():
    """Refused, whether polkit said so or there was no room to wait for it."""
    with guarded(config="[limits]\nrequest-bytes=10000\n") as world:
        outsider = world.client("outsider")

        def denied():
            for flags in (0, ALLOW_INTERACTION):
                serial = send(outsider, GUEST, DOMAIN, "Suspend", interactive=bool(flags))
                assert field(outsider.take_reply(serial, WITHIN), "error_name") in (DENIED, INTERACTIVE)
        assert difference(world.root, denied) == {"refused": 2}

        def too_large():
            other = world.client("outsider")
            serial = send(other, TEST, CONNECT, "DomainDefineXML", "s", ("x" * 10000,))
            assert field(other.take_reply(serial, WITHIN), "error_name") == LIMIT
        world.polkit.pause()
        try:
            assert difference(world.root, too_large) == {"refused": 1}
        finally:
            world.polkit.resume()
