# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network filters, beside python3-libvirt. Only a libvirtd of root's has them, or one that thinks it is."""

import uuid as uuids

import pytest

from support.hosts import methods

PLAIN = methods.expected_value
XML = """<filter name='{}' chain='root'><uuid>{}</uuid>
<rule action='drop' direction='in' priority='500'><tcp dstportstart='22'/></rule></filter>"""


@pytest.fixture(scope="module")
def world(libvirt_cache):
    with methods.privileged_world(libvirt_cache) as one:
        yield one


def shaped(value):
    return PLAIN(value, "QEMU")


def test_filter(world):
    connection, identity, name = world.plain["QEMU"], str(uuids.uuid4()), "no-ssh"
    path = world.value(connection, "NWFilterDefineXML", XML.format(name, identity))
    one = connection.nwfilterLookupByName(name)
    assert path == methods.path_of(one, "QEMU")
    other = connection.nwfilterDefineXML(XML.format("another", uuids.uuid4()))
    kind, listed = world.raw(connection, "ListNWFilters", 0)
    assert (kind, sorted(listed)) == ("value", sorted(shaped(connection.listAllNWFilters(0))))
    assert {path, methods.path_of(other, "QEMU")} <= set(listed)
    world.same(connection, "ListNWFilters", (1,), lambda c: c.listAllNWFilters(1), shaped)
    for wanted in (name, "none", ""):
        world.same(connection, "NWFilterLookupByName", (wanted,),
                   lambda c, n=wanted: c.nwfilterLookupByName(n), shaped)
    for wanted in (identity, str(uuids.uuid4()), "x"):
        world.same(connection, "NWFilterLookupByUUID", (wanted,),
                   lambda c, u=wanted: c.nwfilterLookupByUUIDString(u), shaped)
    world.property(one, "Name", "s", name)
    world.property(one, "UUID", "s", identity)
    world.same(one, "GetXMLDesc", (0,), lambda f: f.XMLDesc(0))
    world.same(one, "GetXMLDesc", (1,), lambda f: f.XMLDesc(1))
    world.value(one, "Undefine")
    world.refused((path, "org.libvirt.NWFilter"), "Undefine", (),
                  lambda c: c.nwfilterLookupByUUIDString(identity), connection)
    world.refused(connection, "NWFilterDefineXML", ("<x/>",), lambda c: c.nwfilterDefineXML("<x/>"))
    assert world.value(connection, "NWFilterDefineXMLFlags", XML.format(name, identity), 1) == path
    world.refused(connection, "NWFilterDefineXMLFlags", ("<x/>", 0), lambda c: c.nwfilterDefineXMLFlags("<x/>", 0))
    connection.nwfilterLookupByName(name).undefine()
    other.undefine()
