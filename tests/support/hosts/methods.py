# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls over D-Bus beside the same calls of python3-libvirt, on one state: a libvirtd whose test driver (and
whose session driver, for what needs no guest) both sides use. Every call is noted for the coverage table.

The fixtures `world` and `guest` are for those who import them by the names of their functions."""

import contextlib
import time
import uuid as uuids

import libvirt
import pytest

from .. import coverage, declared
from ..client import CONNECT, PROPERTIES, Client, DBusError
from ..process import own_directory
from ..service import Service, wait_connected
from . import host, privileged
from . import bus as buses

NAMES = {"Test": "test", "QEMU": "qemu"}
SIGNATURES = {(interface, name): signature for interface, name, signature in declared.methods()}

libvirt.registerErrorHandler(lambda context, error: None, None)


def hexed(text):
    """A name in a path: what is neither letter nor digit is _ and two hexadecimal digits."""
    return "".join(chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"_{byte:02x}"
                   for byte in text.encode())


def below(collection, identity):
    """The end of a path: the collection, and a UUID with its dashes as _."""
    return f"{collection}/_{identity.replace('-', '_')}"


TAILS = {
    libvirt.virConnect: lambda o: "",
    libvirt.virDomain: lambda o: below("domain", o.UUIDString()),
    libvirt.virNetwork: lambda o: below("network", o.UUIDString()),
    libvirt.virStoragePool: lambda o: below("storagepool", o.UUIDString()),
    libvirt.virSecret: lambda o: below("secret", o.UUIDString()),
    libvirt.virNWFilterBinding: lambda o: f"nwfilterbinding/{hexed(o.portDev())}",
    libvirt.virNWFilter: lambda o: below("nwfilter", o.UUIDString()),
    libvirt.virStorageVol: lambda o: f"storagevol/{hexed(o.key())}",
    libvirt.virNodeDevice: lambda o: f"nodedev/{hexed(o.name())}",
    libvirt.virInterface: lambda o: f"interface/{hexed(o.MACString())}",
    libvirt.virDomainCheckpoint: lambda o: below("domaincheckpoint", o.getDomain().UUIDString())
    + f"_{hexed(o.getName())}",
    libvirt.virDomainSnapshot: lambda o: below("domainsnapshot", o.getDomain().UUIDString())
    + f"_{hexed(o.getName())}",
}
INTERFACES = {
    libvirt.virConnect: CONNECT,
    libvirt.virDomain: "org.libvirt.Domain",
    libvirt.virNetwork: "org.libvirt.Network",
    libvirt.virStoragePool: "org.libvirt.StoragePool",
    libvirt.virSecret: "org.libvirt.Secret",
    libvirt.virNWFilter: "org.libvirt.NWFilter",
    libvirt.virNWFilterBinding: "org.libvirt.NWFilterBinding",
    libvirt.virStorageVol: "org.libvirt.StorageVol",
    libvirt.virNodeDevice: "org.libvirt.NodeDevice",
    libvirt.virInterface: "org.libvirt.Interface",
    libvirt.virDomainCheckpoint: "org.libvirt.DomainCheckpoint",
    libvirt.virDomainSnapshot: "org.libvirt.DomainSnapshot",
}


def path_of(target, name="Test"):
    """The D-Bus path of an object of python3-libvirt."""
    return f"/org/libvirt/{name}/{TAILS[type(target)](target)}".rstrip("/")


def plain_value(value):
    """A reply as python3-libvirt would say it: variants and tuples away."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and value[0] == "v":
        return plain_value(value[1][1])
    if isinstance(value, (list, tuple)):
        return [plain_value(one) for one in value]
    if isinstance(value, dict):
        return {key: plain_value(one) for key, one in value.items()}
    return value


def expected_value(value, name="Test"):
    """What python3-libvirt gave, as a reply says it: objects are paths, 0 and None of a call that only does
    something are left to the caller."""
    if type(value) in TAILS:
        return path_of(value, name)
    if isinstance(value, (list, tuple)):
        return [expected_value(one, name) for one in value]
    if isinstance(value, dict):
        return {key: expected_value(one, name) for key, one in value.items()}
    return value


def outcome(function, *args):
    """("value", result) or ("error", libvirt's message)."""
    try:
        return "value", function(*args)
    except libvirt.libvirtError as error:
        return "error", error.get_error_message()


class World:
    """A libvirtd, guestbusd on it with the connections Test and QEMU, a client of each side."""

    def __init__(self, home, private, libvirtd, service):
        self.home, self.bus, self.libvirtd, self.service = home, private, libvirtd, service
        self.client = Client(private.address)
        self.plain = {"Test": libvirt.open(libvirtd.test_uri), "QEMU": libvirt.open(libvirtd.uri)}
        for name in NAMES:
            wait_connected(self.client, name)

    @property
    def test(self):
        return self.plain["Test"]

    def close(self):
        self.client.close()
        for connection in self.plain.values():
            connection.close()

    def name_of(self, target):
        connection = target if isinstance(target, libvirt.virConnect) else target.connect()
        return "QEMU" if connection._o == self.plain["QEMU"]._o else "Test"

    def raw(self, target, member, *args, name=None):
        """A method by its signature in the contract, on an object of python3-libvirt or on (path, interface):
        ("value", the reply) or ("error", its text). Noted for the table."""
        if isinstance(target, tuple):
            path, interface = target
            name = path.split("/")[3]
        else:
            name = name or self.name_of(target)
            path, interface = path_of(target, name), INTERFACES[type(target)]
        try:
            body = self.client.call(path, interface, member, SIGNATURES[interface, member], args, within=60)
        except DBusError as error:
            assert error.name == "org.libvirt.Error", f"{member}: {error}"
            coverage.note(interface, member, "error only")
            return "error", error.message
        coverage.note(interface, member, NAMES[name])
        return "value", body[0] if body else None

    def value(self, target, member, *args):
        """The reply of a call that must succeed, without variants."""
        kind, value = self.raw(target, member, *args)
        assert kind == "value", f"{member}{args}: {value}"
        return plain_value(value)

    def same(self, target, member, args, python, shape=expected_value):
        """A call that only reads: both sides give the same value, or the same error."""
        kind, value = self.raw(target, member, *args)
        expected = outcome(python, target)
        if expected[0] == "value":
            expected = ("value", shape(expected[1]))
        assert (kind, plain_value(value)) == expected, member
        return kind, value

    def refused(self, target, member, args, python, plain=None):
        """A call that this driver does not have: the error's text is that of the same call of libvirt's."""
        expected = outcome(python, target if plain is None else plain)
        assert expected[0] == "error", f"{member}: libvirt gives {expected[1]}"
        assert self.raw(target, member, *args) == expected

    def changes(self, target, member, args, look, after):
        """A call that does something: a plain client sees `after` then, and something else before."""
        before = outcome(look, target)
        assert before != ("value", after), f"{member}: already {after}"
        assert self.value(target, member, *args) is None
        assert outcome(look, target) == ("value", after)

    def property(self, target, name, kind, value):
        path, interface = path_of(target, self.name_of(target)), INTERFACES[type(target)]
        assert self.client.get(path, interface, name) == (kind, value)
        assert self.client.get_all(path, interface)[name] == ("v", (kind, value))

    def autostart(self, target):
        """Autostart is set and seen, both ways, and left as it was."""
        path, interface = path_of(target), INTERFACES[type(target)]
        first = bool(target.autostart())
        for value in (not first, first):
            assert self.client.set(path, interface, "Autostart", "b", value) == ()
            assert bool(target.autostart()) is value
            self.property(target, "Autostart", "b", value)
        error = self.client.error(path, PROPERTIES, "Set", "ssv", (interface, "Autostart", ("i", 1)))
        assert error.name == "org.freedesktop.DBus.Error.InvalidArgs"


@contextlib.contextmanager
def world(cache, kind=host.Libvirtd):
    """A World of its own, on a libvirtd of the kind given; nothing of it is left."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(own_directory())
        private = buses.start("dbus-daemon", home)
        stack.callback(private.stop)
        libvirtd = kind(home, cache)
        stack.callback(libvirtd.finish)
        libvirtd.start()
        service = Service(private, home, {"Test": libvirtd.test_uri, "QEMU": libvirtd.uri})
        stack.callback(service.abandon)
        service.start()
        one = World(home, private, libvirtd, service)
        yield one
        one.close()
        service.stop()


@contextlib.contextmanager
def privileged_world(cache):
    """The same of a libvirtd that takes itself for root's: it alone has network filters, and listens to udev."""
    if not privileged.available():
        pytest.skip("no user namespaces for an ordinary user")
    with world(cache, privileged.Libvirtd) as one:
        yield one


GUEST = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>262144</memory>
<currentMemory>131072</currentMemory><vcpu current='2'>4</vcpu><iothreads>2</iothreads>
<os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/guest/disk'/><target dev='vda' bus='virtio'/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>
<target dev='testnet7'/></interface><memballoon model='virtio'/>
<graphics type='vnc' port='5901' autoport='no'/></devices></domain>"""


@contextlib.contextmanager
def guest(world, running=True):
    """A guest of the test driver for one test."""
    identity = str(uuids.uuid4())
    name = f"guest-{time.monotonic_ns()}"
    domain = world.test.defineXML(GUEST.format(name=name, uuid=identity))
    if running:
        domain.create()
    yield domain
    for one in world.test.listAllDomains(0):
        if one.UUIDString() == identity:
            if one.isActive():
                one.destroy()
            if one.isPersistent():
                one.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                                  | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)


@pytest.fixture(scope="module", name="world")
def module_world(libvirt_cache):
    """A World for the tests of a module."""
    with world(libvirt_cache) as one:
        yield one


@pytest.fixture(name="guest")
def running_guest(world):
    """A guest() of the test's own, which runs."""
    with guest(world) as domain:
        yield domain
