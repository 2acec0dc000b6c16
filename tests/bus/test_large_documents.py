# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents as large as libvirt takes them: what a manager can give libvirt, the service passes on, and gives back.
libvirt's limit of a text is 4 MiB, and the service's own of a call is above that of all texts of one."""

import pytest

from support.client import CONNECT, DOMAIN, DBusError, body_of, field
from support.hosts import guarded as guards
from support.hosts.guarded import GUEST, LIMIT, guarded, send
from support.hosts.native import QEMU, TEST
from support.process import PATIENCE, SANITIZED
from support.service import wait_connected

MIB = 1 << 20
WITHIN = 60 * PATIENCE
XML = "<domain type='{}'><name>large</name><uuid>10000000-0000-4000-8000-000000000001</uuid><description>{}" \
      "</description><memory>1024</memory><os><type arch='x86_64'>hvm</type></os></domain>"
LARGE = 3900000
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


def define(client, root, text):
    return client.call(root, CONNECT, "DomainDefineXML", "s", (text,), within=WITHIN)[0]


def check_life(client, root, kind):
    """Defined, read, and what was read is defined again."""
    path = define(client, root, XML.format(kind, "x" * LARGE))
    for _ in range(2):
        text, = client.call(path, DOMAIN, "GetXMLDesc", "u", (2,), within=WITHIN)
        assert f"<description>{'x' * LARGE}</description>" in text
        assert define(client, root, text) == path


def test_a_guest_with_a_long_description(bus, libvirtd, run_service, connect):
    """In libvirt's process and in the service's own."""
    service = run_service(bus, {"QEMU": libvirtd.uri, "Test": "test:///default"})
    client = connect(bus)
    for root, kind in ((QEMU, "qemu"), (TEST, "test")):
        wait_connected(client, root.rpartition("/")[2])
        check_life(client, root, kind)
    assert not [line for line in service.lines() if "lost" in line]


def test_with_a_system_buss_limits(system_bus, libvirtd, run_service, connect):
    run_service(system_bus, {"QEMU": libvirtd.uri})
    client = connect(system_bus)
    wait_connected(client, "QEMU")
    check_life(client, QEMU, "qemu")


def test_the_limit_is_libvirts(one_bus, libvirtd, run_service, connect):
    """To the byte, in libvirt's words, and at what all texts of a call may have together in the service's."""
    service = run_service(one_bus, {"QEMU": libvirtd.uri})
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    room = 4 * MIB - len(XML.format("qemu", ""))
    assert define(client, QEMU, XML.format("qemu", "x" * room))
    for size, name in ((room + 1, "org.libvirt.Error"), (17 * MIB, LIMIT)):
        error = client.error(QEMU, CONNECT, "DomainDefineXML", "s", (XML.format("qemu", "x" * size),))
        assert error.name == name, error
    assert str(16 * MIB) in error.message
    assert not [line for line in service.lines() if "lost" in line]


@pytest.mark.parametrize("text", [
    "x" * LARGE, "<" * LARGE, XML.format("qemu", "x" * LARGE)[:-20], XML.format("qemu", "x" * LARGE + "&none;"),
    "<domain>\n" + "x" * LARGE + "</domains>"], ids=["none", "open", "cut off", "entity", "second line"])
def test_a_long_line_that_is_no_document(one_bus, libvirtd, run_service, connect, text):
    """libvirtd would quote it, and hang up on all callers for the length of its error."""
    service = run_service(one_bus, {"QEMU": libvirtd.uri})
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    for member, signature, more in (("DomainDefineXML", "s", ()), ("DomainCreateXML", "su", (0,)),
                                    ("NetworkDefineXML", "s", ()), ("CompareCPU", "su", (0,))):
        error = client.error(QEMU, CONNECT, member, signature, (text, *more))
        assert error.name == INVALID and "well-formed" in error.message, member
        assert len(error.message) < 1000
    assert not [line for line in service.lines() if "lost" in line]


def test_shorter_lines_are_libvirts(one_bus, libvirtd, run_service, connect):
    service = run_service(one_bus, {"QEMU": libvirtd.uri})
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    for text in ("x" * MIB, ("x" * 1000 + "\n") * 3900):
        assert client.error(QEMU, CONNECT, "DomainDefineXML", "s", (text,)).name == "org.libvirt.Error"
    assert not [line for line in service.lines() if "lost" in line]


# Rights

needs_people = pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")


@needs_people
def test_managers():
    """The first call of a connection, when nothing is known of it yet, and a call that only reads."""
    with guarded() as world:
        for who in ("member", "root"):
            assert define(world.client(who), TEST, XML.format("test", "x" * LARGE))
            compare = world.client(who).error(TEST, CONNECT, "CompareCPU", "su", ("x" * (2 * MIB) + "\n", 0))
            assert compare.name == INVALID and "well-formed" in compare.message


@needs_people
def test_monitors():
    with guarded() as world:
        outsider = world.client("outsider")
        for _ in range(2):
            error = outsider.error(TEST, CONNECT, "CompareCPU", "su", ("x" * (2 * MIB), 0))
            assert error.name == LIMIT and "only monitor" in error.message and str(MIB) in error.message
        with pytest.raises(DBusError) as refused:
            define(outsider, TEST, XML.format("test", "x" * LARGE))
        assert refused.value.name != LIMIT
        # As much as ever is libvirt's to say.
        small = outsider.error(TEST, CONNECT, "CompareCPU", "su", ("x" * (MIB - 4096), 0))
        assert small.name == "org.libvirt.Error"


@needs_people
def test_what_waits_takes_no_more():
    """Of a user without a decision four calls of 4 MB wait, as sixteen of 1 MB do."""
    with guarded() as world:
        outsider = world.client("outsider")
        outsider.domain(GUEST, "GetState", "u", 0)
        before = world.service.rss()
        world.polkit.pause()
        try:
            serials = [send(outsider, TEST, CONNECT, "DomainDefineXML", "s", ("x" * 4000000,)) for _ in range(12)]
            for reply in outsider.collect(serials[4:], WITHIN).values():
                assert field(reply, "error_name") == LIMIT
            # A sanitizer's memory says nothing.
            assert SANITIZED or world.service.rss() - before < 3 * 16 * 1024 * (PATIENCE + 1)
        finally:
            world.polkit.resume()
        for reply in outsider.collect(serials[:4], WITHIN).values():
            with pytest.raises(DBusError):
                body_of(reply)
