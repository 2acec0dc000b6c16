# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replies with everything in them: given, or refused with an error of ours. The connection stays either
way."""

import contextlib
import time
import xml.etree.ElementTree as ElementTree

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, DBusError, body_of
from support.process import PATIENCE, SANITIZED, wait_until
from support.service import wait_connected

TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
MANY = 20000
NEW = "<domain type='test'><name>n{0}</name><uuid>10000000-0000-4000-8000-{0:012x}</uuid>" \
      "<memory>1024</memory><os><type>hvm</type></os></domain>"
QEMU = "<domain type='qemu'><name>n{0}</name><uuid>10000000-0000-4000-8000-{0:012x}</uuid>" \
       "<memory>1024</memory><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
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


# The service's own interfaces

def of_domains(client, name):
    """How many domains GetManagedObjects has of a connection."""
    objects, = client.call("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                           within=WITHIN)
    return sum(path.startswith(f"/org/libvirt/{name}/domain/") for path in objects)


def counters(client, name):
    return client.get(f"/org/libvirt/{name}", "org.guestbus.Connection1", "Counters")[1]


@contextlib.contextmanager
def populated(uri, template, count):
    """Domains that a plain client has defined. The test driver has them for as long as somebody is
    connected."""
    plain = libvirt.open(uri)
    for index in range(count):
        plain.defineXML(template.format(index))
    yield
    plain.close()


@pytest.mark.long
def test_the_first_picture_of_a_thousand_domains(one_bus, libvirtd, run_service, connect, capsys):
    """A second and a half is enough for a service that is told to start; ten times that on a machine at
    work."""
    client = connect(one_bus)
    with populated(libvirtd.uri, QEMU, 1000):
        began = time.monotonic()
        run_service(one_bus, {"QEMU": libvirtd.uri})
        assert of_domains(client, "QEMU") == 1000
        took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n1,000 domains: {took:.3f} s from start to picture, "
              f"{counters(client, 'QEMU')['resync-us'] / 1000:.1f} ms of them to list")
    assert took < 10 * 1.5 * PATIENCE


@pytest.mark.long
def test_ten_thousand_domains_in_the_mirror(one_bus, libvirtd, run_service, connect, capsys):
    """What a domain costs in memory, everything counted: its values and its share of the stream."""
    client = connect(one_bus)
    small = measured(one_bus, libvirtd, run_service, client, 1)
    with populated(libvirtd.test_uri, NEW, 10000):
        large = measured(one_bus, libvirtd, run_service, client, 10001)
    each = (large["rss"] - small["rss"]) * 1024 / 10000
    with capsys.disabled():
        print(f"\n10,000 domains: {large['resync-us'] / 1000:.0f} ms to list, {each:.0f} bytes each")
    assert SANITIZED or each < 4096


def measured(bus, libvirtd, run_service, client, count):
    """Figures of a service that has just started and knows everything."""
    service = run_service(bus, {"Test": libvirtd.test_uri})
    assert of_domains(client, "Test") == count
    # What is read of each domain in the background, some at a time.
    wait_until(lambda: counters(client, "Test").get("events.changed", 0) >= count, WITHIN,
               "all types are read", every=0.2)
    figures = dict(counters(client, "Test"), rss=service.rss())
    service.stop()
    return figures
