# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replies with everything in them: given, or refused with an error of ours. The connection stays either way."""

import xml.etree.ElementTree as ElementTree

import pytest

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, DBusError, body_of
from support.process import PATIENCE
from support.service import wait_connected

TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
MANY = 20000
NEW = "<domain type='test'><name>n{0}</name><uuid>10000000-0000-4000-8000-{0:012x}</uuid>" \
      "<memory>1024</memory><os><type>hvm</type></os></domain>"
WITHIN = 120 * PATIENCE


def define(client, number):
    """Defines domains, as many calls in flight as a system bus allows."""
    for start in range(0, number, 100):
        serials = [client.send(TEST, CONNECT, "DomainDefineXML", "s", (NEW.format(index),))
                   for index in range(start, min(start + 100, number))]
        for reply in client.collect(serials, WITHIN).values():
            body_of(reply)


def ask(client, path, interface, member, signature="", args=()):
    """The only result, or LimitsExceeded; nothing else will do."""
    try:
        return client.call(path, interface, member, signature, args, within=WITHIN)[0]
    except DBusError as error:
        assert error.name == LIMITS, error
        assert error.message
        return LIMITS


def still_serves(client, service):
    assert service.owns(client, "org.guestbus1")
    assert client.domain(GUEST, "GetState", "u", 0)[0] == 1


def check_many(bus, run_service, connect):
    service = run_service(bus)
    client = connect(bus)
    wait_connected(client)
    owner = client.owner("org.guestbus1")
    define(client, MANY)

    # Paths are some 80 bytes each: this much fits.
    assert len(set(ask(client, TEST, CONNECT, "ListDomains", "u", (0,)))) == MANY + 1
    stats = ask(client, TEST, CONNECT, "GetAllDomainStats", "uu", (0, 0))
    assert stats == LIMITS or len(stats) == MANY + 1
    text = ask(client, f"{TEST}/domain", INTROSPECTABLE, "Introspect")
    assert text == LIMITS or len(ElementTree.fromstring(text).findall("node")) == MANY + 1

    still_serves(client, service)
    assert client.owner("org.guestbus1") == owner


@pytest.mark.long
def test_twenty_thousand_domains(one_bus, run_service, connect):
    check_many(one_bus, run_service, connect)


@pytest.mark.long
def test_twenty_thousand_domains_on_a_system_bus(system_bus, run_service, connect):
    check_many(system_bus, run_service, connect)


def test_a_list_over_the_limit(one_bus, run_service, connect):
    """With the limit of a reply lowered, what is larger is refused and what is not is given."""
    service = run_service(one_bus, config="[limits]\nreply-bytes=16384\n")
    client = connect(one_bus)
    wait_connected(client)
    owner = client.owner("org.guestbus1")
    define(client, 100)
    assert len(ask(client, TEST, CONNECT, "ListDomains", "u", (0,))) == 101
    define(client, 400)
    for member, signature, args in (("ListDomains", "u", (0,)), ("GetAllDomainStats", "uu", (0, 0))):
        error = client.error(TEST, CONNECT, member, signature, args)
        assert error.name == LIMITS and "16384" in error.message
    assert len(ask(client, TEST, CONNECT, "ListDomains", "u", (1,))) == 1
    still_serves(client, service)
    assert client.owner("org.guestbus1") == owner


@pytest.mark.parametrize("size", [1 << 32, 1 << 63, (1 << 64) - 1, (1 << 32) + 1, (4 << 20) + 1])
@pytest.mark.parametrize("member, signature, before", [("MemoryPeek", "ttu", ()),
                                                       ("BlockPeek", "sttu", ("/dev/null",))])
def test_a_look_that_is_too_large(client, service, member, signature, before, size):
    """Refused before any room is made for it, by a text that names what was asked for."""
    peak = service.rss()
    for offset in (0, 1 << 63, (1 << 64) - 1):
        error = client.error(GUEST, DOMAIN, member, signature, (*before, offset, size, 1))
        assert error.name == LIMITS and str(size) in error.message
    assert service.rss() < peak + 16 * 1024
    still_serves(client, service)


@pytest.mark.parametrize("size", [0, 1, 4 << 20])
def test_a_look_within_the_limit(client, service, size):
    """What is within the limit is asked of libvirt, whose test driver makes such a memory up."""
    assert client.domain(GUEST, "MemoryPeek", "ttu", 0, size, 1) == bytes(range(256)) * (size // 256) \
        + bytes(range(size % 256))
    still_serves(client, service)
