# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service manager that starts guestbusd, as far as it is told something."""

import socket

from ..process import PATIENCE, wait_until


class Manager:
    """The service manager's side of sd_notify."""

    def __init__(self, home):
        self.path = str(home / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(self.path)
        self.told = []

    def read(self):
        try:
            while True:
                self.told += self.sock.recv(65536).decode().splitlines()
        except BlockingIOError:
            return self.told

    def wait(self, start, within=60 * PATIENCE):
        return wait_until(lambda: [word for word in self.read() if word.startswith(start)], within,
                          lambda: f"{start}; told {self.told}")
