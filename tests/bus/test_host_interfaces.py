# SPDX-License-Identifier: LGPL-2.1-or-later
"""Host interfaces that share a MAC, as a bridge and its port do: each has a path of its own that leads to it,
and what has its MAC alone keeps the path that clients know."""

import libvirt
import pytest

from support.client import CONNECT, PROPERTIES, DBusError
from support.hosts.methods import hexed

TEST = "/org/libvirt/Test"
INTERFACE = "org.libvirt.Interface"
ACTIVE, INACTIVE = libvirt.VIR_CONNECT_LIST_INTERFACES_ACTIVE, libvirt.VIR_CONNECT_LIST_INTERFACES_INACTIVE
XML = "<interface type='ethernet' name='{}'><start mode='onboot'/><mac address='{}'/></interface>"
SHARED, ALONE = "52:54:00:aa:bb:cc", "52:54:00:00:00:01"
# Named as the MAC of another, and as one that nothing has.
ALIKE, LOOSE = "52:54:00:00:00:01", "52:54:00:00:00:02"
# The test driver's own.
FIRST = f"{TEST}/interface/{hexed('aa:bb:cc:dd:ee:ff')}"


def define(client, name, mac):
    return client.connect("InterfaceDefineXML", "su", XML.format(name, mac), 0)


def by_name(client, name):
    return client.connect("InterfaceLookupByName", "s", name)


def name_of(client, path):
    return client.get(path, INTERFACE, "Name")[1]


def listed(client, flags=0):
    return client.connect("ListInterfaces", "u", flags)


@pytest.fixture(name="group")
def shared_group(client):
    """{name: path} of three interfaces with one MAC, asked for one by one; the first of them runs."""
    names = ("bond0", "eno1", "br.7")
    for name in names:
        define(client, name, SHARED)
    paths = {name: by_name(client, name) for name in names}
    client.call(paths["bond0"], INTERFACE, "Create", "u", (0,))
    return paths


def test_each_has_a_path_of_its_own(client, group):
    assert group == {name: f"{TEST}/interface/{hexed(name)}" for name in group}
    assert {name: name_of(client, path) for name, path in group.items()} == {name: name for name in group}
    for path in group.values():
        assert client.get_all(path, INTERFACE)["MAC"] == ("v", ("s", SHARED))
        assert INTERFACE in client.introspect(path)


def test_lists_have_the_same_paths(client, group):
    """Also a list that has one of them alone."""
    assert sorted(listed(client)) == sorted([FIRST, *group.values()])
    assert sorted(listed(client, ACTIVE | INACTIVE)) == sorted(listed(client))
    assert sorted(listed(client, ACTIVE)) == sorted([FIRST, group["bond0"]])
    assert sorted(listed(client, INACTIVE)) == sorted([group["eno1"], group["br.7"]])
    children = client.introspect(f"{TEST}/interface")
    for path in [FIRST, *group.values()]:
        assert f'<node name="{path.rpartition("/")[2]}"' in children


def test_upper_case_is_the_same_mac(client, group):
    path = define(client, "VLAN", SHARED.upper())
    assert path == by_name(client, "VLAN") == f"{TEST}/interface/VLAN"
    assert path in listed(client)


def test_the_mac_is_ambiguous_in_libvirts_words(client, group):
    """Whichever way it is asked for."""
    plain = libvirt.open("test:///default")
    for name in group:
        plain.interfaceDefineXML(XML.format(name, SHARED), 0)
    with pytest.raises(libvirt.libvirtError) as expected:
        plain.interfaceLookupByMACString(SHARED)
    plain.close()
    for member, error in ((f"{TEST}/interface/{hexed(SHARED)}", client.error(
            f"{TEST}/interface/{hexed(SHARED)}", PROPERTIES, "Get", "ss", (INTERFACE, "Name"))),
            ("InterfaceLookupByMAC", client.error(TEST, CONNECT, "InterfaceLookupByMAC", "s", (SHARED,)))):
        assert (error.name, error.message) == ("org.libvirt.Error", expected.value.get_error_message()), member


def test_a_mac_of_its_own_is_the_path(client, group):
    """Before others came and after they went."""
    path = f"{TEST}/interface/{hexed(ALONE)}"
    assert define(client, "one", ALONE) == by_name(client, "one") == path
    assert client.connect("InterfaceLookupByMAC", "s", ALONE) == path
    other = define(client, "other", ALONE)
    assert (by_name(client, "one"), other) == (f"{TEST}/interface/one", f"{TEST}/interface/other")
    client.call(other, INTERFACE, "Undefine")
    assert by_name(client, "one") == path
    # What a client has kept from the time between is as good.
    assert name_of(client, f"{TEST}/interface/one") == name_of(client, path) == "one"


def test_a_name_that_looks_like_a_mac(client, group):
    """That of another interface, of a group, and of nothing."""
    owner = define(client, "owner", ALONE)
    alike, loose, same = [define(client, name, SHARED) for name in (ALIKE, LOOSE, SHARED)]
    paths = [owner, alike, loose, same]
    assert len(set(paths)) == 4
    assert [name_of(client, path) for path in paths] == ["owner", ALIKE, LOOSE, SHARED]
    assert set(paths) <= set(listed(client))
    assert [by_name(client, name) for name in ("owner", ALIKE, LOOSE, SHARED)] == paths
    # As sd_bus_path_encode() writes a MAC, it is one still.
    assert name_of(client, f"{TEST}/interface/_35{hexed(ALONE)[1:]}") == "owner"


def test_what_is_not_there_is_not_found(client, group):
    client.call(group["eno1"], INTERFACE, "Undefine")
    for leaf in ("eno1", hexed(LOOSE), f"{hexed(LOOSE)[:-1]}_32", "_3dx"):
        with pytest.raises(DBusError) as error:
            name_of(client, f"{TEST}/interface/{leaf}")
        assert error.value.name == "org.libvirt.Error", leaf
        assert "not found" in error.value.message
