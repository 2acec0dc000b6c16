# SPDX-License-Identifier: LGPL-2.1-or-later
"""udev.py ACTION DEVPATH SUBSYSTEM [PROPERTY=VALUE]...: tells those who listen to udev in this network
namespace of a device, as udevd would. Only root of the namespace is believed."""

import socket
import struct
import sys

MAGIC = 0xfeedcafe
UEVENT = 15  # NETLINK_KOBJECT_UEVENT
LISTENERS = 2  # the group of udevd's listeners; the kernel's is 1


def message(action, path, subsystem, *more):
    """What libudev reads: a header of 40 bytes without filters, then the properties."""
    words = [f"ACTION={action}", f"DEVPATH={path}", f"SUBSYSTEM={subsystem}", "SEQNUM=1", *more]
    properties = b"".join(word.encode() + b"\0" for word in words)
    numbers = struct.pack(">I", MAGIC) + struct.pack("=7I", 40, 40, len(properties), 0, 0, 0, 0)
    return b"libudev\0" + numbers + properties


def main():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, UEVENT) as sock:
        sock.bind((0, 0))
        sock.sendto(message(*sys.argv[1:]), (0, LISTENERS))


if __name__ == "__main__":
    main()
