# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_policy.py POLICY RESTRICTION: the bus policy, tried on a real dbus-daemon and a real dbus-broker with the
default rules of a system bus, alone and with the example that restricts it.

The users are those of the tests (people.py). The service is a connection of its account that owns its names,
takes calls and emits signals; "limited" stands in for polkit, which the service calls."""

import array
import os
import pathlib
import re
import shutil
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

SKIP = 77
try:
    from jeepney import HeaderFields, new_method_return
    from support.client import DBusError, field
    from support.hosts import people as others
    from support.hosts.bus import DEFAULT_RULES, guarded_kinds, start_guarded
    from support.process import own_directory, wait_until
except ModuleNotFoundError as error:
    if error.name != "jeepney":
        raise
    print(error)
    sys.exit(SKIP)

NAMES = ("org.libvirt", "org.guestbus1")
DRIVER = "org.freedesktop.DBus"
POLKIT = "org.freedesktop.PolicyKit1"
PEER = ("/", "org.freedesktop.DBus.Peer", "Ping")
PERSONS = ("root", "guestbus", "member", "outsider")
TRUSTED = ("root", "guestbus", "member")

# Who may call, and who hears signals, with the policy alone and with the restriction.
EXPECTED = {False: PERSONS, True: TRUSTED}
# Signals of others that the service listens to.
CHANGED = ("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "Changed")
LOST = ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameLost", "s")

RULES = """{default}
  <policy context="default">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="limited">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <includedir>{directory}/of-packages</includedir>
  <includedir>{directory}/of-the-host</includedir>"""


def may_own(client, name):
    """Whether the bus gives the name, which is given back."""
    try:
        reply = client.bus("RequestName", "su", name, 4)
    except DBusError as error:
        assert error.name.endswith(".AccessDenied"), error
        return False
    assert reply == 1, reply
    client.bus("ReleaseName", "s", name)
    return True


def call_with(client, name, descriptors):
    """Sends a call with so many descriptors; its serial."""
    message = client.message(*PEER, destination=name)
    message.header.fields[HeaderFields.unix_fds] = descriptors
    serial, data = client.serialise(message)
    with open(os.devnull, "rb") as null:
        fds = array.array("i", [null.fileno()] * descriptors)
        client.connection.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    return serial


def may_call(client, service, name, descriptors=0):
    """Whether a call arrives. The bus's next reply comes after its refusal."""
    serial = call_with(client, name, descriptors) if descriptors else client.send(*PEER, destination=name)
    client.bus("GetId")
    if client.replies:
        refused = client.replies.pop()
        assert field(refused, "error_name").endswith(".AccessDenied"), refused
        assert field(refused, "reply_serial") == serial, refused
        return False

    wait_until(lambda: service.calls or service.receive(10), 10, "the call arrives")
    reply = new_method_return(service.calls.pop())
    service.connection.send(reply, serial=next(service.connection.outgoing_serial))
    client.take_reply(serial, 10)
    return True


def hear(clients, service):
    """Who hears a signal of the service. The bus's next reply to each comes after the signal."""
    service.signal("/org/libvirt", "org.guestbus.Domain1", "Event")
    service.bus("GetId")
    for client in clients.values():
        client.bus("GetId")
    heard = []
    for who, client in clients.items():
        heard += [who] if any(each.member == "Event" for each in client.drain()) else []
        client.signals.clear()
    return tuple(heard)


def heard(service):
    """The signals that have arrived at the service, less what the driver says of its names."""
    service.bus("GetId")
    found = [one.member for one in service.drain() if one.sender != DRIVER]
    service.signals.clear()
    return found


def check_signals(clients, service, polkit, owned):
    """Nothing that is for the service alone arrives, whoever sends it to whichever of its names; what is for all that
    listen does."""
    for who, client in (*clients.items(), ("limited", polkit)):
        for destination in (*owned, service.unique_name):
            client.signal(*CHANGED, destination=destination)
            client.signal(*LOST, (owned[0],), destination=destination)
            client.bus("GetId")
            assert not heard(service), f"{who} signals to {destination}"
        client.replies.clear()  # a dbus-daemon answers such signals with errors
    polkit.signal(*CHANGED)
    polkit.bus("GetId")
    arrived = heard(service)
    assert arrived == ["Changed"], f"of what polkit tells all that listen, {owned} hears {arrived}"


def check_names(clients, service, polkit, owned, restricted):
    """The bus knows a connection by all of its names, and another program may own one of the two."""
    for name in owned:
        assert service.bus("RequestName", "su", name, 4) == 1
    for name in owned:
        callers = tuple(who for who, client in clients.items() if may_call(client, service, name))
        assert callers == EXPECTED[restricted], f"{callers} may call {name}; restricted: {restricted}"
        senders = tuple(who for who, client in clients.items() if may_call(client, service, name, descriptors=1))
        assert senders == TRUSTED, f"{senders} may send descriptors to {name}; restricted: {restricted}"

    listeners = hear(clients, service)
    assert listeners == EXPECTED[restricted], f"{listeners} hear {owned}; restricted: {restricted}"
    check_signals(clients, service, polkit, owned)
    for name in owned:
        service.bus("ReleaseName", "s", name)


def check(people, address, restricted):
    clients = {who: people.client(who, address) for who in PERSONS}
    service, polkit = people.client("guestbus", address), people.client("limited", address)
    for name in NAMES:
        owners = tuple(who for who, client in clients.items() if may_own(client, name))
        assert owners == ("root", "guestbus"), f"{owners} may own {name}"

    assert polkit.bus("RequestName", "su", POLKIT, 4) == 1
    for client in clients.values():
        client.match("type='signal',member='Event'")
    service.match(f"type='signal',sender='{POLKIT}'")
    for owned in (*((name,) for name in NAMES), NAMES):
        check_names(clients, service, polkit, owned, restricted)

    for name in NAMES:
        assert service.bus("RequestName", "su", name, 4) == 1
    assert may_call(service, polkit, POLKIT), "the service's calls do not reach polkit"
    for client in (*clients.values(), service, polkit):
        client.close()


def try_policy(people, kind, directory, policy, restriction):
    """Runs a bus of that kind with these files, the second of which may be None, and checks who may do what on it."""
    directory.mkdir()
    for place, file in {"of-packages": policy, "of-the-host": restriction}.items():
        (directory / place).mkdir()
        if file:
            shutil.copy(file, directory / place / f"{place}.conf")
    bus = start_guarded(kind, directory, people.wrap, RULES.format(default=DEFAULT_RULES, directory=directory))
    try:
        check(people, bus.address, restriction is not None)
        # A user or a group that it does not know is only worth a line to the bus, as is a rule.
        assert not re.search("Unknown|Invalid|no entry", bus.logged()), bus.logged()
    finally:
        bus.stop()


def main(policy, restriction):
    lacking = others.missing()
    if lacking:
        print(f"{lacking} is not there")
        return SKIP

    with own_directory() as home:
        people = others.People(home)
        try:
            for kind in guarded_kinds():
                try_policy(people, kind, home / f"{kind}-open", policy, None)
                try_policy(people, kind, home / f"{kind}-restricted", policy, restriction)
        finally:
            people.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
