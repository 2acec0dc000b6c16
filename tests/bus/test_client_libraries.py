# SPDX-License-Identifier: LGPL-2.1-or-later
"""The D-Bus libraries and programs that people have, each with a guest through its whole life: what it calls,
what it reads and writes, and, where it can listen, what it is told."""

import re
import shutil
import subprocess

import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES, SERVICE, DBusError
from support.process import PATIENCE, end, spawn, wait_until
from support.service import wait_connected

ROOT = "/org/libvirt/Test"
UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
GUEST = f"{ROOT}/domain/_" + UUID.replace("-", "_")
NAME = "guest \u00e4"
XML = f"""<domain type='test'><name>{NAME}</name><uuid>{UUID}</uuid><memory>65536</memory>
<os><type>hvm</type></os></domain>"""
RUNNING, PAUSED, OFF = 1, 3, 5
(DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED) = range(6)
LIFE = [DEFINED, STARTED, SUSPENDED, RESUMED, STOPPED, UNDEFINED]
WITHIN = 10 * PATIENCE


def live(caller):
    """One life. `caller` has call(path, interface, member, signature, *args) -> [results], failure() of the
    same -> the error's text, get_all() -> {property: plain value}, and set_autostart()."""
    def domain(member, signature="", *args):
        return caller.call(GUEST, DOMAIN, member, signature, *args)

    def state():
        return tuple(domain("GetState", "u", 0)[0])[0]
    assert caller.call(ROOT, CONNECT, "DomainDefineXML", "s", XML) == [GUEST]
    assert caller.call(ROOT, CONNECT, "DomainLookupByName", "s", NAME) == [GUEST]
    assert caller.call(ROOT, CONNECT, "DomainLookupByUUID", "s", UUID) == [GUEST]
    assert GUEST in caller.call(ROOT, CONNECT, "ListDomains", "u", 0)[0]
    assert state() == OFF
    for member, signature, args, expected in (("Create", "u", (0,), RUNNING), ("Suspend", "", (), PAUSED),
                                              ("Resume", "", (), RUNNING)):
        assert domain(member, signature, *args) == []
        assert state() == expected
    everything = caller.get_all()
    assert (everything["Name"], everything["UUID"]) == (NAME, UUID)
    assert everything["Active"] and everything["Persistent"] and not everything["Autostart"]
    caller.set_autostart(True)
    assert caller.get_all()["Autostart"]
    caller.set_autostart(False)
    assert not caller.get_all()["Autostart"]
    assert domain("Destroy", "u", 0) == []
    assert state() == OFF
    assert domain("Undefine", "u", 0) == []
    assert GUEST not in caller.call(ROOT, CONNECT, "ListDomains", "u", 0)[0]
    assert "Domain not found" in caller.failure(ROOT, CONNECT, "DomainLookupByName", "s", NAME)


@pytest.fixture
def running(bus, run_service, connect):
    """The service; a test's client starts when its connection is open."""
    run_service(bus)
    wait_connected(connect(bus))
    return bus


# dbus-python

class DBusPython:
    def __init__(self, address, dbus, loop):
        self.dbus = dbus
        self.bus = dbus.bus.BusConnection(address, mainloop=loop)
        self.events = []
        self.bus.add_signal_receiver(lambda *body: self.events.append(body), "DomainEvent", CONNECT, SERVICE,
                                     ROOT)

    def call(self, path, interface, member, signature, *args):
        proxy = self.bus.get_object(SERVICE, path)
        result = proxy.get_dbus_method(member, interface)(*args, signature=signature)
        return [] if result is None else [result]

    def get_all(self):
        return self.call(GUEST, PROPERTIES, "GetAll", "s", DOMAIN)[0]

    def set_autostart(self, value):
        self.call(GUEST, PROPERTIES, "Set", "ssv", DOMAIN, "Autostart", self.dbus.Boolean(value))

    def failure(self, *call):
        with pytest.raises(self.dbus.DBusException) as caught:
            self.call(*call)
        assert caught.value.get_dbus_name() == "org.libvirt.Error"
        return caught.value.get_dbus_message()


def turn(events):
    """Runs GLib's main loop until all events of a life are there."""
    glib = pytest.importorskip("gi.repository.GLib")
    context = glib.MainContext.default()

    def complete():
        while context.iteration(False):
            pass
        return len([one for one in events if one[0] == GUEST]) >= len(LIFE)
    wait_until(complete, WITHIN, lambda: f"events: {events}")
    assert [one[1] for one in events if one[0] == GUEST] == LIFE


def test_dbus_python(running):
    dbus = pytest.importorskip("dbus")
    loop = pytest.importorskip("dbus.mainloop.glib").DBusGMainLoop()
    caller = DBusPython(running.address, dbus, loop)
    live(caller)
    turn(caller.events)
    caller.bus.close()


# GIO

class Gio:
    """A proxy for each object, as programs with GIO have; the interface is asked for by introspection."""

    def __init__(self, address, gio, glib):
        self.gio, self.glib = gio, glib
        flags = (gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                 | gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.bus = gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.events = []
        self.proxies = []  # a proxy that nobody keeps hears nothing
        self.proxy(ROOT, CONNECT).connect("g-signal", self.on_signal)

    def on_signal(self, _proxy, _sender, member, body):
        if member == "DomainEvent":
            self.events.append(body.unpack())

    def proxy(self, path, interface):
        proxy = self.gio.DBusProxy.new_sync(self.bus, self.gio.DBusProxyFlags.NONE, None, SERVICE, path,
                                            interface, None)
        self.proxies.append(proxy)
        return proxy

    def call(self, path, interface, member, signature, *args):
        variant = self.glib.Variant(f"({signature})", args)
        reply = self.proxy(path, interface).call_sync(member, variant, self.gio.DBusCallFlags.NONE, -1, None)
        return list(reply.unpack())

    def get_all(self):
        """What GIO's proxy loads by itself. It takes one variant off; the second stays."""
        proxy = self.proxy(GUEST, DOMAIN)
        values = {name: proxy.get_cached_property(name) for name in proxy.get_cached_property_names()}
        assert all(value.get_type_string() == "v" for value in values.values())
        return {name: value.get_variant().unpack() for name, value in values.items()}

    def set_autostart(self, value):
        self.call(GUEST, PROPERTIES, "Set", "ssv", DOMAIN, "Autostart", self.glib.Variant("b", value))

    def failure(self, *call):
        with pytest.raises(self.glib.Error) as caught:
            self.call(*call)
        assert self.gio.DBusError.get_remote_error(caught.value) == "org.libvirt.Error"
        return caught.value.message


def test_gio(running):
    gio = pytest.importorskip("gi.repository.Gio")
    caller = Gio(running.address, gio, pytest.importorskip("gi.repository.GLib"))
    live(caller)
    turn(caller.events)
    caller.bus.close_sync(None)


# jeepney, through the client of these tests: it shows the double variants as they are.

class Jeepney:
    def __init__(self, client):
        self.client = client

    def call(self, path, interface, member, signature, *args):
        return list(self.client.call(path, interface, member, signature, args))

    def get_all(self):
        return {name: value[1][1] for name, value in self.client.get_all(GUEST, DOMAIN).items()}

    def set_autostart(self, value):
        self.client.set(GUEST, DOMAIN, "Autostart", "b", value)

    def failure(self, *call):
        with pytest.raises(DBusError) as caught:
            self.call(*call)
        assert caught.value.name == "org.libvirt.Error"
        return caught.value.message


def test_jeepney(running, connect):
    listener = connect(running).match()
    live(Jeepney(connect(running)))
    listener.wait_signal("DomainEvent", WITHIN, body=(GUEST, UNDEFINED, 0))
    assert [one.body[1] for one in listener.signals
            if one.member == "DomainEvent" and one.body[0] == GUEST] == LIFE


# Programs

def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=30 * PATIENCE, check=False)


def tokens(text):
    """busctl's values as it prints them: words, and strings in quotes with octal escapes."""
    found = []
    for quoted, word in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text):
        if word:
            found.append(word)
        else:
            raw = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), quoted)
            found.append(re.sub(r"\\(.)", r"\1", raw).encode("latin-1", "ignore").decode("utf-8", "replace")
                         if all(ord(c) < 256 for c in raw) else raw)
    return found


class Busctl:
    def __init__(self, address):
        self.argv = ["busctl", f"--address={address}"]

    def run(self, verb, path, interface, *words):
        return run(*self.argv, verb, SERVICE, path, interface, *[str(word) for word in words])

    def call(self, path, interface, member, signature, *args):
        result = self.run("call", path, interface, member, *([signature, *args] if signature else []))
        assert result.returncode == 0, result.stderr
        if not result.stdout:
            return []
        kind, *values = tokens(result.stdout)
        if kind == "ao":
            assert int(values[0]) == len(values) - 1
            return [values[1:]]
        if kind == "(ii)":
            return [[int(value) for value in values]]
        assert kind == "o" and len(values) == 1
        return values

    def get_all(self):
        """Its text shows both variants of each value."""
        result = self.run("call", GUEST, PROPERTIES, "GetAll", "s", DOMAIN)
        text = result.stdout
        assert text.startswith("a{sv} ") and '"Active" v b ' in text and '"Name" v s ' in text, text
        values = {}
        for name in ("Active", "Persistent", "Autostart"):
            values[name] = re.search(rf'"{name}" v b (\w+)', text)[1] == "true"
        for name in ("Name", "UUID"):
            values[name] = tokens(re.search(rf'"{name}" v s ("(?:[^"\\]|\\.)*")', text)[1])[0]
        return values

    def set_autostart(self, value):
        result = self.run("set-property", GUEST, DOMAIN, "Autostart", "b", str(value).lower())
        assert result.returncode == 0, result.stderr
        result = self.run("get-property", GUEST, DOMAIN, "Autostart")
        assert result.stdout.split() == ["b", str(value).lower()]

    def failure(self, path, interface, member, *words):
        result = self.run("call", path, interface, member, *words)
        assert result.returncode != 0
        return result.stderr


def listening(home, argv, ready):
    """Starts a program that prints signals, and returns it and a function that returns what it printed."""
    output = home / "signals"
    with output.open("wb") as file:
        process = spawn(argv, home, stdout=file, stderr=file)
    wait_until(lambda: ready in output.read_text(errors="replace"), WITHIN, lambda: output.read_text())
    return process, lambda: output.read_text(errors="replace")


def told_of_life(process, read, pattern):
    """Waits until the program has printed the last event, and compares all."""
    def events():
        return [int(event) for event in re.findall(pattern, read())]
    try:
        wait_until(lambda: UNDEFINED in events(), WITHIN, read)
        assert events() == LIFE
    finally:
        end(process)


@pytest.mark.skipif(not shutil.which("busctl"), reason="busctl is not installed")
def test_busctl(running, home):
    process, read = listening(home, ["busctl", f"--address={running.address}", "monitor", "--match",
                                     "type='signal',member='DomainEvent'"], "Monitoring")
    live(Busctl(running.address))
    told_of_life(process, read, rf'OBJECT_PATH "{GUEST}";\s+INT32 (\d+);')


class GDBus:
    def __init__(self, address):
        self.argv = ["gdbus", "call", "--address", address, "--dest", SERVICE, "--object-path"]

    def run(self, path, interface, member, *words):
        return run(*self.argv, path, "--method", f"{interface}.{member}", *[str(word) for word in words])

    def call(self, path, interface, member, signature, *args):
        glib = pytest.importorskip("gi.repository.GLib")
        result = self.run(path, interface, member, *args)
        assert result.returncode == 0, result.stderr
        return list(glib.Variant.parse(None, result.stdout.strip()).unpack())

    def get_all(self):
        return self.call(GUEST, PROPERTIES, "GetAll", "s", DOMAIN)[0]

    def set_autostart(self, value):
        self.call(GUEST, PROPERTIES, "Set", "ssv", DOMAIN, "Autostart", f"<{str(value).lower()}>")

    def failure(self, path, interface, member, _signature, *words):
        result = self.run(path, interface, member, *words)
        assert result.returncode != 0 and "org.libvirt.Error" in result.stderr
        return result.stderr


@pytest.mark.skipif(not shutil.which("gdbus"), reason="gdbus is not installed")
def test_gdbus(running, home):
    process, read = listening(home, ["gdbus", "monitor", "--address", running.address, "--dest", SERVICE,
                                     "--object-path", ROOT], "is owned by")
    live(GDBus(running.address))
    told_of_life(process, read, rf"DomainEvent \(objectpath '{GUEST}', (\d+), \d+\)")
