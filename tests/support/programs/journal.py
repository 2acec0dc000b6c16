# SPDX-License-Identifier: LGPL-2.1-or-later
"""journal.py FILE PROGRAM [ARGUMENT...]: runs a program whose standard error is the journal's, as systemd
would, in a mount namespace where the journal is this: each message that it gets is a line of JSON in FILE."""

import ctypes
import json
import os
import select
import socket
import subprocess
import sys

CLONE_NEWNS = 0x00020000
PLACE = "/run/systemd/journal"


def write_down(file, messages, stream):
    """Until the program has gone, which closes its end of the stream."""
    while True:
        ready, _, _ = select.select([messages, stream], [], [])
        if messages in ready:
            lines = messages.recv(1 << 16).decode().split("\n")
            file.write(json.dumps(dict(line.split("=", 1) for line in lines if line)) + "\n")
            file.flush()
        elif not stream.recv(4096):
            return


def main(path, *argv):
    if ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        raise PermissionError("no namespace")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    os.makedirs(PLACE)

    messages = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    messages.bind(PLACE + "/socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(PLACE + "/stdout")
    listener.listen()
    error = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    error.connect(PLACE + "/stdout")
    stream, _ = listener.accept()

    if os.fork() == 0:
        error.close()
        with open(path, "w", encoding="utf-8") as file:
            write_down(file, messages, stream)
        return
    os.dup2(error.fileno(), 2)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(*sys.argv[1:])
