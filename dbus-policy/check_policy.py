# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus policy, tried on a real dbus-daemon with the default rules of a system bus.

Needs root, for it speaks as several users. The account and the group that the policy names may not exist where
the tests run; two that exist everywhere stand in for them."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading

SKIP = 77
NAMES = ("org.libvirt", "org.guestbus1")
SERVICE_USER, LIBVIRT_GROUP = "daemon", "games"
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
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
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <include>{directory}/policy.conf</include>
</busconfig>
"""


def call(address, user, groups, *arguments):
    """Makes one call with busctl as @user; returns whether it was let through. Anything but an answer or a
    refusal is a fault of the test."""
    group = groups[0] if groups else "nogroup"
    done = subprocess.run(
        ["setpriv", "--reuid", user, "--regid", group, "--clear-groups",
         "busctl", "--address=" + address, "call", *arguments],
        capture_output=True, text=True, timeout=30)
    if done.returncode == 0:
        return True

    assert "denied" in done.stderr.lower() or "not allowed" in done.stderr.lower(), done.stderr
    return False


def may_own(address, user, name):
    bus = "org.freedesktop.DBus"
    return call(address, user, (), bus, "/org/freedesktop/DBus", bus, "RequestName", "su", name, "4")


def may_send(address, user, groups, name):
    return call(address, user, groups, name, "/", "org.freedesktop.DBus.Peer", "Ping")


def own_names(address):
    """Owns the names as root and answers pings, until the process ends."""
    from gi.repository import Gio, GLib

    flags = Gio.DBusConnectionFlags
    connection = Gio.DBusConnection.new_for_address_sync(
        address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
    for name in NAMES:
        reply = connection.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
            GLib.Variant("(su)", (name, 4)), None, Gio.DBusCallFlags.NONE, 10000, None)
        assert reply.unpack() == (1,), reply

    threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
    return connection


def check(address):
    for name in NAMES:
        assert may_own(address, SERVICE_USER, name), f"the service may not own {name}"
        assert not may_own(address, "nobody", name), f"nobody may own {name}"

    held = own_names(address)  # root may own them
    for name in NAMES:
        assert may_send(address, "root", (), name), f"root may not talk to {name}"
        assert may_send(address, "nobody", (LIBVIRT_GROUP,), name), f"the group may not talk to {name}"
        assert not may_send(address, "nobody", (), name), f"nobody may talk to {name}"
    held.close_sync(None)


def main(policy):
    try:
        import gi  # noqa: F401
    except ImportError:
        return SKIP
    if os.geteuid() != 0:
        return SKIP

    text = pathlib.Path(policy).read_text(encoding="utf-8")
    assert 'user="guestbus"' in text and 'group="libvirt"' in text
    text = text.replace('user="guestbus"', f'user="{SERVICE_USER}"')
    text = text.replace('group="libvirt"', f'group="{LIBVIRT_GROUP}"')

    with tempfile.TemporaryDirectory(prefix="guestbus-policy-") as directory:
        os.chmod(directory, 0o755)
        pathlib.Path(directory, "policy.conf").write_text(text, encoding="utf-8")
        config = pathlib.Path(directory, "bus.conf")
        config.write_text(CONFIG.format(directory=directory), encoding="utf-8")
        bus = subprocess.Popen(["dbus-daemon", "--nofork", "--print-address=1", f"--config-file={config}"],
                               stdout=subprocess.PIPE, text=True)
        try:
            check(bus.stdout.readline().strip())
        finally:
            bus.terminate()
            bus.wait(10)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
