# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the machines. A test runs on each kind that is named in GUESTBUS_KINDS (all when none is), on a machine of its
own. GUESTBUS_PACKAGES names a directory with packages that need not be built: bookworm/*.deb, trixie/*.deb."""

import os
import pathlib

import pytest

from booted import KINDS, Machine, lacking, tool

WANTED = os.environ.get("GUESTBUS_KINDS", "").split() or KINDS


@pytest.fixture(scope="session", params=WANTED)
def kind(request):
    reason = lacking(request.param)
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="session")
def packages(kind):
    """The directory with the packages of this checkout, built on that Debian, or elsewhere before."""
    place = os.environ.get("GUESTBUS_PACKAGES")
    if place:
        return pathlib.Path(place, kind.partition("-")[0])
    built = tool("packages", kind, within=1800)
    assert built.returncode == 0, built.stdout
    return pathlib.Path(built.stdout.splitlines()[-1])


@pytest.fixture
def bare(kind, packages):
    """A machine without the package."""
    machine = Machine(kind, packages)
    yield machine
    machine.end()


@pytest.fixture
def machine(bare):
    """A machine with the package, which has just been installed and serves the hypervisor."""
    bare.install()
    return bare
