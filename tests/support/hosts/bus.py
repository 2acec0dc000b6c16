# SPDX-License-Identifier: LGPL-2.1-or-later
"""Private buses: dbus-daemon with the limits of a session or of a system bus, and dbus-broker.

dbus-broker is normally started by a launcher that needs systemd's journal. Its other side is small, so the
tests are the launcher: they hand it a listening socket and a policy that allows everything. Where the policy is
what matters, root's tests run the launcher itself, with what it asks for in a namespace of its own."""

import array
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from jeepney import DBusAddress, Parser, new_method_call
from jeepney.auth import BEGIN, Authenticator

from .. import PROGRAMS
from ..process import LEAST, end, spawn, wait_until

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{type}</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path={socket}</listen>
{rules}
{limits}
</busconfig>
"""

EVERYTHING = """  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_type="method_call"/>
    <allow receive_sender="*"/>
  </policy>"""
# Those of a system bus, less whom everybody may call: that is for who takes them to say.
DEFAULT_RULES = """  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>"""

# What /usr/share/dbus-1/session.conf raises; a system bus runs with dbus-daemon's built-in limits.
SESSION_LIMITS = {
    "max_incoming_bytes": 1000000000,
    "max_outgoing_bytes": 1000000000,
    "max_message_size": 1000000000,
    "auth_timeout": 240000,
    "max_completed_connections": 100000,
    "max_incomplete_connections": 10000,
    "max_connections_per_user": 100000,
    "max_names_per_connection": 50000,
    "max_match_rules_per_connection": 50000,
    "max_replies_per_connection": 50000,
}

BATCH = "(bta(btbs)a(btssssuutt)a(btssssuutt))"
POLICY = f"(a(u{BATCH})a(buu{BATCH})a(ss)bs)"


def configuration(kind, path, limits, rules=EVERYTHING):
    """The text of a dbus-daemon's configuration that starts nothing by itself."""
    lines = [f'  <limit name="{name}">{value}</limit>' for name, value in limits.items()]
    return CONFIG.format(type=kind, socket=path, rules=rules, limits="\n".join(lines))


class Bus:
    """A running bus: its address, its kind, and the process."""

    def __init__(self, kind, home):
        self.kind = kind
        self.home = home
        self.path = os.path.join(str(home), "bus")
        self.address = f"unix:path={self.path}"
        self.log = os.path.join(str(home), "bus.log")
        self.process = None

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process:
            end(self.process)
            self.process = None


class Daemon(Bus):
    """dbus-daemon. `system` gives it a system bus's limits, not a system bus's policy, `limits` limits of the
    test's own, `rules` another policy than EVERYTHING; `wrap` makes a command line of another, such as one that
    runs it elsewhere."""

    def __init__(self, home, system=False, wrap=list, limits=None, rules=EVERYTHING):
        super().__init__("dbus-daemon", home)
        limits = limits if limits is not None else {} if system else SESSION_LIMITS
        config = os.path.join(str(home), "bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(configuration("system" if system else "session", self.path, limits, rules))
        with open(self.log, "wb") as log:
            self.process = spawn(wrap(["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                                       f"--config-file={config}"]), home, stderr=log)
        wait_until(lambda: answers(self.path) or self.process.poll() is not None, LEAST, "dbus-daemon listens")
        assert self.process.poll() is None, f"dbus-daemon ended: {self.logged()}"


class Broker(Bus):
    """dbus-broker, with the tests as its launcher. Nobody may own the names in `refused`."""

    def __init__(self, home, refused=()):
        super().__init__("dbus-broker", home)
        self.refused = refused
        with open("/etc/machine-id", encoding="ascii") as file:
            machine = file.read().strip() or "0" * 32
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(256)
        self.listener.setblocking(False)
        limits = [f"--max-{what}={value}" for what, value in
                  {"bytes": 1 << 30, "fds": 4096, "matches": 1 << 20, "objects": 1 << 20}.items()]
        self.process = spawn(["dbus-broker", "--controller", str(theirs.fileno()), "--machine-id", machine,
                              *limits], home, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        theirs.close()
        self.launch()

    def launch(self):
        """Hands the listening socket over; the bus takes callers when the reply is here."""
        self.control.settimeout(LEAST)
        authenticator = Authenticator(enable_fds=True)
        for line in authenticator:
            self.control.sendall(line)
            authenticator.feed(self.control.recv(1024))
        self.control.sendall(BEGIN)
        everything = (True, 1, "", "", "", "", 0, 0, 0, (1 << 64) - 1)
        own = [(True, 1, True, ""), *((False, 2, False, name) for name in self.refused)]
        batch = (True, 1, own, [everything], [everything])
        policy = ([((1 << 32) - 1, batch)], [], [], False, "session")
        broker = DBusAddress("/org/bus1/DBus/Broker", bus_name="org.bus1.DBus.Broker",
                             interface="org.bus1.DBus.Broker")
        message = new_method_call(broker, "AddListener", "ohv",
                                  ("/org/bus1/DBus/Listener/0", self.listener.fileno(), (POLICY, policy)))
        fds = array.array("i")
        data = message.serialise(1, fds=fds)
        self.control.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        parser = Parser()
        while (reply := parser.get_next_message()) is None:
            parser.add_data(self.control.recv(4096))
        assert not reply.body, f"dbus-broker refused the listener: {reply.body}"

    def stop(self):
        super().stop()
        self.control.close()
        self.listener.close()


class Launched(Bus):
    """dbus-broker behind its launcher, with the policies of a dbus-daemon's configuration: a system bus. The launcher
    would have systemd start services, over a bus that is empty here."""

    SPACE = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             'mount -t tmpfs none /run; exec "$@"', "sh"]

    def __init__(self, home, wrap=list, rules=EVERYTHING):
        super().__init__("dbus-broker", home)
        beside = pathlib.Path(home) / "beside"
        beside.mkdir()
        self.beside = Daemon(beside)
        config = os.path.join(str(home), "bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(configuration("system", self.path, {}, rules))
        launch = [sys.executable, str(PROGRAMS / "launch.py"), self.path, config]
        with open(self.log, "wb") as log:
            self.process = spawn(wrap([*self.SPACE, *launch]), home, stdout=log, stderr=log,
                                 env={"DBUS_SYSTEM_BUS_ADDRESS": self.beside.address})
        wait_until(lambda: answers(self.path) or self.process.poll() is not None, LEAST, "dbus-broker listens")
        assert self.process.poll() is None, f"dbus-broker-launch ended: {self.logged()}"

    def stop(self):
        super().stop()
        self.beside.stop()


def answers(path):
    """Whether somebody listens on a UNIX socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
        return True


def kinds():
    """The buses that this machine has; dbus-daemon is a must."""
    return ["dbus-daemon"] + (["dbus-broker"] if shutil.which("dbus-broker") else [])


def start_refusing(kind, home, names):
    """Starts a bus that lets nobody own these names."""
    if kind == "dbus-broker":
        return Broker(home, names)
    refused = "".join(f'<deny own="{name}"/>' for name in names)
    return Daemon(home, rules=f'{EVERYTHING}<policy context="mandatory">{refused}</policy>')


def guarded_kinds():
    """Those that a policy can be tried on, by root."""
    return ["dbus-daemon"] + (["dbus-broker"] if shutil.which("dbus-broker-launch") else [])


def start_guarded(kind, home, wrap, rules):
    """Starts a system bus with these rules."""
    if kind == "dbus-broker":
        return Launched(home, wrap, rules)
    return Daemon(home, system=True, wrap=wrap, rules=rules)


def start(kind, home):
    """Starts a bus: a dbus-daemon, a dbus-broker, or "system", a dbus-daemon with a system bus's limits."""
    if kind == "dbus-broker":
        return Broker(home)
    return Daemon(home, system=kind == "system")
