# SPDX-License-Identifier: LGPL-2.1-or-later
"""guestbusd as it is installed: on a system bus with the shipped policies, among people, with or without a real
polkitd that has the shipped actions and rules."""

import contextlib
import pathlib

from jeepney import new_method_return

from ..client import PROPERTIES
from ..process import PATIENCE, own_directory, wait_until
from ..service import Service, wait_connected
from . import bus as buses
from . import people as others
from . import polkit as authority

POLICIES = pathlib.Path(__file__).resolve().parents[3] / "dbus-policy"
POLKIT_POLICY = pathlib.Path("/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf")
RULES = (POLICIES / "guestbusd.rules").read_text(encoding="utf-8")
MONITOR = "org.guestbus1.monitor"
MANAGE = "org.guestbus1.manage"

INTERACTIVE = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"
LIMIT = "org.freedesktop.DBus.Error.LimitsExceeded"
ALLOW_INTERACTION = 0x4

GUEST = "/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"

# The rules of a system bus, and those of packages.
BUS_RULES = f"""{buses.DEFAULT_RULES}
  <policy context="default">
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{POLICIES / "org.libvirt.conf"}</include>
  <include ignore_missing="yes">{POLKIT_POLICY}</include>"""


def missing():
    """What this machine lacks, or None."""
    return others.missing() or authority.missing()


class Guarded:
    """The bus, polkitd, the service and the clients of people; `root` is root's."""

    def __init__(self, home, people, bus, polkit):
        self.home, self.people, self.bus, self.polkit = home, people, bus, polkit
        self.service = None
        self.root = None
        self.opened = []

    def serve(self, account="guestbus", connections=None, config=None):
        """Starts the service as that account."""
        self.service = Service(self.bus, self.home, connections, config=config,
                               wrap=lambda argv: self.people.wrap(argv, account))
        self.service.start()
        self.root = self.client("root")
        wait_connected(self.root)
        return self.service

    def client(self, who):
        """Somebody's client; closed with the world."""
        self.opened.append(self.people.client(who, self.bus.address))
        return self.opened[-1]

    def close(self):
        for client in self.opened:
            if client.process.poll() is None:
                client.close()


@contextlib.contextmanager
def surroundings(rules, kind="dbus-daemon"):
    """What a Guarded is made of: (its directory, people, a bus of that kind, a polkitd that is still to be started).
    Nothing of it is left."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(own_directory())
        people = others.People(home)
        stack.callback(people.stop)
        bus = buses.start_guarded(kind, home, people.wrap, BUS_RULES)
        stack.callback(bus.stop)
        daemon = authority.Polkit(bus, people, rules)
        stack.callback(daemon.stop)
        yield home, people, bus, daemon


@contextlib.contextmanager
def serving(one, **options):
    """A Guarded's service, started with these options of serve(), which ends well."""
    with contextlib.ExitStack() as stack:
        stack.callback(one.close)
        stack.callback(lambda: one.service and one.service.abandon())
        one.serve(**options)
        yield one
        one.service.stop(within=10 * PATIENCE)


@contextlib.contextmanager
def guarded(rules=RULES, polkit=True, kind="dbus-daemon", **options):
    """A Guarded of its own, with the service running."""
    with surroundings(rules, kind) as (home, people, bus, daemon):
        if polkit:
            daemon.start()
        with serving(Guarded(home, people, bus, daemon), **options) as one:
            yield one


def send(client, path, interface, member, signature="", args=(), interactive=False):
    """Client.send(), with the flag that lets polkit ask somebody."""
    message = client.message(path, interface, member, signature, args)
    if interactive:
        message.header.flags |= ALLOW_INTERACTION
    serial, data = client.serialise(message)
    client.send_bytes(data)
    return serial


def set_autostart(client, path=GUEST, value=True, interactive=False):
    """Something that only a manager may do; returns the serial of the call."""
    return send(client, path, PROPERTIES, "Set", "ssv", ("org.libvirt.Domain", "Autostart", ("b", value)),
                interactive)


def allow(who, action, result="YES", condition="true"):
    """A rule about one person, with a condition on the action's details. The first rule that speaks wins."""
    return (f'polkit.addRule(function (action, subject) {{\n'
            f'    if (action.id == "{action}" && subject.user == "{who}" && {condition})\n'
            f'        return polkit.Result.{result};\n'
            f'}});\n')


class Agent:
    """Asks whoever sits there for a password, for one process: here everybody knows it, or nobody does. `asked`
    are the actions that it was asked for."""

    PATH = "/agent"

    def __init__(self, world, caller):
        self.client = world.client(caller.who)
        self.root = world.root
        self.asked = []
        pid = caller.process.pid
        start = int(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        subject = ("unix-process", {"pid": ("u", pid), "start-time": ("t", start),
                                    "uid": ("i", world.people.ids[caller.who])})
        self.client.call(authority.PATH, authority.AUTHORITY, "RegisterAuthenticationAgent", "(sa{sv})ss",
                         (subject, "C", self.PATH), destination=authority.NAME)

    def wait(self):
        """The next request to authenticate."""
        wait_until(lambda: self.client.calls or self.client.receive(20 * PATIENCE), 20 * PATIENCE, "a dialogue")
        request = self.client.calls.pop(0)
        assert len(request.body) == 6, request
        self.asked.append(request.body[0])
        return request

    def answer(self, right=True):
        """Answers the next request."""
        return self.finish(self.wait(), right)

    def finish(self, request, right=True):
        """Answers a request; with the right password polkit is told so, which only root may do."""
        cookie, identities = request.body[4], request.body[5]
        if right:
            self.root.call(authority.PATH, authority.AUTHORITY, "AuthenticationAgentResponse2", "us(sa{sv})",
                           (self.client.bus("GetConnectionUnixUser", "s", self.client.unique_name), cookie,
                            identities[0]), destination=authority.NAME)
        connection = self.client.connection
        connection.send(new_method_return(request), serial=next(connection.outgoing_serial))
        return request

    def is_asked(self):
        """Whether a request is here. The bus's answer comes after what polkit sent before."""
        self.client.bus("GetId")
        return bool(self.client.calls)
