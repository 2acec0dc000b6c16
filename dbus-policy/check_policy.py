# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_policy.py POLICY RESTRICTION: the bus policy, tried on a real dbus-daemon with the default rules of
a system bus, alone and with the example that restricts it.

The users are those of the tests (people.py). The service is a connection of its account that owns its names,
takes calls and emits signals; "limited" stands in for polkit, which the service calls."""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

SKIP = 77
try:
    from jeepney import DBusAddress, new_method_return, new_signal
    from support import people as others
    from support.bus import DEFAULT_RULES, Daemon
    from support.client import DBusError, field
    from support.process import own_directory, wait_until
except ImportError as error:
    print(error)
    sys.exit(SKIP)

NAMES = ("org.libvirt", "org.guestbus1")
POLKIT = "org.freedesktop.PolicyKit1"
PEER = ("/", "org.freedesktop.DBus.Peer", "Ping")
PERSONS = ("root", "guestbus", "member", "outsider")
TRUSTED = ("root", "guestbus", "member")

# Who may call, and who hears signals, with the policy alone and with the restriction.
EXPECTED = {False: PERSONS, True: TRUSTED}

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


def may_call(client, service, name):
    """Whether a call arrives. The bus's next reply comes after its refusal."""
    serial = client.send(*PEER, destination=name)
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
    signal = new_signal(DBusAddress("/org/libvirt", interface="org.guestbus.Domain1"), "Event")
    service.connection.send(signal, serial=next(service.connection.outgoing_serial))
    service.bus("GetId")
    for client in clients.values():
        client.bus("GetId")
    heard = []
    for who, client in clients.items():
        heard += [who] if any(each.member == "Event" for each in client.drain()) else []
        client.signals.clear()
    return tuple(heard)


def check_names(clients, service, owned, restricted):
    """The bus knows a connection by all of its names, and another program may own one of the two."""
    for name in owned:
        assert service.bus("RequestName", "su", name, 4) == 1
    for name in owned:
        callers = tuple(who for who, client in clients.items() if may_call(client, service, name))
        assert callers == EXPECTED[restricted], f"{callers} may call {name}; restricted: {restricted}"

    listeners = hear(clients, service)
    assert listeners == EXPECTED[restricted], f"{listeners} hear {owned}; restricted: {restricted}"
    for name in owned:
        service.bus("ReleaseName", "s", name)


def check(people, address, restricted):
    clients = {who: people.client(who, address) for who in PERSONS}
    service, polkit = people.client("guestbus", address), people.client("limited", address)
    for name in NAMES:
        owners = tuple(who for who, client in clients.items() if may_own(client, name))
        assert owners == ("root", "guestbus"), f"{owners} may own {name}"

    for client in clients.values():
        client.match("type='signal',member='Event'")
    for owned in (*((name,) for name in NAMES), NAMES):
        check_names(clients, service, owned, restricted)

    for name, owner in {POLKIT: polkit, NAMES[0]: service, NAMES[1]: service}.items():
        assert owner.bus("RequestName", "su", name, 4) == 1
    assert may_call(service, polkit, POLKIT), "the service's calls do not reach polkit"
    for client in (*clients.values(), service, polkit):
        client.close()


def try_policy(people, directory, policy, restriction):
    """Runs a bus with these files, the second of which may be None, and checks who may do what on it."""
    directory.mkdir()
    for place, file in {"of-packages": policy, "of-the-host": restriction}.items():
        (directory / place).mkdir()
        if file:
            shutil.copy(file, directory / place / f"{place}.conf")
    bus = Daemon(directory, system=True, wrap=people.wrap,
                 rules=RULES.format(default=DEFAULT_RULES, directory=directory))
    try:
        check(people, bus.address, restriction is not None)
        # A user or a group that it does not know is only worth a line to dbus-daemon.
        assert "Unknown" not in bus.logged(), bus.logged()
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
            try_policy(people, home / "open", policy, None)
            try_policy(people, home / "restricted", policy, restriction)
        finally:
            people.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
