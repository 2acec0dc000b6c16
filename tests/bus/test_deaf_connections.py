# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirt that lives and answers, and tells nothing any more.

libvirt's own fault: an event that is queued while the last listener of a driver leaves stays in the queue, which then
is never empty again, and only an event into an empty queue is sent on. A proxy that keeps libvirtd's words to itself
stands for that here."""

import time

import libvirt
import pytest

from support.hosts.rpc_proxy import MESSAGE, REGISTER_FOR_DOMAIN_EVENTS, Holder
from support.models.listener import CONNECTION
from support.process import PATIENCE, wait_until
from support.service import wait_connected

TEST = "/org/libvirt/Test"
XML = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>65536</memory>
<os><type>hvm</type></os></domain>"""
WITHIN = 30 * PATIENCE
# What libvirt is waited for: a moment, and the time in which an event may be late.
DEAF_AFTER = 5


class Stand:
    def __init__(self, proxy, plain, client, listener):
        self.proxy, self.plain, self.client, self.listener = proxy, plain, client, listener
        self.defined = 0

    def mute(self):
        self.proxy.holds = lambda procedure, kind: kind == MESSAGE

    def tell(self):
        """What was not told is lost."""
        self.proxy.held.clear()
        self.proxy.holds = None

    def define(self):
        """The path of a new domain."""
        self.defined += 1
        uuid = f"{self.defined:08}-2222-3333-4444-555555555555"
        self.plain.defineXML(XML.format(name=f"guest{self.defined}", uuid=uuid))
        return f"{TEST}/domain/_" + uuid.replace("-", "_")

    def wait_defined(self, path):
        """The event that tells of it."""
        one = self.listener.wait_for(
            lambda one: one.member == "Event" and one.path == path and one.body[0] == "lifecycle", WITHIN)
        return one.body[4]

    def registrations(self):
        return self.proxy.event_calls().count(REGISTER_FOR_DOMAIN_EVENTS)

    def counter(self, name):
        return self.client.get(TEST, CONNECTION, "Counters")[1][name]

    def wait_renewed(self, times):
        wait_until(lambda: self.counter("renewals") >= times, WITHIN, "registered anew", every=0.05)


@pytest.fixture
def stand(home, one_bus, libvirtd, run_service, connect):
    plain = libvirt.open(libvirtd.test_uri)
    proxy = Holder(home / "proxy", libvirtd.socket)
    run_service(one_bus, {"Test": f"test+unix:///default?socket={proxy.path}"},
                config="[limits]\npoll-interval=1\n")
    client, listener = connect(one_bus), connect(one_bus).match()
    wait_connected(client)
    client.call(TEST, CONNECTION, "Resync")
    yield Stand(proxy, plain, client, listener)
    proxy.close()
    plain.close()


def test_it_registers_anew(stand):
    """What was missed is told, and from then on libvirt's own events are."""
    registered = stand.registrations()
    stand.mute()
    began = time.monotonic()
    path = stand.define()
    stand.client.call(TEST, CONNECTION, "Resync")
    assert stand.wait_defined(path)["synthetic"][1] is True
    wait_until(lambda: stand.registrations() > registered, WITHIN, "registers anew")
    assert time.monotonic() - began > DEAF_AFTER - 1
    stand.tell()
    stand.wait_renewed(1)
    stand.client.call(TEST, CONNECTION, "Resync")
    assert "synthetic" not in stand.wait_defined(stand.define())
    assert stand.registrations() == 2 * registered
    assert stand.client.get(TEST, CONNECTION, "State")[1] == "connected"

    # It is heard again, and nothing is looked for any more.
    polls = stand.counter("polls")
    assert "synthetic" not in stand.wait_defined(stand.define())
    time.sleep(3)
    assert stand.counter("polls") <= polls + 1


def test_deaf_for_good(stand):
    """Others listen, too, so that it does not help: what changes is looked for."""
    stand.mute()
    stand.define()
    stand.client.call(TEST, CONNECTION, "Resync")
    stand.wait_renewed(1)
    for _ in range(3):
        assert stand.wait_defined(stand.define())["synthetic"][1] is True
    stand.wait_renewed(2)


def test_an_event_that_is_late(stand):
    """It is told once, and nothing follows."""
    def late():
        began, renewals = time.monotonic(), stand.counter("renewals")
        stand.mute()
        path = stand.define()
        stand.client.call(TEST, CONNECTION, "Resync")
        assert stand.wait_defined(path)["synthetic"][1] is True
        stand.proxy.holds = None
        own = "synthetic" not in stand.wait_defined(stand.define())
        too_late = time.monotonic() - began > DEAF_AFTER - 1
        time.sleep(DEAF_AFTER + 2)
        assert too_late or stand.counter("renewals") == renewals
        return own and not too_late
    wait_until(late, WITHIN, "an event that is not too late")
