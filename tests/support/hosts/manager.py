# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service manager that starts guestbusd, as far as it is told something."""

import array
import os
import socket
import threading

from ..process import PATIENCE, wait_until

MOST_FDS = 8


class Manager:
    """The service manager's side of sd_notify, and its store of descriptors."""

    def __init__(self, home):
        self.path = str(home / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.told = []
        self.stored = {}  # {name: descriptor}
        # A service waits for its manager where that has to know something before it ends.
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(MOST_FDS * 4))
            if not data:
                return
            fds = array.array("i")
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(content)
            words = data.decode().splitlines()
            self.keep(words, list(fds))
            self.told += words

    def keep(self, words, fds):
        """What is no descriptor to store is a question whether this was read, which its end answers."""
        name = next((word.partition("=")[2] for word in words if word.startswith("FDNAME=")), None)
        if "FDSTORE=1" in words and fds:
            self.forget(name)
            self.stored[name] = fds.pop()
        if "FDSTOREREMOVE=1" in words:
            self.forget(name)
        for fd in fds:
            os.close(fd)

    def forget(self, name):
        if name in self.stored:
            os.close(self.stored.pop(name))

    def wrap(self, argv):
        """The command line that starts a service with what is stored."""
        if not self.stored:
            return argv
        (name, fd), = self.stored.items()
        return ["sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec "$0" "$@" 3</proc/{os.getpid()}/fd/{fd}',
                *argv]

    def read(self):
        return list(self.told)

    def wait(self, start, within=60 * PATIENCE):
        return wait_until(lambda: [word for word in self.read() if word.startswith(start)], within,
                          lambda: f"{start}; told {self.told}")

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        self.thread.join()
        self.sock.close()
        for name in list(self.stored):
            self.forget(name)
