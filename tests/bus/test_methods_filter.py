# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network filters, beside python3-libvirt. Only a libvirtd of root's has them, or one that thinks it is."""

import uuid as uuids
import xml.etree.ElementTree as ElementTree

import pytest

from support.hosts import methods

PLAIN = methods.expected_value
XML = """<filter name='{}' chain='root'><uuid>{}</uuid>
<rule action='drop' direction='in' priority='500'><tcp dstportstart='22'/></rule></filter>"""


BINDING = """<filterbinding><owner><name>o</name><uuid>{}</uuid></owner><portdev name='{}'/>
<mac address='52:54:00:9d:81:b1'/><filterref filter='bound'/></filterbinding>"""


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


def test_bindings(world):
    """Of ports that are not there: libvirt waits for them."""
    connection = world.plain["QEMU"]
    bound = connection.nwfilterDefineXML(XML.format("bound", uuids.uuid4()))
    ports = ["tap-1", "vnet_2"]
    paths = [world.value(connection, "NWFilterBindingCreateXML", BINDING.format(uuids.uuid4(), port), 0)
             for port in ports]
    found = [connection.nwfilterBindingLookupByPortDev(port) for port in ports]
    assert paths == [methods.path_of(one, "QEMU") for one in found]
    kind, listed = world.raw(connection, "ListNWFilterBindings", 0)
    assert (kind, sorted(listed)) == ("value", sorted(paths))
    world.same(connection, "ListNWFilterBindings", (1,), lambda c: c.listAllNWFilterBindings(1), shaped)
    for wanted in (*ports, "none", ""):
        world.same(connection, "NWFilterBindingLookupByPortDev", (wanted,),
                   lambda c, p=wanted: c.nwfilterBindingLookupByPortDev(p), shaped)
    for one in found:
        world.same(one, "GetPortDev", (), lambda b: b.portDev())
        world.same(one, "GetFilterName", (), lambda b: b.filterName())
        world.same(one, "GetXMLDesc", (0,), lambda b: b.XMLDesc(0))
        world.same(one, "GetXMLDesc", (1,), lambda b: b.XMLDesc(1))
    nodes = ElementTree.fromstring(world.client.introspect("/org/libvirt/QEMU/nwfilterbinding")).findall("node")
    assert sorted(node.get("name") for node in nodes) == sorted(path.rpartition("/")[2] for path in paths)
    world.refused(connection, "NWFilterBindingCreateXML", ("<x/>", 0), lambda c: c.nwfilterBindingCreateXML("<x/>", 0))
    for one in found:
        assert world.value(one, "Delete") is None
    assert connection.listAllNWFilterBindings(0) == []
    world.refused((paths[0], "org.libvirt.NWFilterBinding"), "GetXMLDesc", (0,),
                  lambda c: c.nwfilterBindingLookupByPortDev(ports[0]), connection)
    bound.undefine()
