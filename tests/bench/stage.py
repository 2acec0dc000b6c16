# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmark plays on: compiled clients, private buses, a private libvirtd with a guest, two daemons.

Everything lives in one temporary directory and ends with the stage, by process id."""

import os
import pathlib
import pwd
import selectors
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = ("load", "latency", "floor")
PATIENCE = 60
GUEST = "bench"

# A session bus without activation: a daemon that is missing must be an error, not started by name.
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
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""

# No disk, no firmware settings, no network: it sits in its BIOS, paused and running as the benchmark likes.
GUEST_XML = f"""<domain type='qemu'>
  <name>{GUEST}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices>
</domain>
"""


class Failure(Exception):
    """The benchmark cannot be run; the text says why."""


def compile_clients(target):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd", "libvirt"],
                           check=True, capture_output=True, text=True).stdout.split()
    for name in CLIENTS:
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-pthread",
                        "-o", target / name, HERE / f"{name}.c", *flags], check=True)


def wait_for(what, condition):
    """Waits for @condition to be true; a deadline is far longer than any machine needs."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {PATIENCE} s")

        time.sleep(0.01)


def memory(pid):
    """Resident and proportional memory of a process, in KiB."""
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            fields[name] = int(value.split()[0])

    return fields["Rss"], fields["Pss"]


def unprivileged():
    """The account that everything runs as. libvirtd serves a session, with paths of its own, only for an
    ordinary user; when the benchmark is run as root it uses `nobody`."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


class Stage:
    def __init__(self, guestbusd):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="guestbus-bench-"))
        self.account = unprivileged()
        self.processes = []
        self.buses = 0
        compile_clients(self.directory)
        # A copy, because the account may not be able to read the checkout.
        self.guestbusd = self.directory / "guestbusd"
        shutil.copy(guestbusd, self.guestbusd)
        self.guestbusd.chmod(0o755)
        (self.directory / "run").mkdir(mode=0o700)
        if os.geteuid() == 0:
            for path in (self.directory, self.directory / "run"):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)

        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory / "run"),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends what was started, the last first, and waits for each."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

        self.end_guests()
        shutil.rmtree(self.directory, ignore_errors=True)

    def end_guests(self):
        """A guest outlives its libvirtd: its process id is in a file of libvirt's."""
        for path in (self.directory / "run").glob("libvirt/qemu/run/*.pid"):
            try:
                os.kill(int(path.read_text(encoding="ascii")), signal.SIGKILL)
            except (OSError, ValueError):
                pass  # it has ended

    def arguments(self, extra=None):
        """What every process of the stage is started with."""
        arguments = {"env": {**self.environment, **(extra or {})}, "cwd": self.directory}
        if os.geteuid() == 0:
            arguments.update(user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[])

        return arguments

    def start(self, command, extra=None, first_line=False):
        """Starts a process that lives until the stage ends; returns it, and its first line if asked for."""
        log = (self.directory / f"{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log,
                                   stdout=subprocess.PIPE if first_line else log, **self.arguments(extra))
        log.close()
        self.processes.append(process)
        if not first_line:
            return process

        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline().decode().strip() if selector.select(PATIENCE) else ""

        if not line:
            raise Failure(f"{command[0]} did not start: {pathlib.Path(log.name).read_text(errors='replace')}")

        return process, line

    def run(self, *command, extra=None, timeout=600):
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False,
                              **self.arguments(extra))
        if done.returncode != 0:
            raise Failure(f"{command[0]}: {done.stderr.strip()}")

        return done.stdout

    def client(self, name, *arguments):
        return self.run(self.directory / name, *map(str, arguments))

    def start_bus(self):
        """Returns the address of a new bus."""
        self.buses += 1
        path = self.directory / f"bus{self.buses}"
        config = self.directory / f"bus{self.buses}.conf"
        config.write_text(BUS_CONFIG.format(path=path), encoding="utf-8")
        self.start(["dbus-daemon", "--nofork", "--print-address=1", f"--config-file={config}"], first_line=True)
        return f"unix:path={path}"

    def start_libvirtd(self):
        """A libvirtd for qemu:///session, with one running guest."""
        self.start(["libvirtd", "--timeout", "0"])
        socket = self.directory / "run" / "libvirt" / "libvirt-sock"
        wait_for("libvirtd", socket.exists)
        guest = self.directory / "guest.xml"
        guest.write_text(GUEST_XML, encoding="utf-8")
        self.run("virsh", "-c", "qemu:///session", "define", guest)
        self.run("virsh", "-c", "qemu:///session", "start", GUEST)

    def has_objects(self, address, connection):
        """Whether the daemon on this bus answers for this connection."""
        done = subprocess.run(
            ["busctl", f"--address={address}", "call", "org.libvirt", f"/org/libvirt/{connection}",
             "org.libvirt.Connect", "ListDomains", "u", "0"],
            capture_output=True, timeout=PATIENCE, check=False, **self.arguments())
        return done.returncode == 0

    def start_daemon(self, kind, connections):
        """Starts libvirt-dbus or guestbusd on a bus of its own, and waits until it answers for each of
        @connections, NAME to URI, which are as compiled in to libvirt-dbus. The one call for each also warms
        libvirt-dbus up: it connects, and delivers events, only after a call."""
        address = self.start_bus()
        if kind == "guestbusd":
            command = [self.guestbusd, "--address", address]
            for name, uri in connections.items():
                command += ["--connect", f"{name}={uri}"]
        else:
            command = ["libvirt-dbus", "--session"]

        process = self.start(command, {"DBUS_SESSION_BUS_ADDRESS": address})
        for name in connections:
            wait_for(f"{kind} {name}",
                     lambda name=name: process.poll() is not None or self.has_objects(address, name))
            if process.poll() is not None:
                raise Failure(f"{kind} ended with status {process.returncode}")

        return process, address

    def stop(self, process):
        process.terminate()
        process.wait(20)

    def start_floor(self, uris):
        return self.start([self.directory / "floor", *uris], first_line=True)[0]
