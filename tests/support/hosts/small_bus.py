# SPDX-License-Identifier: LGPL-2.1-or-later
"""A dbus-daemon that keeps little for a receiver that does not read, and leaves out what it has no room for; and the
service on it, which does not read for a while. The fixture `small_bus` is for those who import it."""

import contextlib
import signal

import pytest

from ..client import field
from ..process import PATIENCE, wait_until
from . import bus as buses

WITHIN = 20 * PATIENCE
PEER = "org.freedesktop.DBus.Peer"
LIMITS = "org.freedesktop.DBus.Error.LimitsExceeded"
# What the bus keeps for one receiver, besides what is in its socket.
ROOM = 1 << 20


@pytest.fixture
def small_bus(home):
    private = buses.Daemon(home, limits={**buses.SESSION_LIMITS, "max_outgoing_bytes": ROOM})
    yield private
    private.stop()


@contextlib.contextmanager
def stopped(service):
    """It reads nothing meanwhile."""
    service.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: state(service) == "T", WITHIN, "it stops")
        yield
    finally:
        service.process.send_signal(signal.SIGCONT)


def state(service):
    with open(f"/proc/{service.process.pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def ping(client):
    """The name of the error that there is instead of a reply, or None."""
    return field(client.exchange("/org/libvirt", PEER, "Ping", within=WITHIN), "error_name")


def has_read(client):
    """The service has read what the bus kept for it: there is room again."""
    wait_until(lambda: ping(client) is None, WITHIN, "there is room again")
