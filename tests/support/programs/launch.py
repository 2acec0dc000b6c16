# SPDX-License-Identifier: LGPL-2.1-or-later
"""launch.py SOCKET CONFIG: becomes dbus-broker's launcher, in a mount namespace whose /run is its own. A child is its
journal, which writes all that comes to standard error; the broker waits for one that does not read. What it serves at
is handed over as systemd does it."""

import ctypes
import os
import pathlib
import signal
import socket
import sys

JOURNAL = pathlib.Path("/run/systemd/journal/socket")
FIRST = 3  # SD_LISTEN_FDS_START
PR_SET_PDEATHSIG = 1


def keep(journal):
    """Goes on for as long as its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    while True:
        os.write(sys.stderr.fileno(), journal.recv(1 << 16))


def main(path, config):
    JOURNAL.parent.mkdir(parents=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(str(JOURNAL))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(path)
    os.chmod(path, 0o777)
    listener.listen(256)
    if os.fork() == 0:
        listener.close()
        keep(journal)
    os.dup2(os.dup(listener.fileno()), FIRST)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execvp("dbus-broker-launch", ["dbus-broker-launch", f"--config-file={config}", "--scope=system"])


if __name__ == "__main__":
    main(*sys.argv[1:])
