# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contract: what an object of each kind says of itself, against the list of members that clients of
libvirt-dbus rely on, against the interface files, and as busctl shows it."""

import itertools
import subprocess
import uuid as uuids
import xml.etree.ElementTree as ElementTree

import pytest

from support import coverage, declared
from support.hosts import methods
from support.hosts.methods import module_world  # noqa: F401 (fixture)
from support.service import CHECKOUT

FILTER = "org.libvirt.NWFilter"
KINDS = sorted({one.interface for one in coverage.contract()})
ANNOTATION = "org.freedesktop.DBus.Property.EmitsChangedSignal"
FLAGS = {"true": "emits-change", "invalidates": "emits-invalidation", "const": "const", "false": "-"}


@pytest.fixture(scope="module")
def filters(libvirt_cache):
    """A world of root's, for only that has network filters."""
    with methods.privileged_world(libvirt_cache) as one:
        yield one


def objects(world):
    """An object of each kind but the network filter."""
    test, real = world.test, world.plain["QEMU"]
    domain, pool = test.lookupByName("test"), test.storagePoolLookupByName("default-pool")
    yield from (test, domain, pool, test.networkLookupByName("default"), test.interfaceLookupByName("eth1"),
                test.nodeDeviceLookupByName("computer"))
    yield domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>", 0)
    yield pool.createXML("<volume><name>v</name><capacity>1</capacity></volume>", 0)
    yield real.secretDefineXML(f"""<secret><uuid>{uuids.uuid4()}</uuid><usage type='volume'>
<volume>/v</volume></usage></secret>""", 0)


@pytest.fixture(scope="module")
def paths(world):
    return {methods.INTERFACES[type(one)]: methods.path_of(one, world.name_of(one)) for one in objects(world)}


@pytest.fixture(params=KINDS)
def kind(request):
    """(world, path, interface) of an object of each kind."""
    interface = request.param
    if interface == FILTER:
        own = request.getfixturevalue("filters")
        name = f"filter-{uuids.uuid4()}"
        one = own.plain["QEMU"].nwfilterDefineXML(f"<filter name='{name}'/>")
        yield own, methods.path_of(one, "QEMU"), interface
        one.undefine()
    else:
        yield request.getfixturevalue("world"), request.getfixturevalue("paths")[interface], interface


def served(world, path, interface):
    root = ElementTree.fromstring(world.client.introspect(path))
    found = [one for one in root.findall("interface") if one.get("name") == interface]
    assert len(found) == 1
    return found[0]


def interface_file(interface):
    return CHECKOUT / "introspection" / f"{interface}.xml"



def arguments(element, direction):
    """(signature, names) of a method's or a signal's arguments of one direction."""
    some = [one for one in element.findall("arg") if one.get("direction") in (direction, None)]
    return "".join(one.get("type") for one in some), ",".join(one.get("name") for one in some)


def member_of(element):
    """An element of the served XML in the contract's words."""
    if element.tag == "property":
        return element.tag, element.get("name"), element.get("type"), element.get("access"), "", ""
    if element.tag == "signal":
        signature, names = arguments(element, "out")
        return element.tag, element.get("name"), signature, "", names, ""
    (ins, in_names), (outs, out_names) = (arguments(element, way) for way in ("in", "out"))
    return element.tag, element.get("name"), ins, outs, in_names, out_names


def same(one, other):
    """Whether two elements are the same, comments and white space aside."""
    return (one.tag, one.attrib) == (other.tag, other.attrib) and len(one) == len(other) and \
        all(same(*pair) for pair in zip(one, other))


def test_the_contract_is_whole():
    counts = [len(coverage.contract(kind)) for kind in ("method", "property", "signal")]
    assert (len(KINDS), counts) == (10, [195, 37, 28])


def test_members(kind):
    interface = kind[2]
    members = {member_of(one) for one in served(*kind) if one.tag != "annotation"}
    wanted = {tuple(one)[1:] for one in coverage.contract() if one.interface == interface}
    assert wanted <= members


def test_served_as_in_the_file(kind):
    assert same(served(*kind), declared.interface(kind[2]))


@pytest.mark.parametrize("interface", KINDS)
def test_the_head_of_the_file_names_the_errors(interface):
    """Most members say nothing of errors: the head says it for all of them."""
    head = interface_file(interface).read_text(encoding="utf-8").partition("<interface ")[0]
    for name in ("Unless a member says otherwise", "org.libvirt.Error with libvirt's message",
                 "org.freedesktop.DBus.Error", "InvalidArgs", "AccessDenied", "LimitsExceeded"):
        assert name in head, name


def flags_of(row):
    """The flags at the end of a line of busctl's, whose values may have spaces."""
    return set(itertools.takewhile({*FLAGS.values(), "writable"}.__contains__, reversed(row))) - {"-"}


def test_busctl_shows_the_change_flags(kind):
    """No property of these interfaces is announced when it changes: emits-change would be a lie."""
    world, path, interface = kind
    run = subprocess.run(["busctl", f"--address={world.bus.address}", "introspect", "--no-pager",
                          "org.libvirt", path, interface], capture_output=True, text=True, timeout=60,
                         check=False)
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines()[1:]]
    shown = {row[0].lstrip("."): flags_of(row) for row in rows if row[1] == "property"}
    elements = {one.get("name"): one for one in declared.interface(interface).findall("property")}
    assert set(shown) == set(elements)
    for name, element in elements.items():
        value, = [one.get("value") for one in element.findall("annotation") if one.get("name") == ANNOTATION]
        writable = {"writable"} if element.get("access") == "readwrite" else set()
        assert shown[name] == ({FLAGS[value]} | writable) - {"-"}, name
        assert value in ("const", "false"), name
    kinds = {row[0].lstrip("."): row[1] for row in rows}
    wanted = {one.name: one.kind for one in coverage.contract() if one.interface == interface}
    for name, kind in wanted.items():
        assert any(row[0] == f".{name}" and row[1] == kind for row in rows), kinds
