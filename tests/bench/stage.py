# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmark plays on: compiled clients, private buses, a private libvirtd with a guest, two daemons.

Everything lives in two temporary directories and ends with the stage, by process id."""

import os
import pathlib
import pwd
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
# The tests' modules are beside the benchmark.
from support.hosts.bus import SESSION_LIMITS, Broker, configuration  # noqa: E402
from support.process import switches  # noqa: E402, F401 (used by the parts)

CLIENTS = ("load", "threads", "latency", "floor", "events", "inventory", "slow")
KINDS = ("libvirt-dbus", "guestbusd")
# The column of what is measured beside the two: a program that uses libvirt alone.
PLAIN = "plain libvirt"
PATIENCE = 60
# None: where temporary files are.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
GUEST = "bench"
# Its QEMU is stopped while others are measured: what is asked of it takes as long as that.
SLOW_GUEST = "slow"
# The drivers, NAME to URI: one inside the process, one behind a socket.
TEST = {"Test": "test:///default"}
QEMU = {"QEMU": "qemu:///session"}
BOTH = {**QEMU, **TEST}
TEST_GUEST = "/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"

# No disk, no firmware settings, no network: it sits in its BIOS, paused and running as the benchmark likes.
GUEST_XML = """<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices>
</domain>
"""


def turns(number, kinds=KINDS):
    """The order of kinds in a round: who is first changes, so that nobody always is."""
    return kinds if number % 2 == 0 else tuple(reversed(kinds))


def counted(n, what):
    return f"{n} {what}{'' if n == 1 else 's'}"


class Failure(Exception):
    """The benchmark cannot be run; the text says why."""


def compile_clients(target):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd", "libvirt"],
                           check=True, capture_output=True, text=True).stdout.split()
    compiler = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-pthread"]
    compilers = [subprocess.Popen([*compiler, "-o", target / name, HERE / f"{name}.c", *flags])
                 for name in CLIENTS]
    if any([process.wait() for process in compilers]):
        raise Failure("the clients cannot be compiled")


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


def cpu_time(pid):
    """Nanoseconds of CPU that a process has spent: the clock that clock_getcpuclockid() names."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def unprivileged():
    """The account that everything runs as. libvirtd serves a session, with paths of its own, only for an
    ordinary user; when the benchmark is run as root it uses `nobody`."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


class Stage:
    def __init__(self, guestbusd, still_ms):
        self.bus_kind = "dbus-daemon"
        self.brokers = []  # each is its bus's launcher: it ends when that is forgotten
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="guestbus-bench-"))
        self.account = unprivileged()
        self.processes = []
        self.buses = 0
        self.has_libvirtd = False
        self.patience = PATIENCE
        self.still = still_ms / 1000
        compile_clients(self.directory)
        # A copy, because the account may not be able to read the checkout.
        self.guestbusd = self.directory / "guestbusd"
        shutil.copy(guestbusd, self.guestbusd)
        self.guestbusd.chmod(0o755)
        # libvirtd writes the state of guests again and again, and waits for the disk each time. That is not
        # to be measured: it writes to memory.
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="guestbus-bench-", dir=MEMORY))
        if os.geteuid() == 0:
            for path in (self.directory, self.home):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)

        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "GUESTBUS_CONFIG_DIR": "",
            "BENCH_STILL_MS": str(still_ms),  # see client.h
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

        for broker in self.brokers:
            broker.stop()
        self.end_guests()
        for directory in (self.directory, self.home):
            shutil.rmtree(directory, ignore_errors=True)

    def end_guests(self):
        """A guest outlives its libvirtd: its process id is in a file of libvirt's."""
        for path in self.home.glob("libvirt/qemu/run/*.pid"):
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
        """Returns the address of a new bus, of the stage's kind."""
        self.buses += 1
        if self.bus_kind == "dbus-broker":
            home = self.directory / f"broker{self.buses}"
            home.mkdir(mode=0o755)
            self.brokers.append(Broker(home))
            return self.brokers[-1].address

        path = self.directory / f"bus{self.buses}"
        config = self.directory / f"bus{self.buses}.conf"
        # A daemon that is missing must be an error, not started by name: nothing is.
        config.write_text(configuration("session", path, SESSION_LIMITS), encoding="utf-8")
        self.start(["dbus-daemon", "--nofork", "--print-address=1", f"--config-file={config}"],
                   first_line=True)
        return f"unix:path={path}"

    def start_libvirtd(self):
        """A libvirtd for qemu:///session, with one running guest; the same one each time."""
        if self.has_libvirtd:
            return

        self.has_libvirtd = True
        self.start(["libvirtd", "--timeout", "0"])
        socket = self.home / "libvirt" / "libvirt-sock"
        wait_for("libvirtd", socket.exists)
        self.start_guest(GUEST)

    def virsh(self, *arguments):
        return self.run("virsh", "-c", QEMU["QEMU"], *arguments)

    def define_guest(self, name):
        """Returns the path of its object."""
        guest = self.directory / f"{name}.xml"
        guest.write_text(GUEST_XML.format(name=name), encoding="utf-8")
        self.virsh("define", guest)
        return self.guest_path(name)

    def start_guest(self, name):
        """Defines and starts a guest, and returns the path of its object."""
        path = self.define_guest(name)
        self.virsh("start", name)
        return path

    def guest_path(self, name):
        uuid = self.virsh("domuuid", name).strip()
        return f"/org/libvirt/QEMU/domain/_{uuid.replace('-', '_')}"

    def guest_pid(self, name):
        """The process id of a running guest's QEMU."""
        path = self.home / "libvirt" / "qemu" / "run" / f"{name}.pid"
        return int(path.read_text(encoding="ascii"))

    def has_objects(self, address, connection):
        """Whether the daemon on this bus answers for this connection."""
        done = subprocess.run(
            ["busctl", f"--address={address}", "call", "org.libvirt", f"/org/libvirt/{connection}",
             "org.libvirt.Connect", "ListDomains", "u", "0"],
            capture_output=True, timeout=PATIENCE, check=False, **self.arguments())
        return done.returncode == 0

    def launch(self, kind, connections, address):
        """Starts libvirt-dbus or guestbusd on this bus with @connections, NAME to URI, which are those that
        are compiled in to libvirt-dbus."""
        if kind == "guestbusd":
            command = [self.guestbusd, "--address", address]
            for name, uri in connections.items():
                command += ["--connect", f"{name}={uri}"]
        else:
            command = ["libvirt-dbus", "--session"]

        return self.start(command, {"DBUS_SESSION_BUS_ADDRESS": address})

    def start_daemon(self, kind, connections):
        """Launches a daemon on a bus of its own, and waits until it answers for each of @connections. The one
        call for each also warms libvirt-dbus up: it connects, and delivers events, only after a call."""
        address = self.start_bus()
        process = self.launch(kind, connections, address)
        for name in connections:
            wait_for(f"{kind} {name}",
                     lambda name=name: process.poll() is not None or self.has_objects(address, name))
            if process.poll() is not None:
                raise Failure(f"{kind} ended with status {process.returncode}")

        return process, address

    def wait_still(self, process):
        """Waits until a process has nothing left to do."""
        before = None
        deadline = time.monotonic() + PATIENCE
        while (now := cpu_time(process.pid)) != before:
            if time.monotonic() > deadline:
                raise Failure(f"{process.args[0]} does not come to rest")

            before = now
            time.sleep(self.still)

    def stop_from(self, first):
        """Ends the processes from that place on, which a part that failed has left."""
        for process in reversed(self.processes[first:]):
            if process.poll() is None:
                self.stop(process)

    def stop(self, process):
        process.terminate()
        process.wait(20)

    def read_number(self, process, whom):
        """The next line of a process, which waits for what @whom does."""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(self.patience) else b""

        if not line:
            raise Failure(f"{whom}: what was waited for did not come")

        return int(line)

    def start_floor(self, uris):
        return self.start([self.directory / "floor", *uris], first_line=True)[0]
