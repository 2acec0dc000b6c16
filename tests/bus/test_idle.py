# SPDX-License-Identifier: LGPL-2.1-or-later
"""Idle means asleep: not one wake-up in ten seconds with a connection open."""

import pytest

from support.service import wait_connected

SECONDS = 10


@pytest.mark.long
def test_idle_with_the_test_driver(one_bus, run_service, connect):
    service = run_service(one_bus)
    client = connect(one_bus)
    wait_connected(client)
    client.domain("/org/libvirt/Test/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f", "GetState", "u", 0)
    assert service.wakeups(SECONDS) == 0


@pytest.mark.long
def test_idle_without_any_call(one_bus, run_service):
    service = run_service(one_bus)
    assert service.wakeups(SECONDS) == 0


@pytest.mark.long
def test_idle_with_a_remote_connection_and_no_keepalive(one_bus, libvirtd, run_service, connect):
    """Keep-alive is off at both ends: libvirtd asks its clients as well."""
    libvirtd.stop()
    libvirtd.configure("keepalive_interval = -1\n")
    libvirtd.start()
    service = run_service(one_bus, {"QEMU": libvirtd.uri}, config="[limits]\nkeepalive-interval=0\n")
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    assert service.wakeups(SECONDS) == 0


@pytest.mark.long
def test_idle_with_a_remote_connection_wakes_for_keepalive_alone(one_bus, libvirtd, run_service, connect):
    """Each end asks every 5 s, on each of two connections (calls, events): a timer, a message in, a message
    out. That is a dozen or two in ten seconds, and no more."""
    service = run_service(one_bus, {"QEMU": libvirtd.uri}, config="[limits]\nkeepalive-interval=5\n")
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    assert service.wakeups(SECONDS) <= 24
