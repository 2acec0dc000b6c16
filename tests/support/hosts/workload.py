# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host where much happens: plain libvirt clients at work, somebody who reaps QEMU, and libvirt's own
answer to what there is."""

import collections
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import threading

import libvirt

from .. import PROGRAMS
from ..process import PATIENCE, end, read, spawn, wait_until
from ..programs.workload_client import NOT_THERE, numbers
from . import host

# The words of libvirt's enumerations, in their order.
STATES = ["nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"]
REASONS = {
    "nostate": ["unknown"],
    "running": ["unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused",
                "migration-canceled", "save-canceled", "event-wakeup", "crashed", "post-copy",
                "post-copy-failed"],
    "blocked": ["unknown"],
    "paused": ["unknown", "user", "migrating", "saving", "dumping", "io-error", "watchdog", "from-snapshot",
               "shutting-down", "creating-snapshot", "crashed", "starting-up", "post-copy",
               "post-copy-failed", "api-error"],
    "shutdown": ["unknown", "user"],
    "shutoff": ["unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed",
                "from-snapshot", "daemon"],
    "crashed": ["unknown", "panicked"],
    "pmsuspended": ["unknown"],
}
PR_SET_CHILD_SUBREAPER = 36

libvirt.registerErrorHandler(lambda context, error: None, None)


# Libvirt's own answer

def object_path(root, kind, number):
    return f"{root}/{kind}/_" + number.replace("-", "_")


def truth_of_domain(domain):
    state, reason = domain.state()
    word = STATES[state]
    return {"Name": domain.name(), "UUID": domain.UUIDString(), "Id": max(domain.ID(), 0), "State": word,
            "StateReason": REASONS[word][reason], "Active": bool(domain.isActive()),
            "Persistent": bool(domain.isPersistent()), "Autostart": bool(domain.autostart()),
            "OSType": domain.OSType()}


def truth_of_other(thing):
    return {"Name": thing.name(), "UUID": thing.UUIDString(), "Active": bool(thing.isActive()),
            "Persistent": bool(thing.isPersistent()), "Autostart": bool(thing.autostart())}


def truth(uri, root):
    """{path: {property: value}} as libvirt says it to a new client. What goes while it is looked at is not there."""
    connection = libvirt.open(uri)
    result = {}
    for kind, list_all, values in (("domain", connection.listAllDomains, truth_of_domain),
                                 ("network", connection.listAllNetworks, truth_of_other),
                                 ("storagepool", connection.listAllStoragePools, truth_of_other)):
        for thing in list_all():
            try:
                result[object_path(root, kind, thing.UUIDString())] = values(thing)
            except libvirt.libvirtError as error:
                if error.get_error_code() not in NOT_THERE:
                    raise
    connection.close()
    return result


# Who reaps

class Reaper:
    """Reaps QEMU, which outlives libvirtd, its parent: where nobody does so soon after its end, libvirt
    waits for more than a second until it takes it for gone."""

    # Nobody here starts these, so nobody else waits for them.
    PROGRAMS = (b"qemu-system", b"virtlogd")

    def __init__(self):
        self.ended = threading.Event()
        adopt(True)
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.ended.wait(0.02):
            self.reap()

    def reap(self):
        for file in pathlib.Path("/proc/self/task").glob("*/children"):
            for pid in read(file).split():
                name, _, rest = read(f"/proc/{int(pid)}/stat").partition(b"(")[2].rpartition(b")")
                if rest.split()[:1] == [b"Z"] and name.startswith(self.PROGRAMS):
                    os.waitpid(int(pid), 0)

    def stop(self):
        """Called when what libvirtd has left behind is ended."""
        self.ended.set()
        self.thread.join()
        self.reap()
        adopt(False)


def adopt(yes):
    """Makes this process the parent of what its children leave behind, or not."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


# Who works

class Load:
    """Clients at work: `kinds` is a list of (URI, kind), one for each client; seeds follow from `seed`."""

    PROGRAM = PROGRAMS / "workload_client.py"

    def __init__(self, home, seed, kinds, directory):
        self.clients = [Worker([sys.executable, str(self.PROGRAM), uri, f"{seed}.{index}", kind, directory,
                                host.emulator()], home, kind) for index, (uri, kind) in enumerate(kinds)]
        self.replaced = 0
        self.counts = collections.Counter()
        self.removals = collections.Counter()
        wait_until(self.rests, 20 * PATIENCE, "the clients are there")

    def go(self, shares):
        """Each client does its share, {kind: operations}."""
        for client in self.clients:
            client.go(shares[client.kind])

    def rests(self):
        """Whether all have done their share. Reads what they did."""
        return all([self.note(client) for client in self.clients])

    def replace_hung(self):
        """Ends those that have not done their share, and has others in their place, which rest. For libvirtd to be
        there and to stay meanwhile. What they were at, and did not tell, may have taken away any object once."""
        for index, client in enumerate(self.clients):
            if not client.resting:
                client.kill()
                self.clients[index] = Worker(client.argv, client.home, client.kind)
                self.replaced += 1
                self.removals.update(numbers(client.kind))
        wait_until(self.rests, 20 * PATIENCE, "the clients are there again")

    def note(self, client):
        for operation, number, outcome, removes in client.read():
            self.counts[operation, outcome] += 1
            self.removals[number] += removes
        return client.resting

    @property
    def done(self):
        return sum(self.counts.values())

    def stops(self):
        """How many operations have stopped something."""
        return sum(count for (operation, outcome), count in self.counts.items()
                   if operation in ("destroy", "stop") and outcome == "done")

    def outcomes(self):
        """{outcome: how often}."""
        result = collections.Counter()
        for (_, outcome), count in self.counts.items():
            result[outcome] += count
        return dict(result)

    def stop(self):
        for client in self.clients:
            client.stop()


class Worker:
    """One client's process."""

    def __init__(self, argv, home, kind):
        self.argv, self.home, self.kind = argv, home, kind
        orders, self.orders = os.pipe()
        self.process = spawn([*argv, str(orders)], home, stdout=subprocess.PIPE, bufsize=0,
                             pass_fds=[orders])
        os.close(orders)
        self.buffer = b""
        self.resting = False
        os.set_blocking(self.process.stdout.fileno(), False)

    def go(self, count):
        self.resting = False
        os.write(self.orders, b"%d\n" % count)

    def read(self):
        """The operations since the last time."""
        while data := self.process.stdout.read(65536):
            self.buffer += data
        assert self.process.poll() is None, f"a client ended with {self.process.returncode}"
        *lines, self.buffer = self.buffer.split(b"\n")
        found = [json.loads(line) for line in lines]
        self.resting = self.resting or ["rest"] in found
        return [one for one in found if one != ["rest"]]

    def kill(self):
        """Whatever it waits for."""
        self.process.kill()
        self.stop()

    def stop(self):
        os.close(self.orders)
        end(self.process)
        self.process.stdout.close()
