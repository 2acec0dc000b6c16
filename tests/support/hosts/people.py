# SPDX-License-Identifier: LGPL-2.1-or-later
"""People: real users that are known in a private mount namespace alone, so that the machine's /etc stays as
it is. What has to know them by name (a bus with a policy for a group, polkitd, guestbusd) is started there.

Their files lie over /etc as a layer, and not each over its own: a mount on a file is gone, in all namespaces, when
another takes that file's place, and an installation on the machine does that to /etc/passwd.

A person's client is an ordinary Client. Its socket was connected, and the bus was told who it is, by a
process of that user, which stays for as long as the client: to the bus, to polkit and to guestbusd it is that
process."""

import grp
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys

from jeepney.io.blocking import DBusConnection

from .. import PROGRAMS
from ..client import SERVICE, Client
from ..process import PATIENCE, end, spawn, wait_until

# {name: groups besides their own}. The last is the account of the packaged service.
EVERYBODY = {"member": ("libvirt",), "outsider": (), "limited": (), "stranger": (), "guestbus": ("libvirt",)}
GROUPS = ("libvirt",)
FIRST_ID = 47001

# What is there instead of polkit's own directories, and empty at first.
MOUNTS = {"etc-rules": "/etc/polkit-1/rules.d", "share-rules": "/usr/share/polkit-1/rules.d",
          "actions": "/usr/share/polkit-1/actions"}
SCRIPT = """set -e
mount -t overlay -o "lowerdir=$1:/etc" people /etc
shift
while [ $# -gt 0 ]; do
        [ ! -e "$2" ] || mount --bind "$1" "$2"
        shift 2
done
echo ready
exec sleep infinity
"""
SPACE = ["unshare", "--mount", "--propagation", "private"]


def missing():
    """What this machine lacks for other people, or None."""
    if os.geteuid() != 0:
        return "the right to be several users (root)"
    for program in ("unshare", "nsenter", "setpriv"):
        if not shutil.which(program):
            return program
    may = subprocess.run([*SPACE, "mount", "-t", "overlay", "-o", "lowerdir=/mnt:/etc", "people", "/etc"],
                         capture_output=True, timeout=60, check=False)
    return None if may.returncode == 0 else "the right to mount"


class People:
    """The namespace and who is in it. `ids` is {name: uid}; everybody's own group has the same number."""

    def __init__(self, home):
        self.home = home
        self.root = pathlib.Path(home) / "people"
        self.etc = self.root / "etc"
        self.ids = {name: FIRST_ID + index for index, name in enumerate(EVERYBODY)}
        for path in (self.root, self.etc, *(self.root / name for name in MOUNTS)):
            path.mkdir()
            path.chmod(0o755)
        self.write_accounts()
        mounts = [path for name, there in MOUNTS.items() for path in (str(self.root / name), there)]
        self.holder = spawn([*SPACE, "sh", "-c", SCRIPT, "sh", str(self.etc), *mounts], home, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n", "no namespace"

    def write_accounts(self):
        """The machine's accounts, less those of the same names, and everybody's."""
        users = [":".join((u.pw_name, "x", str(u.pw_uid), str(u.pw_gid), "", u.pw_dir, u.pw_shell))
                 for u in pwd.getpwall() if u.pw_name not in EVERYBODY]
        groups = [f"{g.gr_name}:x:{g.gr_gid}:{','.join(g.gr_mem)}"
                  for g in grp.getgrall() if g.gr_name not in (*EVERYBODY, *GROUPS)]
        for name, number in self.ids.items():
            users.append(f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin")
            groups.append(f"{name}:x:{number}:")
        for index, group in enumerate(GROUPS):
            inside = ",".join(name for name, others in EVERYBODY.items() if group in others)
            groups.append(f"{group}:x:{FIRST_ID + 100 + index}:{inside}")
        for name, lines in (("passwd", users), ("group", groups)):
            (self.etc / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
            (self.etc / name).chmod(0o644)

    def number(self, group):
        lines = (self.etc / "group").read_text(encoding="utf-8").splitlines()
        return next(int(line.split(":")[2]) for line in lines if line.startswith(f"{group}:"))

    def dismiss(self, who, group="libvirt"):
        """Takes somebody out of a group; processes that are there keep it."""
        file = self.etc / "group"
        lines = []
        for line in file.read_text(encoding="utf-8").splitlines():
            name, password, number, inside = line.split(":")
            inside = [one for one in inside.split(",") if (name, one) != (group, who)]
            lines.append(":".join((name, password, number, ",".join(inside))))
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def wrap(self, argv, who="root", groups=None):
        """The command line that runs argv among the people, as one of them, as root, or as a number that is
        nobody's; with those groups, as "1,2", instead of the person's own."""
        assert who == "root" or who in self.ids or isinstance(who, int), who
        others = ["--groups", groups] if groups else ["--init-groups" if who in self.ids else "--clear-groups"]
        person = [] if who == "root" else ["setpriv", "--reuid", str(who), "--regid", str(who), *others]
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--", *person, *argv]

    def run(self, argv, who="root", **options):
        """Runs a program to its end; returns subprocess.CompletedProcess with text."""
        return subprocess.run(self.wrap(argv, who), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=60 * PATIENCE, check=False, **options)

    def client(self, who, address, destination=SERVICE, groups=None):
        """A Client of that person. Close it before the people go."""
        return PersonalClient(self, who, address, destination, groups)

    def stop(self):
        if self.holder:
            end(self.holder)
            self.holder.stdout.close()
            self.holder = None


class PersonalClient(Client):
    """A Client whose bus takes it for somebody else's process: `process`."""

    def __init__(self, people, who, address, destination=SERVICE, groups=None):
        self.people = people
        self.who = who
        self.groups = groups
        self.process = None
        self.lifeline = None
        super().__init__(address, destination)

    def open(self, address):
        self.lifeline, theirs = socket.socketpair()
        argv = [sys.executable, str(PROGRAMS / "person.py"), address]
        self.process = subprocess.Popen(self.people.wrap(argv, self.who, self.groups), stdin=theirs)
        theirs.close()
        connection = self.take()
        if not connection:
            self.leave()
            raise PermissionError(f"{self.who} may not connect to {address}")
        return connection

    def take(self):
        """What the person's process hands over, or None."""
        self.lifeline.settimeout(60 * PATIENCE)
        _, fds, _, _ = socket.recv_fds(self.lifeline, 1, 1)
        return DBusConnection(socket.socket(fileno=fds[0]), enable_fds=True) if fds else None

    def again(self):
        """Another Client of the same process."""
        return SameProcess(self)

    def leave(self):
        """Ends the person's process; one that sees its lifeline cut goes by itself."""
        self.lifeline.close()
        wait_until(lambda: self.process.poll() is not None, 10 * PATIENCE, f"{self.who} leaves")

    def close(self):
        super().close()
        self.leave()


class SameProcess(Client):
    """A Client of a process that has one already, which outlives it."""

    def __init__(self, first):
        self.first = first
        super().__init__(None, first.destination)

    def open(self, address):
        self.first.lifeline.sendall(b".")
        return self.first.take()
