# SPDX-License-Identifier: LGPL-2.1-or-later
"""person.py ADDRESS: connects to a bus as whoever runs it, hands the socket over to the other end of
standard input, does so again for each byte that comes from there, and stays until that end is closed."""

import socket
import sys

from jeepney.bus import get_bus
from jeepney.io.blocking import prep_socket


def main(address):
    lifeline = socket.socket(fileno=0)
    while True:
        bus = prep_socket(get_bus(address), enable_fds=True, timeout=60)
        socket.send_fds(lifeline, [b"."], [bus.fileno()])
        bus.close()
        if not lifeline.recv(1):
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
