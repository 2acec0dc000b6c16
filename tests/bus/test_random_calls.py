# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thousands of random calls of everything that the service has, by clients that come and go: one reply each,
and a service that lives on and keeps nothing.

GUESTBUS_FUZZ is the number of calls, on all kinds of bus together; GUESTBUS_FUZZ_SEED the seed of the dice.
A failure names both, and the last calls."""

import os
import time

import pytest

from support.client import Client
from support.hosts import bus as buses
from support.models.targets import TEST
from support.process import PATIENCE, SANITIZED, wait_until
from support.programs.fuzz import Fuzz
from support.service import wait_connected

NUMBER = int(os.environ.get("GUESTBUS_FUZZ", "20000"))
SEED = os.environ.get("GUESTBUS_FUZZ_SEED", "1")
BATCH = 250
AT_ONCE = 10 * PATIENCE
# What the allocator keeps of the largest moments, of which some come late: a hurt XML that means thousands of
# virtual processors is 8 MiB in the test driver. What is in use does not grow.
SLACK_KIB = 16384
FEW = "[limits]\nevents-kept=64\n"


@pytest.fixture
def service(bus, home, run_service):
    """Whatever the test driver may write by a relative name is in the test's directory."""
    return run_service(bus, config=FEW, wrap=lambda argv: ["env", "-C", str(home), *argv])


@pytest.fixture
def fuzz(service, home):
    with Client(service.bus.address) as client:
        wait_connected(client)
    fuzz = Fuzz(service.bus, home, TEST, SEED)
    yield fuzz
    fuzz.close()


def ping(service, fuzz):
    """The service answers while calls wait."""
    fuzz.asker.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping", within=AT_ONCE)
    assert not service.ended(), service.stderr()[-3000:]


def resources(service):
    return service.rss(), service.descriptors(), service.threads()


def test_calls_of_everything(service, fuzz, capsys):
    number = NUMBER // len(buses.kinds())
    print(f"GUESTBUS_FUZZ_SEED={SEED} GUESTBUS_FUZZ={NUMBER}")
    began = time.monotonic()
    early = None
    while fuzz.sent < number:
        try:
            fuzz.batch(BATCH)
            ping(service, fuzz)
            fuzz.settle()
            fuzz.tidy()
        except Exception:
            print(fuzz.history(), service.stderr()[-5000:])
            raise
        if early is None and fuzz.sent >= number / 4:
            early = resources(service)
    took = time.monotonic() - began
    after = resources(service)
    with capsys.disabled():
        print(f"\nseed {SEED}: {fuzz.sent} calls in {took:.1f} s, {dict(fuzz.outcomes)}, {fuzz.left} left "
              f"behind; RSS, descriptors and threads {early} -> {after}")
    assert {"good", "libvirt's", "InvalidArgs", "UnknownMethod"} <= fuzz.outcomes.keys()
    assert SANITIZED or after[0] <= early[0] + SLACK_KIB
    wait_until(lambda: service.descriptors() <= early[1] + 1, AT_ONCE, "descriptors as before")
    wait_until(lambda: service.threads() <= early[2] + 1, 30 * PATIENCE, "threads as before")
