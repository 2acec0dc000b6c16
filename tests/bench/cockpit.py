# SPDX-License-Identifier: LGPL-2.1-or-later
"""cockpit.py ADDRESS NAME

Cockpit's Machines page is opened: everything about 40 guests and 200 node devices is asked at once, on one
connection, and the clock stops at the last reply. Prints the seconds. NAME is the connection, Test or QEMU;
guests that are missing are defined first.

The messages are made before the clock starts, and of a reply only its length and its kind are looked at, so
that the measuring side is not what limits."""

import shutil
import struct
import sys
import time

from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection

# As elsewhere in the benchmark; this file is also a program by itself.
KINDS = ("libvirt-dbus", "guestbusd")
GUESTS = 40
NODE_DEVICES = 200
PATIENCE = 60
CONNECT, DOMAIN, NODE_DEVICE = (f"org.libvirt.{name}" for name in ("Connect", "Domain", "NodeDevice"))
PROPERTIES = "org.freedesktop.DBus.Properties"
URIS = {"Test": "test:///default", "QEMU": "qemu:///session"}
XML = {
    "Test": """<domain type='test'><name>page{number}</name><memory>65536</memory><vcpu>1</vcpu>
<os><type>hvm</type></os></domain>""",
    "QEMU": """<domain type='qemu'><name>page{number}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>""",
}


def message(path, interface, member, signature="", *args):
    address = DBusAddress(path, bus_name="org.libvirt", interface=interface)
    return new_method_call(address, member, signature or None, args)


def ask(connection, *call):
    reply = connection.send_and_get_reply(message(*call), timeout=PATIENCE)
    if reply.header.message_type != MessageType.method_return:
        raise SystemExit(f"{call[2]}: {reply.body}")

    return reply.body[0]


def populate(connection, name):
    """Sees to it that there are as many guests as the page shows; returns their paths and those of as many
    node devices (a session's libvirtd may have none: then the test driver's)."""
    root = f"/org/libvirt/{name}"
    for number in range(GUESTS - len(ask(connection, root, CONNECT, "ListDomains", "u", 0))):
        ask(connection, root, CONNECT, "DomainDefineXML", "s", XML[name].format(number=number))

    devices = (ask(connection, root, CONNECT, "ListNodeDevices", "u", 0)
               or ask(connection, "/org/libvirt/Test", CONNECT, "ListNodeDevices", "u", 0))
    return (ask(connection, root, CONNECT, "ListDomains", "u", 0),
            [devices[number % len(devices)] for number in range(NODE_DEVICES)])


def page(guests, devices):
    """All messages of the page."""
    for path in guests:
        yield message(path, DOMAIN, "GetXMLDesc", "u", 0)
        yield message(path, DOMAIN, "GetXMLDesc", "u", 2)
        yield message(path, PROPERTIES, "GetAll", "s", DOMAIN)
        yield message(path, DOMAIN, "GetState", "u", 0)
        yield message(path, DOMAIN, "GetStats", "uu", 0x1 | 0x8 | 0x20, 0)
        yield message(path, DOMAIN, "ListDomainSnapshots", "u", 0)

    for path in devices:
        yield message(path, PROPERTIES, "GetAll", "s", NODE_DEVICE)


def take_replies(data):
    """Removes the whole messages from @data; returns (method returns, errors)."""
    returns = errors = 0
    while len(data) >= 16:
        body, _, fields = struct.unpack_from("<III" if data[0] == ord("l") else ">III", data, 4)
        length = 16 + (fields + 7) // 8 * 8 + body
        if len(data) < length:
            break

        returns += data[1] == MessageType.method_return.value
        errors += data[1] == MessageType.error.value
        del data[:length]

    return returns, errors


def load_page(connection, guests, devices):
    """Seconds from the first byte sent to the last reply."""
    messages = [one.serialise(next(connection.outgoing_serial)) for one in page(guests, devices)]
    pending, data = b"".join(messages), bytearray()
    missing = len(messages)
    connection.sock.settimeout(PATIENCE)
    began = time.monotonic()
    connection.sock.sendall(pending)
    while missing:
        received = connection.sock.recv(1 << 20)
        if not received:
            raise SystemExit("the bus hung up")

        data += received
        returns, errors = take_replies(data)
        if errors:
            raise SystemExit(f"{errors} of the page's calls failed")

        missing -= returns

    return time.monotonic() - began


def measure(stage, table, plan):
    """One row of milliseconds and one of pages per second for each hypervisor; the latter's ratio says how
    many times as fast guestbusd is. Each page is read by a process of the stage's account: the stage's buses
    take no other."""
    program = stage.directory / "cockpit.py"
    shutil.copy(__file__, program)
    program.chmod(0o644)
    daemons = {kind: stage.start_daemon(kind, URIS) for kind in KINDS}
    for number in range(plan.rounds):
        for name in URIS:
            for kind in KINDS if number % 2 == 0 else reversed(KINDS):
                seconds = float(stage.run("/usr/bin/python3", program, daemons[kind][1], name))
                title = f"Cockpit's page, {GUESTS} guests, {name}"
                table.add(title, "ms", kind, seconds * 1e3)
                table.add(title, "pages/s", kind, 1 / seconds)

    for process, _ in daemons.values():
        stage.stop(process)


def main():
    address, name = sys.argv[1:]
    with open_dbus_connection(address) as connection:
        print(load_page(connection, *populate(connection, name)))


if __name__ == "__main__":
    main()
