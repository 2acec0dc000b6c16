# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package comes, is upgraded beside a running guest, and goes, on a machine with systemd."""

from booted import QEMU, UNIT
from support.service import CHECKOUT

FETCHED = "/var/cache/apt/archives"
STOPPED = 5
NAMES = ("org.libvirt", "org.guestbus1")


def owned(machine):
    names = machine.run("busctl --system list --acquired --no-legend").split()
    return [name for name in NAMES if name in names]


def owner(machine):
    """The account behind org.libvirt."""
    uid = machine.run("busctl --system call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixUser s org.libvirt")
    return machine.run(f"id -nu {uid.split()[1]}").strip()


def test_installed_it_serves(bare):
    """It needs no second command: the unit runs, both names are there, and nothing is said in the journal that is a
    warning."""
    bare.install()
    assert bare.run(f"systemctl is-active {UNIT}").strip() == "active"
    assert bare.run(f"systemctl is-enabled {UNIT}").strip() == "enabled"
    assert owned(bare) == list(NAMES)
    assert owner(bare) == "guestbus"
    bare.run("guestbusctl doctor")
    assert bare.failed_units() == ""
    assert bare.log("-p warning") == ""


def test_its_own_test(machine):
    """What Debian runs on its machines."""
    machine.run(f"sh {machine.bring(CHECKOUT / 'debian' / 'tests' / 'activation')}")


def test_activation(machine):
    """Stopped, it is started by its name; it does not come without."""
    machine.run(f"systemctl stop {UNIT}")
    assert owned(machine) == []
    assert machine.call(QEMU, "Connect", "ListDomains", "u 0").startswith("ao")
    assert machine.run(f"systemctl is-active {UNIT}").strip() == "active"


def test_boot(machine):
    """After a boot it is there before anybody calls it, and no unit has failed."""
    machine.reboot()
    assert machine.run(f"systemctl is-active {UNIT}").strip() == "active"
    assert owned(machine) == list(NAMES)
    machine.until_connected()
    assert machine.failed_units() == ""


def test_upgrade_beside_a_guest(machine):
    """The new service takes the place of the old one and goes on with its stream; the guest does not notice."""
    guest = machine.define_guest()
    machine.call(guest, "Domain", "Create", "u 0")
    emulator = machine.run("pgrep qemu-system")
    listener = machine.listen()
    pid, before = machine.pid(), machine.epoch()

    machine.run("dpkg -i /root/guestbus_*.deb")
    machine.until_restarted(pid)
    assert machine.epoch() == before
    assert machine.run("pgrep qemu-system") == emulator
    assert machine.call(guest, "Domain", "GetState", "u 0").split()[1] == "1"
    machine.run("virsh -c qemu:///system destroy g1")
    listener.until_hears(STOPPED)


def test_upgrade_of_libvirt_beside_a_guest(machine):
    """Debian's packages start libvirt's daemons again; the guest goes on, and so do events."""
    guest = machine.define_guest()
    machine.call(guest, "Domain", "Create", "u 0")
    emulator = machine.run("pgrep qemu-system")
    listener = machine.listen()
    pid = machine.pid()

    machine.run(f"dpkg -i {FETCHED}/libvirt0_*.deb {FETCHED}/libvirt-daemon*.deb {FETCHED}/libvirt-clients*.deb")
    machine.until_connected()
    assert machine.run("pgrep qemu-system") == emulator
    machine.run("virsh -c qemu:///system destroy g1")
    listener.until_hears(STOPPED)
    assert machine.pid() == pid
    assert machine.failed_units() == ""


def test_removed_and_purged(machine):
    """Removed, it runs no more and its configuration stays; purged, nothing of it is left, and the group libvirt is."""
    configuration = "/etc/guestbus/guestbusd.conf"
    machine.run("apt-get remove -q -y guestbus")
    assert owned(machine) == []
    assert machine.pid() == 0
    assert machine.failed_units() == ""
    machine.refused("busctl --system call org.guestbus1 /org/libvirt org.freedesktop.DBus.Peer Ping")
    machine.run(f"test -e {configuration}")

    machine.run("apt-get purge -q -y guestbus")
    left = machine.run("find / -xdev -name '*guestbus*' -not -path '/root/*' -not -path '/proc/*' -not -path '/sys/*'")
    assert left == ""
    machine.refused("getent passwd guestbus")
    machine.refused("getent group guestbus")
    machine.run("getent group libvirt")


def test_from_and_to_libvirt_dbus(bare):
    """It takes the place of libvirt-dbus while that serves, and gives it back."""
    theirs = f"{FETCHED}/libvirt-dbus_*.deb {FETCHED}/libvirt-glib-*.deb"
    bare.run(f"apt-get install -q -y --no-install-recommends {theirs}")
    ask = f"busctl --system call org.libvirt {QEMU} org.libvirt.Connect ListDomains u 0"
    bare.until(ask)
    assert owner(bare) == "libvirtdbus"

    bare.install()
    assert owner(bare) == "guestbus"
    assert bare.call(QEMU, "Connect", "ListDomains", "u 0").startswith("ao")

    bare.run(f"apt-get install -q -y --no-install-recommends {theirs}")
    assert bare.attempt("dpkg-query -W -f '${db:Status-Status}' guestbus")[1] != "installed"
    bare.until(ask)
    assert owner(bare) == "libvirtdbus"
    assert bare.failed_units() == ""
