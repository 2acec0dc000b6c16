# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator does to the daemons while the service runs: restart them, one after another, and the service itself."""

import pytest

from booted import UNIT
from support.process import PATIENCE, wait_until

VIRSH = "virsh -c qemu:///system"
STARTED, STOPPED = 2, 5


def start_and_stop(machine, listener, before):
    """A guest starts and stops; the listener hears each once more than before."""
    machine.run(f"{VIRSH} start g1")
    machine.run(f"{VIRSH} destroy g1")
    wait_until(lambda: [event for event, _ in listener.events()].count(STOPPED) == before + 1, 30 * PATIENCE,
               listener.text, every=0.1)
    assert [event for event, _ in listener.events()].count(STARTED) == before + 1


def test_restart_of_libvirt(machine):
    """Its daemon is restarted beside a guest that runs; calls and events go on, in the same process."""
    daemon = "virtqemud" if machine.modular else "libvirtd"
    guest = machine.define_guest()
    pid = machine.pid()
    listener = machine.listen()
    start_and_stop(machine, listener, 0)

    machine.run(f"{VIRSH} start g1")
    emulator = machine.run("pgrep qemu-system")
    machine.run(f"systemctl restart {daemon}")
    machine.until_connected()
    assert machine.call(guest, "Domain", "GetState", "u 0").split()[1] == "1"
    assert machine.run("pgrep qemu-system") == emulator
    machine.run(f"{VIRSH} destroy g1")
    wait_until(lambda: [event for event, _ in listener.events()].count(STOPPED) == 2, 30 * PATIENCE, listener.text, every=0.1)
    start_and_stop(machine, listener, 2)
    assert machine.pid() == pid
    assert machine.failed_units() == ""


def test_restart_of_the_bus(machine):
    """With the bus everybody goes, and the service comes again by itself."""
    pid = machine.pid()
    machine.run("systemctl restart dbus")
    machine.until_restarted(pid)
    assert machine.run(f"systemctl is-active {UNIT}").strip() == "active"
    assert machine.failed_units() == ""


def test_polkit_that_is_away(machine):
    """No answer is no, for all but root; when polkit is back it is asked again."""
    guest = machine.define_guest()
    look = f"busctl --system call org.libvirt {guest} org.libvirt.Domain GetState u 0"
    machine.run("systemctl mask --runtime --now polkit")
    machine.run(look)
    assert "denied" in machine.refused(look, "bob").lower()
    machine.run("systemctl unmask --runtime polkit")
    for user in ("anna", "bob"):
        machine.until(look, user=user)


def test_killed(machine):
    """Killed, it is back by itself, with a new stream of events."""
    pid, before = machine.pid(), machine.epoch()
    machine.run(f"kill -KILL {pid}")
    machine.until_restarted(pid)
    assert machine.epoch() != before


def test_restarted(machine):
    """Restarted by an administrator, however often, it goes on with its stream."""
    before = machine.epoch()
    for _ in range(3):
        pid = machine.pid()
        machine.run(f"systemctl restart {UNIT}")
        machine.until_restarted(pid)
        assert machine.epoch() == before


def test_watchdog(machine):
    """It stands still, systemd notices after WatchdogSec=, ends it and starts another."""
    pid = machine.pid()
    machine.run(f"kill -STOP {pid}")
    machine.until_restarted(pid)
    assert "watchdog" in machine.run(f"journalctl -q -b -u {UNIT} _PID=1 -o cat").lower()


def test_log_level(machine):
    """systemctl says and sets it while the service runs."""
    level = f"systemctl service-log-level {UNIT}"
    pid, before = machine.pid(), machine.run(level).strip()
    machine.run(f"{level} debug")
    assert machine.run(level).strip() == "debug"
    machine.run(f"{level} {before}")
    assert machine.run(level).strip() == before
    assert machine.pid() == pid


def test_a_configuration_that_is_wrong(machine):
    """It does not start, says why once, is not tried again, and starts when it is mended."""
    name = "/etc/guestbus/guestbusd.conf"
    good = machine.read(name)
    machine.write(name, good + "\n[limits]\nnonsense = 1\n")
    machine.refused(f"systemctl restart {UNIT}")
    assert machine.run(f"systemctl show -P ActiveState {UNIT}").strip() == "failed"
    assert "nonsense" in machine.log()
    machine.write(name, good)
    machine.run(f"systemctl start {UNIT}")
    machine.until_connected()


def test_soft_reboot(machine):
    """systemd ends all of user space and begins again, with the same kernel and process 1."""
    if machine.kind == "bookworm":
        pytest.skip("systemd 252 has no soft-reboot")
    boot = machine.run("systemctl show -P SoftRebootsCount")
    pid = machine.pid()
    machine.attempt("systemctl soft-reboot")
    machine.until("systemctl show -P SoftRebootsCount | grep -vx " + boot.strip())
    machine.until("systemctl is-system-running --wait | grep -E 'running|degraded'")
    machine.until_connected()
    assert machine.pid() != pid or machine.run(f"systemctl is-active {UNIT}").strip() == "active"
    assert machine.failed_units() == ""


def test_no_machine_id(machine):
    """A container without /etc/machine-id, as images of containers have it, with a bus and no systemd."""
    machine.write("/root/no-machine-id", """set -e
touch /tmp/empty
mount --bind /tmp/empty /etc/machine-id
[ ! -e /var/lib/dbus/machine-id ] || mount --bind /tmp/empty /var/lib/dbus/machine-id
address=unix:path=/tmp/bus
dbus-daemon --session --address=$address --nofork --nopidfile >/dev/null 2>&1 &
bus=$!
while ! busctl --address=$address status >/dev/null 2>&1; do kill -0 $bus; sleep 0.1; done
guestbusd --address $address --connect Test=test:///default &
service=$!
for try in $(seq 600); do
        busctl --address=$address call org.guestbus1 /org/libvirt org.freedesktop.DBus.Peer Ping 2>/dev/null && break
        kill -0 $service
        sleep 0.1
done
! busctl --address=$address call org.guestbus1 /org/libvirt org.freedesktop.DBus.Peer GetMachineId
busctl --address=$address call org.libvirt /org/libvirt/Test org.libvirt.Connect ListDomains u 0
kill $service
wait $service
kill $bus
""")
    assert "ao 1" in machine.run("unshare --mount sh /root/no-machine-id")
