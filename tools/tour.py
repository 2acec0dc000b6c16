# SPDX-License-Identifier: LGPL-2.1-or-later
"""tour.py [--system] [--once]: starts guestbusd, takes a guest through its life over D-Bus, and prints each signal as
it arrives. Then it stays up, showing signals, while you try the commands that it prints, until Ctrl-C.

By default the bus is a private one, and the hypervisor libvirt's test driver, so that nothing of this machine is
touched. --system uses the system bus and the host's libvirtd, where there are both. With --once, or where nobody sits
at a terminal, it ends after the tour; its status is 0 when every step was followed by its signals."""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from gi.repository import Gio, GLib

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What it shows is what it says, whatever this machine's configuration.
os.environ["GUESTBUS_CONFIG_DIR"] = ""
SYSTEM_BUS = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket")
LIBVIRT_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
TOUR_POLICY = pathlib.Path("/etc/dbus-1/system.d/guestbus-tour.conf")
PATIENCE = 30
GUEST = "guestbus-tour"

# A session bus that starts nothing by itself.
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

GUEST_XML = """<domain type='{type}'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='{arch}'>hvm</type></os>
</domain>
"""

# libvirt's numbers of lifecycle events in words, each with those of its details.
LIFECYCLE = (
    ("defined", ("added", "updated", "renamed", "from snapshot")),
    ("undefined", ("removed", "renamed")),
    ("started", ("booted", "migrated", "restored", "from snapshot", "woken up")),
    ("suspended", ("paused", "migrated", "I/O error", "watchdog", "restored", "from snapshot", "API error",
                   "post-copy", "post-copy failed")),
    ("resumed", ("unpaused", "migrated", "from snapshot", "post-copy", "post-copy failed")),
    ("stopped", ("shut down", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot")),
    ("shutdown", ("finished", "by the guest", "by the host")),
    ("asleep", ("in memory", "on disk")),
    ("crashed", ("panicked", "crash loaded")),
)


class Failure(Exception):
    """The tour cannot go on; the text says why."""


def word(words, number):
    return words[number] if 0 <= number < len(words) else str(number)


def describe(interface, member, values):
    """A signal in words. Those that this does not know are shown as they are."""
    if (interface, member) == ("org.libvirt.Connect", "DomainEvent"):
        _, event, detail = values
        if not 0 <= event < len(LIFECYCLE):
            return f"lifecycle {event} ({detail})"

        name, details = LIFECYCLE[event]
        return f"lifecycle {name} ({word(details, detail)})"

    arguments = " ".join(str(value) for value in values)
    return f"{interface.rpartition('.')[2]}.{member} {arguments}".rstrip()


class Processes:
    """What the tour started; all of it ends with the tour, the last first."""

    def __init__(self):
        self.started = []

    def start(self, command, **arguments):
        # A session of its own: Ctrl-C is for the tour, which ends the others in order.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **arguments)
        self.started.append(process)
        return process

    def end(self):
        for process in reversed(self.started):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Screen:
    """Prints steps and signals, in columns, with the time."""

    def __init__(self):
        self.colour = sys.stdout.isatty()

    def line(self, left, right, code):
        now = time.time()
        stamp = time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now * 1000) % 1000:03}"
        text = f"{stamp}  {left:<24} {right}"
        print(f"\033[{code}m{text}\033[0m" if self.colour else text, flush=True)

    def step(self, text):
        self.line("tour", "→ " + text, "1")

    def signal(self, name, text):
        self.line("  signal  " + name, text, "32")


class Tour:
    def __init__(self, address, connection, guest_type, screen):
        flags = Gio.DBusConnectionFlags
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        self.connection = f"/org/libvirt/{connection}"
        self.guest_type = guest_type
        self.screen = screen
        self.daemon = None
        self.guest = None
        self.names = {}
        self.seen = []

    def call(self, path, method, arguments=None, reply=None):
        interface, _, name = method.rpartition(".")
        try:
            answer = self.bus.call_sync("org.guestbus1", path, interface, name, arguments,
                                        GLib.VariantType(reply) if reply else None,
                                        Gio.DBusCallFlags.NO_AUTO_START, PATIENCE * 1000, None)
        except GLib.Error as error:
            self.check_daemon()
            raise Failure(f"{method}: {error.message}") from error

        return answer.unpack()

    def wait_for(self, what, condition):
        """Serves the bus until @condition is true."""
        deadline = time.monotonic() + PATIENCE
        context = GLib.MainContext.default()
        tick = GLib.timeout_add(50, lambda: GLib.SOURCE_CONTINUE)  # so that iteration() below comes back
        try:
            while not condition():
                self.check_daemon()
                if time.monotonic() > deadline:
                    raise Failure(f"{what}: not within {PATIENCE} s")

                context.iteration(True)
        finally:
            GLib.source_remove(tick)

    def check_daemon(self):
        """Raises when the service has ended, which explains everything else."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            # The bus may know of its end a moment before its parent does.
            raise Failure(f"guestbusd ended with status {self.daemon.wait(0.001)}")

    def has_name(self, name):
        answer = self.bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                    "NameHasOwner", GLib.Variant("(s)", (name,)), None, Gio.DBusCallFlags.NONE,
                                    PATIENCE * 1000, None)
        return answer.unpack()[0]

    def start(self, daemon):
        """Waits for @daemon to be on the bus and for its hypervisor to answer, and listens from then on."""
        self.daemon = daemon
        self.wait_for("guestbusd", lambda: self.has_name("org.guestbus1"))
        self.bus.signal_subscribe("org.guestbus1", None, None, None, None, Gio.DBusSignalFlags.NONE,
                                  self.on_signal)
        for path in self.domains():
            self.name_of(path)

    def domains(self):
        return self.call(self.connection, "org.libvirt.Connect.ListDomains", GLib.Variant("(u)", (0,)),
                         "(ao)")[0]

    def name_of(self, path):
        """The guest's name, as long as there is one to ask for; it is kept for its last signals."""
        if path not in self.names:
            try:
                self.names[path] = self.call(
                    path, "org.freedesktop.DBus.Properties.Get",
                    GLib.Variant("(ss)", ("org.libvirt.Domain", "Name")), "(v)")[0]
            except Failure:
                return path.rpartition("/")[2]

        return self.names[path]

    def on_signal(self, _bus, _sender, path, interface, member, parameters):
        values = parameters.unpack()
        about = path
        if values and isinstance(values[0], str) and values[0].startswith(path + "/"):
            about = values[0]  # signals of a connection name their object first

        name = self.name_of(about) if "/domain/" in about else about.rpartition("/")[2]
        self.seen.append((about, describe(interface, member, values)))
        self.screen.signal(name, self.seen[-1][1])

    def step(self, text, act, *expected):
        """One step of the tour, which is over when the signals that it causes have arrived."""
        del self.seen[:]
        self.screen.step(text)
        act()
        for words in expected:
            self.wait_for(f"the signal \"{words}\"",
                          lambda words=words: (self.guest, words) in self.seen)

    def define(self):
        xml = GUEST_XML.format(type=self.guest_type, name=GUEST,
                               arch="i686" if self.guest_type == "test" else os.uname().machine)
        self.guest = self.call(self.connection, "org.libvirt.Connect.DomainDefineXML",
                               GLib.Variant("(s)", (xml,)), "(o)")[0]
        self.names[self.guest] = GUEST

    def do(self, method, flags=True):
        def act():
            self.call(self.guest, "org.libvirt.Domain." + method, GLib.Variant("(u)", (0,)) if flags else None)

        return act

    def live(self):
        """The life of a guest."""
        self.step("DomainDefineXML", self.define, "lifecycle defined (added)")
        self.step("Create", self.do("Create"), "lifecycle started (booted)")
        self.step("Suspend", self.do("Suspend", False), "lifecycle suspended (paused)")
        self.step("Resume", self.do("Resume", False), "lifecycle resumed (unpaused)")
        if self.guest_type != "test":
            self.step("Reset", self.do("Reset"), "Domain.Reboot")

        state, reason = self.call(self.guest, "org.libvirt.Domain.GetState", GLib.Variant("(u)", (0,)),
                                  "((ii))")[0]
        self.screen.step(f"GetState answers state {state}, reason {reason}")
        self.step("Destroy", self.do("Destroy"), "lifecycle stopped (destroyed)")
        self.step("Undefine", self.do("Undefine"), "lifecycle undefined (removed)")
        self.guest = None

    def clean(self):
        """Leaves no guest behind, wherever the tour ended."""
        if self.guest is None:
            return

        for method in ("Destroy", "Undefine"):
            with contextlib.suppress(Failure):
                self.do(method)()

    def stay(self):
        loop = GLib.MainLoop()
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
        self.bus.connect("closed", lambda *_: loop.quit())
        loop.run()


def print_commands(address, connection, tour):
    """Commands that can be pasted into another terminal."""
    busctl = "busctl --system" if address == SYSTEM_BUS else f"busctl --address={address}"
    gdbus = "gdbus call --system" if address == SYSTEM_BUS else f"gdbus call --address {address}"
    path = f"/org/libvirt/{connection}"
    domains = tour.domains()
    guest = next((domain for domain in domains if tour.name_of(domain) == "test"), domains and domains[0])
    print("\nTry, in another terminal:\n")
    print(f"  {busctl} tree org.guestbus1")
    print(f"  {busctl} call org.libvirt {path} org.libvirt.Connect ListDomains u 0")
    print(f"  {gdbus} --dest org.libvirt --object-path {path} --method org.libvirt.Connect.GetCapabilities")
    if guest:
        print(f"  {busctl} introspect org.libvirt {guest}")
        print(f"  {busctl} call org.libvirt {guest} org.libvirt.Domain GetState u 0")
        print(f"  {busctl} get-property org.libvirt {guest} org.libvirt.Domain Name")
        for method in ("Suspend", "Resume"):
            print(f"  {busctl} call org.libvirt {guest} org.libvirt.Domain {method}")
        print(f"  {gdbus} --dest org.libvirt --object-path {guest} --method org.libvirt.Domain.GetXMLDesc 0")
    if address != SYSTEM_BUS:
        print(f"\nor, first, for the examples of the README:\n\n  export DBUS_SYSTEM_BUS_ADDRESS={address}")
    print()


@contextlib.contextmanager
def bus_policy():
    """Lets root own the names on the system bus, for as long as the tour takes, where no package has done so."""
    installed = any("org.guestbus1" in path.read_text(errors="replace")
                    for directory in ("/etc/dbus-1/system.d", "/usr/share/dbus-1/system.d")
                    for path in pathlib.Path(directory).glob("*.conf"))
    if installed:
        yield
        return

    def reload():
        subprocess.run(["busctl", f"--address={SYSTEM_BUS}", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                        "org.freedesktop.DBus", "ReloadConfig"], check=True, timeout=PATIENCE)

    print(f"For the time of the tour, {TOUR_POLICY} lets root own the names.")
    shutil.copy(ROOT / "dbus-policy" / "org.libvirt.conf", TOUR_POLICY)
    try:
        reload()
        yield
    finally:
        TOUR_POLICY.unlink()
        reload()


def socket_of(address):
    return pathlib.Path(address.partition("unix:path=")[2].partition(",")[0])


def choose_system():
    """Whether --system can be done here."""
    if not socket_of(SYSTEM_BUS).is_socket():
        reason = "there is no system bus"
    elif not any(pathlib.Path(path).is_socket() for path in LIBVIRT_SOCKETS):
        reason = "libvirtd is not running"
    elif os.geteuid() != 0:
        raise Failure("--system has to own names on the system bus: run it as root, or with sudo")
    else:
        return True

    print(f"--system: {reason}; going on with a private bus and libvirt's test driver.")
    return False


def start_private_bus(processes, directory):
    path = pathlib.Path(directory, "bus")
    config = pathlib.Path(directory, "bus.conf")
    config.write_text(BUS_CONFIG.format(path=path), encoding="utf-8")
    with pathlib.Path(directory, "bus.log").open("wb") as log:
        bus = processes.start(["dbus-daemon", "--nofork", "--print-address=1", f"--config-file={config}"],
                              stdout=subprocess.PIPE, stderr=log)
    if not bus.stdout.readline():
        raise Failure("dbus-daemon did not start: " + pathlib.Path(log.name).read_text(errors="replace"))

    return f"unix:path={path}"


def tour_of(arguments, processes, directory):
    if arguments.system and choose_system():
        address, connection, uri, guest_type = SYSTEM_BUS, "QEMU", "qemu:///system", "qemu"
    else:
        address, connection, uri, guest_type = (start_private_bus(processes, directory), "Test",
                                                "test:///default", "test")

    with bus_policy() if address == SYSTEM_BUS else contextlib.nullcontext():
        command = [arguments.daemon, "--address", address, "--connect", f"{connection}={uri}"]
        print("Starting", *command, flush=True)
        daemon = processes.start(command, env={**os.environ, "STATE_DIRECTORY": f"{directory}/state"})
        tour = Tour(address, connection, guest_type, Screen())
        tour.start(daemon)
        try:
            tour.live()
        finally:
            tour.clean()

        print_commands(address, connection, tour)
        if not arguments.once and sys.stdin.isatty():
            print("Signals are shown here as they arrive. Ctrl-C ends it.\n", flush=True)
            tour.stay()

        # Before the policy goes, under which it owns its names.
        processes.end()


def main():
    parser = argparse.ArgumentParser(prog="tools/run", description="Shows guestbusd at work.")
    parser.add_argument("--system", action="store_true", help="use the system bus and the host's libvirtd")
    parser.add_argument("--once", action="store_true", help="end after the tour")
    parser.add_argument("--daemon", type=pathlib.Path, default=ROOT / "build/service/guestbusd",
                        help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    processes = Processes()
    # As Ctrl-C does it: through every `finally` on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="guestbus-tour-") as directory:
        try:
            tour_of(arguments, processes, directory)
        except (Failure, OSError, GLib.Error, subprocess.SubprocessError) as error:
            sys.exit(f"tour: {error}")
        except KeyboardInterrupt:
            pass
        finally:
            processes.end()


if __name__ == "__main__":
    main()
