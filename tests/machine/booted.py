# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with systemd as process 1, as tools/machine boots it, with the package in it. Tests do there what an
administrator does, with the commands of an administrator."""

import itertools
import os
import pathlib
import re
import shlex
import subprocess

from support.process import PATIENCE, wait_until
from support.service import CHECKOUT

TOOL = CHECKOUT / "tools" / "machine"
KINDS = ("bookworm", "trixie", "trixie-broker", "trixie-modular")
PASSWORD = "secret"
UNIT = "guestbusd.service"
QEMU = "/org/libvirt/QEMU"
# A guest that boots nothing, for QEMU without KVM.
GUEST = """<domain type="qemu"><name>g1</name><memory unit="MiB">64</memory><vcpu>1</vcpu>
<os><type machine="pc">hvm</type></os><features><acpi/></features><devices><serial type="pty"/></devices></domain>"""

numbers = itertools.count(1)


def tool(*arguments, within=120):
    return subprocess.run([TOOL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=within * PATIENCE, check=False)


def lacking(kind):
    """Why no machine of the kind can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "only root can boot machines"
    check = tool("check", kind)
    return check.stdout.strip() if check.returncode else ""


class Machine:
    """One machine, without the package at first."""

    def __init__(self, kind, packages):
        self.kind = kind
        self.modular = kind == "trixie-modular"
        self.packages = packages
        self.name = f"gb{os.getpid()}-{next(numbers)}"
        boot = tool("boot", self.name, kind)
        assert boot.returncode == 0, boot.stdout
        self.files = pathlib.Path(tool("root", self.name).stdout.strip())

    def end(self):
        ended = tool("end", self.name)
        assert ended.returncode == 0, ended.stdout

    def reboot(self):
        boot = tool("reboot", self.name)
        assert boot.returncode == 0, boot.stdout

    def attempt(self, command, user="root"):
        """Runs a command line; returns its exit status, and what it wrote."""
        if user != "root":
            command = f"setpriv --reuid {user} --regid {user} --init-groups sh -c {shlex.quote(command)}"
        done = tool("run", self.name, command)
        return done.returncode, done.stdout

    def run(self, command, user="root"):
        """Runs a command line that must succeed; returns what it wrote."""
        status, text = self.attempt(command, user)
        assert status == 0, f"{command}: {text}"
        return text

    def refused(self, command, user="root"):
        """Runs a command line that must fail; returns what it wrote."""
        status, text = self.attempt(command, user)
        assert status != 0, f"{command}: {text}"
        return text

    def until(self, command, wanted=None, within=60, user="root"):
        """Waits until a command line succeeds, or writes what is wanted."""
        last = []

        def holds():
            last[:] = self.attempt(command, user)
            return last[0] == 0 if wanted is None else last[1].strip() == wanted
        wait_until(holds, within * PATIENCE, lambda: f"{command}: {last}", every=0.2)

    def bring(self, file):
        """Copies a file in; returns its name there. (/tmp is a file system that is not seen from out here.)"""
        name = f"/root/{file.name}"
        (self.files / name.lstrip("/")).write_bytes(file.read_bytes())
        return name

    def write(self, name, text):
        (self.files / name.lstrip("/")).write_text(text, encoding="utf-8")

    def read(self, name):
        try:
            return (self.files / name.lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def install(self):
        """Installs the package, as from a file that was downloaded, and waits until it serves the hypervisor."""
        package, = self.packages.glob("guestbus_*.deb")
        self.run(f"apt-get install -q -y {self.bring(package)}")
        self.until_connected()

    def until_connected(self):
        self.until(f"busctl --system get-property org.guestbus1 {QEMU} org.guestbus.Connection1 State", 's "connected"')

    def pid(self):
        """The service's process, as systemd knows it; 0 where there is none."""
        return int(self.run(f"systemctl show -P MainPID {UNIT}"))

    def epoch(self):
        """The name of the stream of events that goes on."""
        return self.run(f"busctl --system get-property org.guestbus1 {QEMU} org.guestbus.Connection1 Epoch")

    def until_restarted(self, pid):
        wait_until(lambda: self.pid() not in (0, pid), 90 * PATIENCE, "the service is started again", every=0.2)
        self.until_connected()

    def call(self, path, interface, method, arguments="", user="root", flags=""):
        return self.run(f"busctl --system {flags} call org.libvirt {path} org.libvirt.{interface} {method} {arguments}",
                        user)

    def define_guest(self):
        """Defines g1; returns its path."""
        self.write("/root/g1.xml", GUEST)
        self.run("virsh -c qemu:///system define /root/g1.xml")
        uuid = self.run("virsh -c qemu:///system domuuid g1").strip()
        return f"{QEMU}/domain/_{uuid.replace('-', '_')}"

    def log(self, *options):
        """What the service has written to the journal since the boot."""
        return self.run(f"journalctl -q -b -u {UNIT} -o cat {' '.join(options)}")

    def failed_units(self):
        """Of those that have to do with the service: some of others fail in a container."""
        return self.run("systemctl list-units --failed --no-legend --plain 'guestbus*' 'libvirt*' 'virt*' 'dbus*' 'polkit*'")

    def listen(self, user="root"):
        return Listener(self, user)


class Listener:
    """gdbus monitor of a user."""

    def __init__(self, machine, user):
        self.machine = machine
        self.log = f"/home/{user}/signals" if user != "root" else "/root/signals"
        machine.run(f"systemd-run -q --collect --uid={user} -p StandardOutput=truncate:{self.log} "
                    f"gdbus monitor --system --dest org.libvirt")
        # It says so before it listens; a signal that it hears is one that it asked for.
        wait_until(lambda: "is owned by" in self.text(), 20 * PATIENCE, self.text)

    def text(self):
        return self.machine.read(self.log)

    def events(self, signal="DomainEvent"):
        """The numbers of each event and its detail, in their order."""
        return [tuple(int(number) for number in pair) for pair in
                re.findall(rf"org\.libvirt\.Connect\.{signal} \(objectpath '[^']*', (-?\d+), (-?\d+)\)", self.text())]

    def until_hears(self, event, signal="DomainEvent"):
        wait_until(lambda: event in [kind for kind, _ in self.events(signal)], 30 * PATIENCE, self.text, every=0.1)
