# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real libvirtd in a private directory, run by an ordinary user, and QEMU guests in it.

Not as root: where /dev/kvm exists and QEMU's user cannot open it, a libvirtd of root's probes QEMU anew at
each define, for seconds; an ordinary user's does not. And nothing here touches the machine's own libvirt."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from .. import PROGRAMS
from ..process import PATIENCE, alive, as_user, end, end_all, left_behind, ordinary_user, read, spawn, wait_until
from .bus import answers

GUEST = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <maxMemory slots='4' unit='MiB'>1024</maxMemory>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'>
    <model>qemu64</model>
    <numa><cell id='0' cpus='0' memory='128' unit='MiB'/></numa>
  </cpu>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='qemu-xhci'/>
    <memballoon model='virtio'/>
  </devices>
</domain>"""

DIMM = """<memory model='dimm'>
  <target><size unit='MiB'>128</size><node>0</node></target>
</memory>"""

TABLET = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"


def emulator():
    return shutil.which("qemu-system-x86_64")


def guest_xml(name="guest", uuid="11111111-2222-3333-4444-555555555555"):
    return GUEST.format(name=name, uuid=uuid, emulator=emulator())


def missing():
    """What this machine lacks for these tests, or None."""
    for program in ("libvirtd", "virsh", "setpriv"):
        if not shutil.which(program):
            return program
    return None if emulator() else "qemu-system-x86_64"


class Libvirtd:
    """A libvirtd. start(), stop() and kill() may be called again and again; the guests survive in between."""

    def __init__(self, home, cache):
        self.home = pathlib.Path(home)
        self.user = ordinary_user()
        self.root = self.home / "libvirt"
        self.env = {}
        for name in ("RUNTIME", "CONFIG", "DATA"):
            self.env[f"XDG_{name}_{'DIR' if name == 'RUNTIME' else 'HOME'}"] = self.directory(name.lower())
        self.env["HOME"] = self.directory("home")
        self.env["XDG_CACHE_HOME"] = self.directory(cache)
        self.socket = str(self.root / "runtime" / "libvirt" / "libvirt-sock")
        self.log = self.home / "libvirtd.log"
        self.process = None
        self.choose_ports()

    def choose_ports(self):
        """Those of screens are not those of another test's libvirtd: each takes for free what no QEMU listens at yet."""
        path = pathlib.Path(self.directory("config/libvirt")) / "qemu.conf"
        first = 5900 + os.getpid() % 260 * 100
        path.write_text(f"remote_display_port_min = {first}\nremote_display_port_max = {first + 99}\n", encoding="ascii")
        path.chmod(0o644)

    def directory(self, name):
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        if self.user:
            os.chown(path, *self.user)
        return str(path)

    @property
    def uri(self):
        return f"qemu+unix:///session?socket={self.socket}"

    @property
    def test_uri(self):
        """The test driver inside this libvirtd: one state, whoever connects."""
        return f"test+unix:///default?socket={self.socket}"

    def configure(self, text):
        """Writes its libvirtd.conf; read at its next start. It makes the directory itself, but not at once."""
        path = pathlib.Path(self.directory("config/libvirt")) / "libvirtd.conf"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)

    def command(self):
        return ["libvirtd"]

    def start(self):
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = spawn(self.command(), self.home, env=self.env, user=self.user, stdout=log,
                                 stderr=log)
        wait_until(lambda: answers(self.socket) or self.process.poll() is not None, 30 * PATIENCE,
                   "libvirtd listens", every=0.002)
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
        return self

    def stop(self, sig=signal.SIGTERM):
        """Ends it; its guests run on."""
        if self.process:
            end(self.process, 30, sig)
            self.process = None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def finish(self):
        """Ends it and every QEMU of its directory."""
        self.stop()
        end_all([pid for pid in left_behind(self.root) if pid != os.getpid()])

    def virsh(self, *args, uri=None, check=True):
        """Runs virsh; returns what it printed."""
        argv = as_user(["virsh", "-q", "-c", uri or self.uri, *args], self.user)
        result = subprocess.run(argv, env=dict(os.environ, **self.env), capture_output=True, text=True,
                                timeout=60 * PATIENCE, check=False)
        assert not check or result.returncode == 0, f"virsh {args}: {result.stderr}"
        return result.stdout

    def define(self, xml):
        """Defines a domain with virsh."""
        file = self.home / f"domain-{time.monotonic_ns()}.xml"
        file.write_text(xml, encoding="utf-8")
        self.virsh("define", str(file))

    def file(self, text):
        """A file that virsh can read."""
        path = self.home / f"file-{time.monotonic_ns()}.xml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def clients(self):
        """How many connections it serves. Its ends of them belong to the namespace of who connects."""
        rows = (line.split() for line in read("/proc/self/net/unix").decode().splitlines())
        return sum(row[-1] in (self.socket, f"{self.socket}-ro") and row[5] == "03" for row in rows)

    def qemus(self, complete=False):
        """pids of its guests; of those that are complete alone, for one that is being started is a process, too."""
        pids = []
        for path in (self.root / "runtime" / "libvirt" / "qemu" / "run").glob("*.pid"):
            status = re.search(rb"<domstatus [^>]*>", read(path.with_suffix(".xml")))
            if path.name != "driver.pid" and (not complete or status and b"starting-up" not in status[0]):
                pids.append(read(path).strip())
        return [int(pid) for pid in pids if pid and alive(int(pid))]


class SystemLibvirtd(Libvirtd):
    """One that takes itself for root's: it has the same life, and its sockets take every user."""

    def admit_all(self, config, more=""):
        """Writes its libvirtd.conf; `more` are further lines of it."""
        sockets = self.directory("sockets")
        self.socket = os.path.join(sockets, "libvirt-sock")
        self.config = config
        self.config.write_text(f'unix_sock_dir = "{sockets}"\nunix_sock_rw_perms = "0777"\n'
                               f'auth_unix_rw = "none"\nauth_unix_ro = "none"\n{more}', encoding="utf-8")
        self.config.chmod(0o644)

    @property
    def uri(self):
        return f"qemu+unix:///system?socket={self.socket}"


class Watcher:
    """A plain libvirt client in a process of its own that writes down every event it is told. Others have a program
    of their own, which says "ready" when it listens."""

    PROGRAM = "events.py"

    def __init__(self, home, uri, *more, user=None):
        """`more` are further arguments of the program."""
        program = PROGRAMS / self.PROGRAM
        self.process = spawn([sys.executable, str(program), uri, *more], home, user=user,
                             stdout=subprocess.PIPE, bufsize=0)
        self.buffer = b""
        self.events = []
        os.set_blocking(self.process.stdout.fileno(), False)
        wait_until(lambda: ["ready"] in self.read(), 20 * PATIENCE, "the plain client listens")
        self.events.remove(["ready"])

    def read(self):
        """The events so far, each a list, as the program prints it."""
        while data := self.process.stdout.read(65536):
            self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        self.events += [json.loads(line) for line in lines]
        return self.events

    def wait_for(self, predicate, within=10 * PATIENCE):
        return wait_until(lambda: next((e for e in self.read() if predicate(e)), None), within,
                          lambda: f"event; seen {self.events}")

    def stop(self):
        end(self.process)
        self.process.stdout.close()
