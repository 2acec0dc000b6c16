# SPDX-License-Identifier: LGPL-2.1-or-later
"""A copy of this machine to install packages in: its own root file system under one that lives in memory and
takes all writing, with processes and network of its own, and no systemd. What was written is seen at a
glance, and all of it is gone when its first process is."""

import os
import pathlib
import signal
import stat
import subprocess

from support.hosts.bus import answers
from support.process import PATIENCE, end, left_behind, spawn, wait_until

# The shell that stays collects the processes whose parents have gone: a zombie's user could not be removed.
SCRIPT = """set -e
cd "$1"
mount -t tmpfs -o mode=0755 none .
cd "$1"
mkdir upper work root
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" none root
mount -t proc none root/proc
mount --rbind /dev root/dev
mount -t tmpfs -o mode=0755 none root/run
mount -t tmpfs -o mode=1777 none root/tmp
chroot root dpkg --version >/dev/null
echo ready
sleep infinity &
wait
"""
CLEAN = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
         "DEBIAN_FRONTEND=noninteractive"]
SOCKET = "run/dbus/system_bus_socket"
# The records of dpkg, logs and caches remember a package on purpose; copies and locks of account files stay.
REMEMBERS = ("var/lib/dpkg", "var/log", "var/cache")
ACCOUNTS = {"etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/.pwd.lock"}


class Unavailable(Exception):
    """This machine lets nobody copy it; the message says why."""


class Machine:
    """One copy. `home` is an empty directory that only this test uses."""

    def __init__(self, home):
        self.home = home
        self.place = home / "machine"
        self.place.mkdir()
        self.log = home / "bus.log"
        self.bus = None
        self.process = spawn(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                              "sh", "-c", SCRIPT, "sh", str(self.place)], home,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        words = self.process.stdout.readline()
        if words != "ready\n":
            words += self.process.stdout.read()
            self.stop()
            raise Unavailable(words.strip())

    def stop(self):
        """Ends everything in it. unshare does not listen to SIGTERM, its child goes when it goes, and the kernel ends
        what is left of that child's processes, which takes it a moment."""
        if self.bus:
            end(self.bus)
        end(self.process, sig=signal.SIGKILL)
        self.process.stdout.close()
        wait_until(lambda: not left_behind(self.home), 10 * PATIENCE, "all that ran in it is gone")

    def outside(self, path):
        """How a process out here names a file of the copy."""
        return pathlib.Path(f"/proc/{self.process.pid}/root{self.place}/root", str(path).lstrip("/"))

    def command(self, *argv):
        pid = self.process.pid
        return ["nsenter", f"--target={pid}", "--mount", "--net", f"--pid=/proc/{pid}/ns/pid_for_children",
                "chroot", f"{self.place}/root", *CLEAN, *argv]

    def attempt(self, *argv):
        """Runs a command in the copy: (exit status, what it wrote)."""
        done = subprocess.run(self.command(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120 * PATIENCE, check=False)
        return done.returncode, done.stdout

    def run(self, *argv):
        """Runs a command that must succeed; returns what it wrote."""
        status, text = self.attempt(*argv)
        assert status == 0, f"{' '.join(argv)}: {text}"
        return text

    def bring(self, file):
        """Copies a file in; returns its name there."""
        name = f"/tmp/{file.name}"
        self.outside(name).write_bytes(file.read_bytes())
        self.outside(name).chmod(0o755)
        return name

    def installed(self, package):
        return self.attempt("dpkg-query", "-W", "-f=${db:Status-Status}", package) == (0, "installed")

    def start_bus(self):
        """A system bus as Debian configures it; returns its address for clients out here."""
        self.outside("run/dbus").mkdir()
        with open(self.log, "wb") as log:
            command = self.command("dbus-daemon", "--system", "--nofork", "--nopidfile", "--nosyslog")
            self.bus = spawn(command, self.home, stdout=log, stderr=log)
        socket = str(self.outside(SOCKET))
        wait_until(lambda: answers(socket) or self.bus.poll() is not None, 10 * PATIENCE, "the bus listens")
        assert self.bus.poll() is None, self.bus_log()
        return f"unix:path={socket}"

    def bus_log(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def changes(self):
        """{path: what it is now} for all that is not as on the machine that was copied."""
        upper = pathlib.Path(f"/proc/{self.process.pid}/root{self.place}/upper")
        found = {}
        for directory, directories, files in os.walk(upper):
            for name in directories + files:
                path = os.path.relpath(os.path.join(directory, name), upper)
                now = state(upper / path)
                if not remembered(path) and now != state(pathlib.Path("/", path)):
                    found[path] = now
        return found


def remembered(path):
    return path in ACCOUNTS or any(path == root or path.startswith(root + "/") for root in REMEMBERS)


def state(path):
    """Kind, rights, owner and contents of a file; None where there is none."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISCHR(about.st_mode) and about.st_rdev == 0:  # how the upper file system says "deleted"
        return None
    contents = None
    if stat.S_ISLNK(about.st_mode):
        contents = os.readlink(path)
    elif stat.S_ISREG(about.st_mode):
        contents = path.read_bytes()
    return oct(about.st_mode), about.st_uid, about.st_gid, contents
