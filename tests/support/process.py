# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes: starting them as an ordinary user, waiting with a deadline, and reading what /proc knows.

Everything that the tests start carries its directory in its environment or in its command line, so that
what was left behind can be found without naming a program: other people's daemons are never touched."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

MARK = "GUESTBUS_TEST_DIR"
SANITIZED = os.environ.get("GUESTBUS_SANITIZED") == "1"
# A sanitized daemon is slower, and so is one beside much else; what is measured in seconds gets more of them
# there.
PATIENCE = int(os.environ.get("GUESTBUS_PATIENCE") or
               (4 if SANITIZED else 2 if "PYTEST_XDIST_WORKER" in os.environ else 1))


# The shortest deadline. A deadline is for what never comes: what is slow, on a machine that has much else to do, comes.
# How soon something has to come is asked by soon().
LEAST = 60.0


def wait_until(predicate, within, what, every=0.01):
    """Returns the first true value of predicate(); after `within` seconds without one, LEAST at the least, the test
    fails."""
    within = max(within, LEAST)
    end = time.monotonic() + within
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within} s: {what() if callable(what) else what}")
        time.sleep(every)


def soon(measure, within, rounds=4):
    """How many seconds measure() says that something took, which must be less than `within` in one of some rounds. A
    machine that has much else to do makes some of them long; what always waits for something makes all of them so."""
    took = []
    while len(took) < rounds:
        took.append(measure())
        if took[-1] < within:
            return took[-1]
    raise AssertionError(f"not once within {within} s: {took}")


def seconds(function, *args, **options):
    """How long a call of a function takes."""
    began = time.monotonic()
    function(*args, **options)
    return time.monotonic() - began


def ordinary_user():
    """(uid, gid) for children that must not be root; None where the tests are an ordinary user's."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def as_user(argv, user):
    """The command line that runs argv as `user`, a (uid, gid), or unchanged for None."""
    if user is None:
        return list(argv)
    uid, gid = user
    return ["setpriv", "--reuid", str(uid), "--regid", str(gid), "--clear-groups", "--no-new-privs", *argv]


def spawn(argv, home, env=None, user=None, **options):
    """Starts argv with its directory in its environment; the caller reaps it."""
    full = dict(os.environ, **(env or {}))
    full[MARK] = str(home)
    return subprocess.Popen(as_user(argv, user), env=full, stdin=subprocess.DEVNULL, **options)


def end(process, within=LEAST, sig=signal.SIGTERM):
    """Ends a process of ours and reaps it; returns its exit status. One that does not go is killed."""
    if process.poll() is None:
        process.send_signal(sig)
        process.send_signal(signal.SIGCONT)
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(LEAST)


def reap(process, within):
    """Waits for the end of a process that was told to end, or ends by itself. It gets no SIGCONT, as end() sends it:
    that stops a sanitizer which is looking for leaks, for ever."""
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(LEAST)
        raise


def read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def alive(pid):
    """Whether pid runs (a zombie does not)."""
    stat = read(f"/proc/{pid}/stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] != b"Z"


def left_behind(home):
    """pids of living processes that were started for the directory `home`."""
    needle = str(home).encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        words = read(f"/proc/{entry}/cmdline") + b"\0" + read(f"/proc/{entry}/environ")
        if needle in words and alive(entry):
            found.append(int(entry))
    return found


def end_all(pids, within=LEAST):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not any(alive(pid) for pid in pids), within, f"{pids} gone")


def make_directory():
    """A directory that every user can enter, with a short path: a socket's path has 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def own_directory():
    """make_directory(), of which nothing is left afterwards, and nothing that was started for it."""
    path = make_directory()
    try:
        yield path
    finally:
        try:
            end_all(left_behind(path))
        finally:
            shutil.rmtree(path, ignore_errors=True)


def status(pid, key):
    """A number of /proc/PID/status: VmRSS in KiB, Threads, ..."""
    for line in read(f"/proc/{pid}/status").decode().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {key} of process {pid}")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def switches(pid):
    """{thread id: times it gave up the CPU to wait}. A thread that sleeps all along does not count up."""
    result = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        for line in read(f"/proc/{pid}/task/{task}/status").decode().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                result[task] = int(line.split()[1])
    return result
