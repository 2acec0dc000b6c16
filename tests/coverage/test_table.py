# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of methods and drivers that a whole run of the tests has made, in the file that GUESTBUS_COVERAGE names:
tools/test runs this when all others have ended."""

import os
import pathlib

import pytest

from support import coverage
from support.hosts import host

# No host of tests has what these need: a guest's agent, a migration, a device that can be spared, a kernel's
# feature. That libvirt gets what the caller said is all that is seen of them.
REPLACED = {f"org.libvirt.{name}" for name in (
    "Connect.NodeDeviceLookupSCSIHostByWWN", "Connect.NodeSetMemoryParameters", "Domain.CreateWithFiles",
    "Domain.GetGuestVcpus", "Domain.GetSchedulerParameters", "Domain.MigrateStartPostCopy", "Domain.PMWakeup",
    "Domain.SetGuestVcpus", "NodeDevice.Detach", "NodeDevice.ReAttach", "NodeDevice.Reset")}
# Of these not even that: none.
ERRORS_ONLY = set()

pytestmark = pytest.mark.skipif(bool(host.missing()), reason=f"{host.missing()} is not installed")


@pytest.fixture
def table():
    return pathlib.Path(os.environ["GUESTBUS_COVERAGE"]).read_text(encoding="utf-8")


def test_every_method_has_a_row(table):
    assert len(table.splitlines()) == len(coverage.contract("method"))
    assert not coverage.missing(table)


def test_both_drivers_are_there(table):
    assert {"test", "qemu"} <= set.union(*coverage.rows_of(table).values())


def test_what_gave_no_result(table):
    """A method that is new here has lost its test, or needs one."""
    assert coverage.errors_only(table) <= ERRORS_ONLY
    assert {".".join(method) for method, drivers in coverage.rows_of(table).items()
            if not drivers & {"test", "qemu"}} <= REPLACED | ERRORS_ONLY
