# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real polkitd on a private bus, among people (people.py). Its actions are libvirt's, as its daemon installs
them, and those of this checkout; its rules are the test's own, then those of this checkout, and none of the
machine's."""

import os
import pathlib
import shutil
import signal

from ..client import Client, DBusError
from ..process import PATIENCE, end, spawn, wait_until

POLKITD = ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd", "/usr/libexec/polkit-1/polkitd")
ACTIONS = pathlib.Path("/usr/share/polkit-1/actions/org.libvirt.unix.policy")
OURS = pathlib.Path(__file__).resolve().parents[3] / "dbus-policy"
NAME = "org.freedesktop.PolicyKit1"
PATH = "/org/freedesktop/PolicyKit1/Authority"
AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
MONITOR = "org.libvirt.unix.monitor"
MANAGE = "org.libvirt.unix.manage"
OUR_MONITOR = "org.guestbus1.monitor"
OUR_MANAGE = "org.guestbus1.manage"
INTERACTIVE = 1

# What libvirt installs: its group manages. Everyone monitors, by the action's own default.
LIBVIRT_RULES = """polkit.addRule(function (action, subject) {
    if (action.id == "org.libvirt.unix.manage" && subject.isInGroup("libvirt"))
        return polkit.Result.YES;
});
"""


def rule(who, action, result):
    """A rule about one person: rule("limited", OUR_MONITOR, "NO"). The first rule that speaks wins."""
    return (f'polkit.addRule(function (action, subject) {{\n'
            f'    if (action.id == "{action}" && subject.user == "{who}")\n'
            f'        return polkit.Result.{result};\n'
            f'}});\n')


def program():
    return next((path for path in POLKITD if os.access(path, os.X_OK)), None)


def missing():
    """What this machine lacks for polkit, or None. people.missing() has to be asked, too."""
    if not program():
        return "polkitd"
    return None if ACTIONS.exists() else str(ACTIONS)


def ask(client, who, action, flags=0):
    """The same as Polkit.check(), asked by anybody."""
    subject = ("system-bus-name", {"name": ("s", who)})
    authorized, challenge, _ = client.call(
        PATH, AUTHORITY, "CheckAuthorization", "(sa{sv})sa{ss}us", (subject, action, {}, flags, ""),
        destination=NAME)[0]
    return authorized, challenge


class Polkit:
    """polkitd. start(), kill() and stop() may be called again and again; `bus` must let it own its name."""

    def __init__(self, bus, people, rules=LIBVIRT_RULES):
        self.bus = bus
        self.people = people
        self.file = people.root / "etc-rules" / "50-test.rules"
        self.log = pathlib.Path(people.home) / "polkitd.log"
        self.process = None
        self.file.write_text(rules, encoding="utf-8")
        for path in (ACTIONS, *OURS.glob("*.policy")):
            shutil.copy(path, people.root / "actions")
        for path in OURS.glob("*.rules"):
            shutil.copy(path, people.root / "share-rules")

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = spawn(self.people.wrap([program()]), self.people.home, stdout=log, stderr=log,
                                 env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        with Client(self.bus.address, NAME) as client:
            wait_until(lambda: self.process.poll() is not None or self.owns(client), 30 * PATIENCE,
                       lambda: f"polkitd owns its name; {self.text()}")
        assert self.process.poll() is None, self.text()
        return self

    def owns(self, client):
        try:
            return client.pid_of(NAME) == self.pid
        except DBusError:
            return False

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self, sig=signal.SIGTERM):
        if self.process:
            end(self.process, sig=sig)
            self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def pause(self):
        """It does not answer any more, and is still there."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def change(self, rules):
        """Changes the rules; returns when polkitd said Changed, which every client was told at that time.
        One that does not run reads them when it starts."""
        if self.process is None:
            self.file.write_text(rules, encoding="utf-8")
            return
        with Client(self.bus.address, NAME) as client:
            client.match(f"type='signal',interface='{AUTHORITY}',member='Changed'")
            self.file.write_text(rules, encoding="utf-8")
            client.wait_signal("Changed", 20 * PATIENCE, path=PATH)

    def check(self, who, action, flags=0):
        """What polkitd answers root about a unique name: (authorized, whether a password would help)."""
        with Client(self.bus.address, NAME) as client:
            return ask(client, who, action, flags)
