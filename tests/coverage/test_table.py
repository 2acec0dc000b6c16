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
    "Connect.DomainXMLFromNative", "Connect.NodeAllocPages", "Connect.NodeDeviceDefineXML",
    "Connect.NodeDeviceLookupSCSIHostByWWN", "Connect.NodeGetSEVInfo", "Connect.NodeSetMemoryParameters",
    "Connect.NodeSuspendForDuration", "Domain.AuthorizedSSHKeysGet", "Domain.AuthorizedSSHKeysSet",
    "Domain.CreateWithFiles", "Domain.GetGuestInfo", "Domain.GetGuestVcpus", "Domain.GetSchedulerParameters",
    "Domain.MigrateStartPostCopy", "Domain.PMSuspendForDuration", "Domain.PMWakeup", "Domain.QemuAgentCommand",
    "Domain.SetGuestVcpus", "Domain.SetLaunchSecurityState", "NodeDevice.Create", "NodeDevice.Detach",
    "NodeDevice.GetAutostart", "NodeDevice.ReAttach", "NodeDevice.Reset", "NodeDevice.SetAutostart",
    "NodeDevice.Undefine")}
# Of these not even that. The libvirt that the tests were written with does not have them; with one that has, they are
# known to reach the function (test_methods_added.py).
ERRORS_ONLY = {f"org.libvirt.{name}" for name in (
    "Domain.AnnounceInterface", "Domain.DelThrottleGroup", "Domain.GetAutostartOnce", "Domain.GraphicsReload",
    "Domain.SetAutostartOnce", "Domain.SetThrottleGroup", "NodeDevice.Update")}

pytestmark = pytest.mark.skipif(bool(host.missing()), reason=f"{host.missing()} is not installed")


@pytest.fixture
def table():
    return pathlib.Path(os.environ["GUESTBUS_COVERAGE"]).read_text(encoding="utf-8")


def test_every_method_has_a_row(table):
    assert len(table.splitlines()) == len(coverage.methods())
    assert not coverage.missing(table)


def test_both_drivers_are_there(table):
    assert {"test", "qemu"} <= set.union(*coverage.rows_of(table).values())


def test_what_gave_no_result(table):
    """A method that is new here has lost its test, or needs one."""
    assert coverage.errors_only(table) <= ERRORS_ONLY
    assert {".".join(method) for method, drivers in coverage.rows_of(table).items()
            if not drivers & {"test", "qemu"}} <= REPLACED | ERRORS_ONLY
