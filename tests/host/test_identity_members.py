# SPDX-License-Identifier: LGPL-2.1-or-later
"""The confused deputy again: every member of every object that is hidden from somebody, and every member of the
connection that takes something to find an object by, with what is hidden."""

import contextlib
import hashlib
import os
import pathlib
import re

import pytest

from support import declared
from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, field
from support.hosts import confined as worlds
from support.hosts.confined import HIDDEN, NAMES, OTHER, QEMU, confined, furnish, listening, mentions_other, only, text_of
from support.hosts.guarded import send
from support.hosts.workload import object_path
from support.process import PATIENCE

SNAPSHOT = "then"
# Taken before, elsewhere, as libvirt is told: a guest without disks has nothing that it could take one of.
SNAPSHOT_XML = """<domainsnapshot><name>{}</name><state>shutoff</state><creationTime>1</creationTime>{}
</domainsnapshot>"""
OTHER_PATH, OTHER_NETWORK, OTHER_POOL = (object_path(QEMU, kind, OTHER)
                                         for kind in ("domain", "network", "storagepool"))
OTHER_SNAPSHOT = f"{object_path(QEMU, 'domainsnapshot', OTHER)}_{SNAPSHOT}"
OTHER_CHECKPOINT = f"{object_path(QEMU, 'domaincheckpoint', OTHER)}_{SNAPSHOT}"
OBJECTS = {
    OTHER_PATH: (DOMAIN, "org.guestbus.Domain1"),
    OTHER_CHECKPOINT: ("org.libvirt.DomainCheckpoint",),
    OTHER_SNAPSHOT: ("org.libvirt.DomainSnapshot",),
    OTHER_NETWORK: ("org.libvirt.Network", "org.guestbus.Network1"),
    OTHER_POOL: ("org.libvirt.StoragePool", "org.guestbus.StoragePool1"),
}
# Members of the connection that find objects which everybody may see, and one that QEMU does not have.
OPEN = ("Interface", "NodeDevice", "NWFilter", "Secret", "StorageVol", "DomainCreateXMLWithFiles")
# Something of each type, as members take it.
PLAIN = {"s": "x", "u": 0, "i": 0, "t": 0, "x": 0, "b": False, "d": 0.0, "y": 0, "h": 0}

pytestmark = [pytest.mark.skipif(bool(worlds.missing()), reason=f"{worlds.missing()} is not there"),
              pytest.mark.xdist_group("identity-members")]  # one world for all


@pytest.fixture(scope="module")
def world():
    """As of test_identity.py; the hidden guest has a snapshot, and is in a file, too."""
    with confined(HIDDEN + only("member", "mine")) as one:
        furnish(one.libvirtd)
        one.saved = f"{one.libvirtd.directory('lib')}/saved"
        one.libvirtd.virsh("save", "other", one.saved)
        text = SNAPSHOT_XML.format(SNAPSHOT, one.libvirtd.virsh("dumpxml", "other"))
        one.libvirtd.virsh("snapshot-create", "other", one.libvirtd.file(text), "--redefine")
        one.libvirtd.virsh("start", "other")
        yield one


@pytest.fixture
def limited(world):
    with contextlib.closing(world.client("limited")) as one:
        yield listening(one)


def taken(method):
    """[(name, signature)] of what a method takes."""
    return [(arg.get("name"), arg.get("type")) for arg in method.iter("arg") if arg.get("direction") == "in"]


def value_for(signature):
    """(a value of the first type of @signature, the rest of it)."""
    if signature[0] == "a":
        if signature[1] == "{":
            return {}, signature[signature.index("}") + 1:]
        inner, rest = value_for(signature[1:])
        return ([] if "h" in signature[1:2] else [inner]), rest
    if signature[0] == "(":
        rest, values = signature[1:], []
        while rest[0] != ")":
            value, rest = value_for(rest)
            values.append(value)
        return tuple(values), rest[1:]
    if signature[0] == "v":
        return ("s", "x"), signature[1:]
    return PLAIN[signature[0]], signature[1:]


def call_of(interface, method, known=()):
    """A call of a method, as send() takes it, with what is known by the names of arguments."""
    some = taken(method)
    values = [known[name] if name in known else value_for(signature)[0] for name, signature in some]
    return interface, method.get("name"), "".join(signature for _, signature in some), tuple(values)


def calls_of(interface):
    """Calls of all methods and properties of an interface, but for those that take a descriptor."""
    yield PROPERTIES, "GetAll", "s", (interface,)
    for method in declared.interface(interface).iter("method"):
        if "h" not in dict(map(reversed, taken(method))):
            yield call_of(interface, method)
    for one in declared.interface(interface).iter("property"):
        yield PROPERTIES, "Get", "ss", (interface, one.get("name"))
        if one.get("access") == "readwrite":
            yield PROPERTIES, "Set", "ssv", (interface, one.get("name"), ("b", True))


def refusals(caller, path, calls):
    """{(interface, member): what its error says}, for calls that have to fail, and to say no more than the caller
    did."""
    found = {}
    for start in range(0, len(calls), 50):
        serials = {send(caller, path, *call): call for call in calls[start:start + 50]}
        for serial, reply in caller.collect(serials, 120 * PATIENCE).items():
            interface, member, _, values = serials[serial]
            said = str(reply.body)
            assert field(reply, "error_name"), f"{serials[serial]}: {said[:200]}"
            found[(values[0], " ".join([member, *values[1:2]])) if interface == PROPERTIES
                  else (interface, member)] = said
            for word in (path, *(value for value in values if isinstance(value, str))):
                said = said.replace(word, "")
            assert not mentions_other(said), f"{serials[serial]}: {said[:200]}"
    assert len(found) == len(calls)
    return found


def all_of_the_other(world):
    """What libvirt knows of what is hidden."""
    virsh = world.libvirtd.virsh
    return (virsh("dumpxml", "other"), virsh("domstate", "other", "--reason"), virsh("list", "--all"),
            virsh("snapshot-list", "other"), virsh("snapshot-dumpxml", "other", SNAPSHOT),
            virsh("net-list", "--all"), virsh("net-dumpxml", "other"),
            virsh("pool-list", "--all"), virsh("pool-dumpxml", "other"),
            hashlib.sha256(pathlib.Path(world.saved).read_bytes()).digest())


@pytest.fixture(autouse=True)
def untouched(world, limited):
    """Nothing was done to the other's, and nothing was heard of it."""
    before = all_of_the_other(world)
    yield
    assert all_of_the_other(world) == before
    assert not mentions_other(text_of(limited.drain()))


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.split("/")[4])
def test_no_member_reaches_the_other(limited, path):
    """Every method and property, with the path of an object that is hidden: libvirt refuses it, or the service says
    that there is none. The service itself would let this user do everything."""
    calls = [call for interface in OBJECTS[path] for call in calls_of(interface)]
    found = refusals(limited, path, [*calls, (INTROSPECTABLE, "Introspect", "", ())])
    for (interface, member), said in found.items():
        words = r"\bno (such )?\w+\b" if interface.startswith("org.guestbus.") else "access denied"
        assert re.search(words, said), f"{interface}.{member}: {said}"
    assert len(found) > len(declared.interface(OBJECTS[path][0]).findall("method")) > 4


def test_no_member_of_the_connection_finds_the_other(world, limited):
    """By name, by UUID, by number, by a file that it is in, by its description: all members with an argument called
    so."""
    virsh = world.libvirtd.virsh
    texts = {"Domain": virsh("dumpxml", "other"), "Network": virsh("net-dumpxml", "other"),
             "StoragePool": virsh("pool-dumpxml", "other")}
    known = {"name": "other", "uuid": OTHER, "id": int(virsh("domid", "other"))}
    known |= dict.fromkeys(("file", "from", "path", "key"), world.saved)
    calls = []
    for method in declared.interface(CONNECT).iter("method"):
        known["xml"] = next((text for kind, text in texts.items() if method.get("name").startswith(kind)), "<x/>")
        if known.keys() & dict(taken(method)):
            calls.append(call_of(CONNECT, method, known))
    found = refusals(limited, QEMU, calls)
    hidden = {member for _, member in found if not member.startswith(OPEN)}
    assert {member for (_, member), said in found.items() if "access denied" in said} == hidden, found
    assert {"DomainLookupByID", "DomainRestore", "DomainDefineXML", "NetworkLookupByUUID"} <= hidden
    assert {name for method in declared.interface(CONNECT).iter("method") for name, _ in taken(method)} >= known.keys()


def test_no_stream_reaches_the_other(world):
    """Streams have connections of their own. They take descriptors, which only the group libvirt may send."""
    reading, writing = os.pipe()
    with contextlib.closing(world.client("member")) as member:
        said = {}
        for guest in ("mine", "other"):
            path = object_path(QEMU, "domain", NAMES[guest])
            serial = member.send(path, DOMAIN, "Screenshot", "huu", (writing, 0, 0))
            reply = member.collect([serial], 60 * PATIENCE)[serial]
            said[guest] = field(reply, "error_name"), str(reply.body)
    for fd in (reading, writing):
        os.close(fd)
    # There is no screen to see.
    assert said["mine"][0] == said["other"][0] == "org.libvirt.Error"
    assert "access denied" in said["other"][1] and "access denied" not in said["mine"][1], said
