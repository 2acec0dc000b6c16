# SPDX-License-Identifier: LGPL-2.1-or-later
"""One stage for many tests of real guests: bus, libvirtd, service, a D-Bus client, python3-libvirt on the same
libvirtd, and a watcher of its events. A module shares one; each test has guests of its own names."""

import collections
import contextlib
import os
import shutil
import subprocess
import uuid

import libvirt
import pytest
from jeepney.io.blocking import open_dbus_connection

from .. import coverage
from ..client import CONNECT, DOMAIN, Client, DBusError, body_of
from ..process import LEAST, PATIENCE, end_all, left_behind, make_directory, wait_until
from ..service import Service, wait_connected
from . import host
from . import bus as buses

ROOT = "/org/libvirt/QEMU"
SNAPSHOT = "org.libvirt.DomainSnapshot"
POOL = "org.libvirt.StoragePool"
VOLUME = "org.libvirt.StorageVol"
SECRET = "org.libvirt.Secret"
WITHIN = 20 * PATIENCE

GUEST = """<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>48</memory>
  <vcpu>1</vcpu>{more}
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>{emulator}</emulator>
    {devices}
    <memballoon model='virtio'/>
  </devices>
</domain>"""

libvirt.registerErrorHandler(lambda context, error: None, None)


def disk_xml(file, kind="qcow2", target="vda", device="disk", bus="virtio", more=""):
    source = f"<source file='{file}'/>" if file else ""
    driver = f"<driver name='qemu' type='{kind}'/>" if kind else ""
    return (f"<disk type='file' device='{device}'>{driver}{source}<target dev='{target}' bus='{bus}'/>"
            f"{more}</disk>")


def object_path(kind, number):
    return f"{ROOT}/{kind}/_" + number.replace("-", "_")


def done(value):
    """What python3-libvirt returns as 0 is nothing on D-Bus."""
    return None if value == 0 and not isinstance(value, bool) else value


def plain_values(parameters):
    """{name: value} of typed parameters, each of which must be wrapped twice."""
    for value in parameters.values():
        assert value[0] == "v" and value[1][0] in "iuxtdbs", value
    return {name: value[1][1] for name, value in parameters.items()}


def noted(interface, member, function, *args):
    """function(*args), a call of a method or its reply's body, which counts in the table of what is covered."""
    try:
        body = function(*args)
    except DBusError as error:
        if error.name == "org.libvirt.Error":
            coverage.note(interface, member, "error only")
        raise
    coverage.note(interface, member, "qemu")
    return body


class Stage:
    """Everything that a test of real guests looks at."""

    def __init__(self, cache):
        self.home = make_directory()
        self.bus = buses.start("dbus-daemon", self.home)
        self.libvirtd = host.Libvirtd(self.home, cache).start()
        self.others = []
        self.service = Service(self.bus, self.home, {"QEMU": self.libvirtd.uri}).start()
        self.client = Client(self.bus.address)
        wait_connected(self.client, "QEMU", 30 * PATIENCE)
        self.listener = Client(self.bus.address).match()
        self.plain = libvirt.open(self.libvirtd.uri)
        self.watcher = host.Watcher(self.home, self.libvirtd.uri)
        self.settle()

    def settle(self):
        """Signals flow once a domain's coming is told."""
        xml = self.xml("probe")

        def flows():
            self.plain.defineXML(xml).undefine()
            self.listener.drain()
            return any(signal.member == "DomainEvent" for signal in self.listener.signals)
        wait_until(flows, WITHIN, "signals flow", every=0.1)

    def close(self):
        try:
            self.listener.close()
            self.client.close()
            self.plain.close()
            self.watcher.stop()
            self.service.stop()
        finally:
            self.service.abandon()
            for libvirtd in (self.libvirtd, *self.others):
                libvirtd.finish()
            self.bus.stop()
            remaining = left_behind(self.home)
            end_all(remaining)
            shutil.rmtree(self.home, ignore_errors=True)
        assert not remaining, f"left behind: {remaining}"

    # Guests and files

    def directory(self, name):
        """A directory that libvirtd may write in."""
        return self.libvirtd.directory(name)

    def image(self, name, size="1M", kind="qcow2", backing=None):
        """An image that QEMU may write."""
        path = os.path.join(self.directory("images"), name)
        command = ["qemu-img", "create", "-q", "-f", kind, path, size]
        if backing:
            command[5:5] = ["-b", backing, "-F", "qcow2"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        if self.libvirtd.user:
            os.chown(path, *self.libvirtd.user)
        return path

    def xml(self, name, devices="", more=""):
        return GUEST.format(name=name, uuid=uuid.uuid5(uuid.NAMESPACE_OID, name), more=more, devices=devices,
                            emulator=host.emulator())

    @contextlib.contextmanager
    def guest(self, name, devices="", more="", start=True):
        """A guest of that name, as a Guest, which runs no longer afterwards; no other test has its name."""
        domain = self.plain.defineXML(self.xml(name, devices, more))
        try:
            if start:
                domain.create()
            yield Guest(self, domain)
        finally:
            self.end_qemu(name)

    def end_qemu(self, name):
        """Ends a guest's QEMU at once. Where nobody reaps it soon, libvirt's own way takes more than a second."""
        run = self.libvirtd.root / "runtime" / "libvirt" / "qemu" / "run"
        with contextlib.suppress(OSError, ValueError):
            end_all([int((run / f"{name}.pid").read_text())])

    # Calls

    def call(self, path, interface, member, signature="", *args):
        """A method's only result, or None."""
        body = noted(interface, member, self.client.call, path, interface, member, signature, args,
                     60 * PATIENCE)
        return body[0] if body else None

    def connect(self, member, signature="", *args):
        return self.call(ROOT, CONNECT, member, signature, *args)

    def said(self, *call):
        """("value", result) or ("error", libvirt's message)."""
        try:
            return "value", self.call(*call)
        except DBusError as error:
            assert error.name == "org.libvirt.Error", error
            return "error", error.message

    def with_files(self, path, interface, member, signature, args):
        """A call on a connection of its own, which carries descriptors both ways: the reply's body."""
        with open_dbus_connection(self.bus.address, enable_fds=True, auth_timeout=LEAST) as connection:
            message = self.client.message(path, interface, member, signature, args)
            reply = connection.send_and_get_reply(message, timeout=60 * PATIENCE)
            return noted(interface, member, body_of, reply)

    # Signals

    def told(self, path):
        """[member, arguments...] of libvirt-dbus's signals about one object, in order."""
        self.listener.drain()
        result = []
        for signal in self.listener.signals:
            if not signal.interface.startswith("org.libvirt."):
                continue
            if signal.path == path:
                result.append([signal.member, *(told_value(value) for value in signal.body)])
            elif signal.path == ROOT and signal.body[:1] == (path,):
                result.append([signal.member, *signal.body[1:]])
        return result

    def seen(self, number):
        """The plain client's events about one object."""
        return [one for one in self.watcher.read() if one[2] == number]

    def same(self, path, number, *members):
        """Waits until each member was told as often as it is named, and all that was told of the object is what
        the plain client saw, in its order."""
        def equal():
            told = self.told(path)
            return (told == [[one[0], *one[3:]] for one in self.seen(number)]
                    and collections.Counter(members) <= collections.Counter(one[0] for one in told))
        wait_until(equal, WITHIN,
                   lambda: f"{members}:\n {self.told(path)}\nas in\n {self.seen(number)}")
        return self.told(path)


def told_value(value):
    """An argument of a signal in the words of the plain client."""
    if isinstance(value, dict):
        return plain_values(value)
    if isinstance(value, (tuple, list)):
        return [told_value(one) for one in value]
    return value


class Guest:
    """A domain on both sides: `plain` is python3-libvirt's."""

    def __init__(self, stage, plain):
        self.stage = stage
        self.plain = plain
        self.number = plain.UUIDString()
        self.path = object_path("domain", self.number)

    def call(self, member, signature="", *args):
        return self.stage.call(self.path, DOMAIN, member, signature, *args)

    def said(self, member, signature="", *args):
        return self.stage.said(self.path, DOMAIN, member, signature, *args)

    def told(self, *members):
        return self.stage.same(self.path, self.number, *members)


def outcome(function, *args):
    """("value", result) or ("error", libvirt's message) of python3-libvirt, which does not raise every error."""
    libvirt.virResetLastError()
    try:
        value = function(*args)
    except libvirt.libvirtError as error:
        return "error", error.get_error_message()
    error = libvirt.virGetLastError()
    return ("error", error[2]) if error else ("value", done(value))


@pytest.fixture(scope="module")
def stage(libvirt_cache):
    """The stage of a module."""
    lacking = host.missing() or (None if shutil.which("qemu-img") else "qemu-img")
    if lacking:
        pytest.skip(f"{lacking} is not installed")
    one = Stage(libvirt_cache)
    yield one
    one.close()
