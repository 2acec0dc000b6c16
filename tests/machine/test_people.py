# SPDX-License-Identifier: LGPL-2.1-or-later
"""What root, a member of the group libvirt and an outsider hear and may do, and the dialogue of polkit."""

import pathlib

import pytest

from booted import GUEST, PASSWORD
from support.process import PATIENCE, wait_until

VIRSH = "virsh -c qemu:///system"
RUNNING, PAUSED = 1, 3
STARTED, STOPPED = 2, 5


@pytest.fixture
def guest(machine):
    """The path of a guest that runs."""
    path = machine.define_guest()
    machine.run(f"{VIRSH} start g1")
    return path


def state(machine, guest, user="root"):
    return int(machine.call(guest, "Domain", "GetState", "u 0", user).split()[1])


def test_all_hear_the_same(machine):
    """Signals go to everybody, and the monitor of busctl, which hears what others are told, is for root."""
    listeners = [machine.listen(user) for user in ("root", "anna", "bob")]
    machine.define_guest()
    for command in ("start", "suspend", "resume", "destroy"):
        machine.run(f"{VIRSH} {command} g1")
    for listener in listeners:
        listener.until_hears(STOPPED)
    heard = [listener.events() for listener in listeners]
    assert heard[0] == heard[1] == heard[2]
    kinds = [event for event, _ in heard[0]]
    assert kinds.count(STARTED) == 1 and kinds.count(STOPPED) == 1

    assert "denied" in machine.refused("timeout 20 busctl --system monitor org.libvirt", "bob").lower()


def test_who_may_do_what(machine, guest):
    """Everybody may look, the members of the group may act, and the outsider hears what would have to be allowed."""
    for user in ("root", "anna", "bob"):
        assert state(machine, guest, user) == RUNNING
    machine.call(guest, "Domain", "Suspend", user="anna")
    assert state(machine, guest) == PAUSED
    words = machine.refused(f"busctl --system --allow-interactive-authorization=no call org.libvirt {guest} "
                            "org.libvirt.Domain Resume", "bob")
    assert "org.guestbus1.manage" in words
    assert state(machine, guest) == PAUSED


@pytest.mark.parametrize("answer, after", [(PASSWORD, PAUSED), ("wrong", RUNNING)])
def test_password(machine, guest, answer, after):
    """The outsider is asked for an administrator's password; the right one lets the call go on."""
    program = machine.bring(pathlib.Path(__file__).with_name("at_a_terminal.py"))
    status, shown = machine.attempt(f"python3 {program} bob 'busctl --system call org.libvirt {guest} org.libvirt.Domain "
                                    f"Suspend' {answer}")
    assert "Password:" in shown
    assert (status == 0) == (after == PAUSED), shown
    assert state(machine, guest) == after


def test_session(machine):
    """A user's own service starts when the user's bus asks for its name, and shows the user's own guests. It goes with the
    last login, and so does all that it has started."""
    uid = machine.run("id -u bob").strip()
    mine = f"XDG_RUNTIME_DIR=/run/user/{uid} DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus HOME=/home/bob "
    machine.run("loginctl enable-linger bob")
    machine.until(f"test -S /run/user/{uid}/bus")
    assert "inactive" in machine.refused(f"{mine} systemctl --user is-active guestbusd", "bob")
    machine.until(f"{mine} busctl --user call org.libvirt /org/libvirt/QEMU org.libvirt.Connect ListDomains u 0", "ao 0",
                  user="bob")
    machine.run(f"{mine} systemctl --user is-active guestbusd", "bob")
    machine.write("/root/g2.xml", GUEST.replace("g1", "g2"))
    machine.run("install -o bob -m 0644 /root/g2.xml /home/bob/g2.xml")
    machine.run(f"{mine} virsh -c qemu:///session define /home/bob/g2.xml", "bob")
    machine.until(f"{mine} guestbusctl --user list --names | grep -x g2", user="bob")
    assert "g2" not in machine.run("guestbusctl list --names")

    machine.run("loginctl disable-linger bob")
    machine.run(f"systemctl stop user@{uid}")
    wait_until(lambda: machine.attempt("pgrep -u bob")[1] == "", 30 * PATIENCE,
               lambda: machine.attempt("pgrep -u bob -a")[1], every=0.2)
