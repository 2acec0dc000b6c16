# SPDX-License-Identifier: LGPL-2.1-or-later
"""UNIX sockets at which the tests answer in somebody's place."""

import os
import socket
import threading


class Server:
    """Listens at `path`, to everybody; what answers does so in threads, which are kept to be joined."""

    def __init__(self, path):
        self.path = str(path)
        self.threads = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(64)

    def run(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()


def hang_up(one):
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was not connected any more
