# SPDX-License-Identifier: LGPL-2.1-or-later
"""A name passes from one object to another. A listener that keeps a table by name never loses the new one."""

import uuid

from support.hosts.native import TEST, XML, get_events, plain_values, quiet
from support.hosts.native import plain, service  # noqa: F401 (fixtures)

TURNS = 150
NETWORK = "<network><name>{name}</name><uuid>{number}</uuid></network>"


def numbered(template, name, number):
    return template.format(name=name, number=uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}"))


def table_of(events, collection):
    """What a listener has that keeps the paths by name: the last word on a name counts."""
    table = {}
    for event in events:
        if f"/{collection}/" not in event.path:
            continue
        if event.kind == "added":
            assert event.name not in table, f"{event} came before {table[event.name]} was told to be over"
            table[event.name] = event.path
        elif event.kind == "removed":
            del table[event.name]
        elif event.kind == "changed" and "Name" in event.details:
            name = plain_values(event.details)["Name"]
            assert name not in table, f"{event} came before {table[name]} was told to be over"
            table = {known: path for known, path in table.items() if path != event.path}
            table[name] = event.path
    return table


def known(client, collection, names):
    """The table at the end of the stream, as far as those names are concerned."""
    quiet(client)
    table = table_of(get_events(client, 0), collection)
    return {name: path for name, path in table.items() if name in names}


def path_of(collection, thing):
    return f"{TEST}/{collection}/_" + thing.UUIDString().replace("-", "_")


def test_a_guest_is_replaced(client, plain):
    """Each of a few names has ever new guests, and something happens to others meanwhile."""
    guests, other = {}, plain.lookupByName("test")
    for turn in range(TURNS):
        name = f"n{turn % 3}"
        if name in guests:
            guests[name].undefine()
        guests[name] = plain.defineXML(numbered(XML, name, turn))
        if turn % 5 == 0:
            other.suspend()
            other.resume()
    assert known(client, "domain", guests) == {name: path_of("domain", one) for name, one in guests.items()}


def test_a_network_is_replaced(client, plain):
    networks = {}
    for turn in range(TURNS):
        name = f"n{turn % 3}"
        if name in networks:
            networks[name].undefine()
        networks[name] = plain.networkDefineXML(numbered(NETWORK, name, turn))
    assert known(client, "network", networks) == {name: path_of("network", one) for name, one in networks.items()}


def test_guests_change_their_names(client, plain):
    """One gives its name away, and takes that of the other."""
    one, other = (plain.defineXML(numbered(XML, name, 0)) for name in "ab")
    for turn in range(TURNS // 3):
        one.rename(f"c{turn}")
        other.rename("a" if turn % 2 == 0 else "b")
        one.rename("b" if turn % 2 == 0 else "a")
    names = {guest.name(): path_of("domain", guest) for guest in (one, other)}
    assert set(names) == {"a", "b"}
    assert known(client, "domain", names) == names
