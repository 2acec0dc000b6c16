# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tree: introspection at each level, the programs that walk it, and 10,000 domains in it."""

import re
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest

from support import declared
from support.client import CONNECT, DOMAIN, PROPERTIES
from support.process import PATIENCE, seconds, soon

ROOT = "/org/libvirt"
TEST = f"{ROOT}/Test"
DOMAINS = f"{TEST}/domain"
GUEST = f"{DOMAINS}/_6695eb01_f6a4_8304_79aa_97f2502e193f"
ABSENT = f"{DOMAINS}/_aaaaaaaa_bbbb_cccc_dddd_0123456789ab"
STANDARD = {"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", PROPERTIES}
UNKNOWN = "org.freedesktop.DBus.Error.UnknownObject"
MANY = 10000


def parse(client, path):
    """(interfaces, children) of a path."""
    node = ElementTree.fromstring(client.introspect(path, within=60))
    assert node.tag == "node"
    return ({one.get("name") for one in node.findall("interface")},
            [one.get("name") for one in node.findall("node")])


def members(node, interface):
    """{(kind, name, types, access)} of an interface in introspection data."""
    return members_of(node.find(f"interface[@name='{interface}']"))


def members_of(interface):
    found = set()
    for element in interface:
        arguments = [(arg.get("direction") or ("out" if element.tag == "signal" else "in"), arg.get("type"))
                     for arg in element.findall("arg")]
        found.add((element.tag, element.get("name"), element.get("type"), element.get("access"),
                   tuple(arguments)))
    return {one for one in found if one[0] in ("method", "property", "signal")}


def run(*argv, within=60 * PATIENCE):
    result = subprocess.run(argv, capture_output=True, text=True, timeout=within, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("path, child", [("/", "org"), ("/org", "libvirt"), (ROOT, "Test"), (TEST, "domain"),
                                         (DOMAINS, GUEST.rpartition("/")[2])])
def test_each_level_names_its_children(client, path, child):
    interfaces, children = parse(client, path)
    assert child in children
    assert len(children) == len(set(children))
    assert STANDARD - {PROPERTIES} <= interfaces


def test_interfaces_of_the_objects(client):
    assert CONNECT in parse(client, TEST)[0]
    interfaces, children = parse(client, GUEST)
    assert STANDARD | {DOMAIN} <= interfaces
    assert children == []


@pytest.mark.parametrize("path, interface", [(TEST, CONNECT), (GUEST, DOMAIN)])
def test_every_member_of_the_interface_file_is_introspected(client, path, interface):
    expected = members_of(declared.interface(interface))
    assert expected
    assert members(ElementTree.fromstring(client.introspect(path)), interface) == expected


@pytest.mark.parametrize("path, interface", [(TEST, CONNECT), (GUEST, DOMAIN)])
def test_every_property_introspected_can_be_read(client, path, interface):
    node = ElementTree.fromstring(client.introspect(path))
    for kind, name, types, _, _ in members(node, interface):
        if kind == "property":
            assert client.get(path, interface, name)[0] == types


@pytest.mark.parametrize("path", [ABSENT, f"{DOMAINS}/x", f"{GUEST}/x", f"{TEST}/nonsense",
                                  f"{ROOT}/Nonsense", f"{ROOT}/Nonsense/domain", "/nonsense",
                                  f"{DOMAINS}/_"])
def test_introspection_of_nothing_is_an_error(client, path):
    assert client.error(path, "org.freedesktop.DBus.Introspectable", "Introspect").name == UNKNOWN


def test_a_new_domain_is_a_new_child(client):
    xml = "<domain type='test'><name>new</name><uuid>aaaaaaaa-bbbb-cccc-dddd-0123456789ab</uuid>" \
          "<memory>1024</memory><os><type>hvm</type></os></domain>"
    name = ABSENT.rpartition("/")[2]
    for _ in range(10):
        assert client.connect("DomainDefineXML", "s", xml) == ABSENT
        assert name in parse(client, DOMAINS)[1]
        assert DOMAIN in parse(client, ABSENT)[0]
        client.domain(ABSENT, "Undefine", "u", 0)
        assert name not in parse(client, DOMAINS)[1]
        assert client.error(ABSENT, "org.freedesktop.DBus.Introspectable", "Introspect").name == UNKNOWN


def test_busctl(service, client):
    address = f"--address={service.bus.address}"
    tree = run("busctl", address, "tree", "--list", "org.libvirt").split()
    assert {ROOT, TEST, DOMAINS, GUEST} <= set(tree)
    listed = run("busctl", address, "introspect", "org.libvirt", GUEST, DOMAIN)
    for word in (".GetState", ".Autostart", ".DeviceAdded"):
        assert word in listed
    state = run("busctl", address, "call", "org.libvirt", GUEST, DOMAIN, "GetState", "u", "0")
    assert re.fullmatch(r"\(ii\) 1 \d\n", state)


def test_gdbus(service, client):
    out = run("gdbus", "introspect", "--address", service.bus.address, "--dest", "org.libvirt",
              "--object-path", ROOT, "--recurse")
    for word in (f"node {TEST} ", f"node {GUEST} ", f"interface {CONNECT} ", f"interface {DOMAIN} "):
        assert word in out


@pytest.mark.parametrize("path", [ROOT, TEST, DOMAINS, GUEST])
def test_ping_and_machine_id(client, path):
    assert client.call(path, "org.freedesktop.DBus.Peer", "Ping") == ()
    assert re.fullmatch("[0-9a-f]{32}", client.call(path, "org.freedesktop.DBus.Peer", "GetMachineId")[0])


def define_many(client, number):
    """Defines so many domains, 200 calls at a time; returns their paths."""
    paths = []
    for start in range(0, number, 200):
        serials = []
        for index in range(start, min(start + 200, number)):
            xml = (f"<domain type='test'><name>many{index}</name><uuid>10000000-0000-4000-8000-{index:012x}"
                   "</uuid><memory>1024</memory><os><type>hvm</type></os></domain>")
            serials.append(client.send(TEST, CONNECT, "DomainDefineXML", "s", (xml,)))
        paths += [reply.body[0] for reply in client.collect(serials, 120 * PATIENCE).values()]
    return paths


@pytest.mark.long
def test_ten_thousand_domains(one_bus, run_service, connect, capsys):
    service = run_service(one_bus)
    client = connect(one_bus)
    times = {}

    def timed(what, function):
        began = time.monotonic()
        result = function()
        times[what] = time.monotonic() - began
        return result
    paths = timed("define", lambda: define_many(client, MANY))
    expected = {path.rpartition("/")[2] for path in paths} | {GUEST.rpartition("/")[2]}
    assert len(expected) == MANY + 1
    children = timed("child list", lambda: parse(client, DOMAINS)[1])
    assert len(children) == MANY + 1 and set(children) == expected
    listed = timed("ListDomains", lambda: client.connect("ListDomains", "u", 0))
    assert len(listed) == MANY + 1 and set(paths) < set(listed)
    timed("introspect one", lambda: client.introspect(paths[5000]))
    argv = ["busctl", f"--address={service.bus.address}", "--timeout=60", "tree", "--list", "org.libvirt"]
    tree = timed("busctl tree", lambda: run(*argv, within=120 * PATIENCE)).split()
    assert set(paths) < set(tree)
    with capsys.disabled():
        print("\n" + ", ".join(f"{what} {seconds:.3f} s" for what, seconds in times.items()))
    assert times["child list"] < 20 * PATIENCE
    soon(lambda: seconds(client.introspect, paths[5000]), 0.2 * PATIENCE)
    assert times["busctl tree"] < 120 * PATIENCE
