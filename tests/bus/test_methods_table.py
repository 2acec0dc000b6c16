# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of methods and drivers: not one method of org.libvirt without a row. Here it is that of the files
test_methods_*.py, which need no guest; tests/coverage looks at that of a whole run."""

import os
import pathlib
import subprocess
import sys

import pytest

from support import coverage
from support.process import PATIENCE

HERE = pathlib.Path(__file__).resolve().parent
MAKERS = sorted(path for path in HERE.glob("test_methods_*.py") if path != pathlib.Path(__file__).resolve())
# What the test driver does not have; tests/host has them on QEMU.
ERRORS_ONLY = {f"org.libvirt.Domain.{name}" for name in (
    "AbortJob", "AttachDevice", "BlockCommit", "BlockCopy", "BlockJobAbort", "BlockJobSetSpeed", "BlockPeek",
    "BlockPull", "BlockRebase", "BlockResize", "DetachDevice", "GetBlockJobInfo", "GetJobInfo", "GetJobStats",
    "GetSecurityLabelList", "MigrateGetCompressionCache", "MigrateGetMaxSpeed", "MigrateSetCompressionCache",
    "MigrateSetMaxDowntime", "MigrateSetMaxSpeed", "MigrateToURI3", "OpenChannel", "OpenConsole", "OpenGraphicsFD", "SetBlockThreshold",
    "UpdateDevice",
    "AbortJobFlags", "AgentSetResponseTimeout", "AnnounceInterface", "BackupBegin", "BackupGetXMLDesc", "DelThrottleGroup",
    "DetachDeviceAlias", "GetAutostartOnce", "GetLaunchSecurityInfo", "GraphicsReload", "ManagedSaveDefineXML",
    "ManagedSaveGetXMLDesc", "MigrateGetMaxDowntime", "SaveParams", "SetAutostartOnce", "SetIOThreadParams",
    "SetThrottleGroup", "SetVcpu", "StartDirtyRateCalc")} | {f"org.libvirt.Connect.{name}" for name in (
        "BaselineHypervisorCPU", "CompareHypervisorCPU", "DomainRestoreParams", "DomainXMLToNative",
        "GetStoragePoolCapabilities", "StoragePoolLookupByTargetPath")} | {f"org.libvirt.NodeDevice.{name}" for name in (
            "IsActive", "IsPersistent", "Update")} | {f"org.libvirt.StorageVol.{name}" for name in ("Download", "Upload")}
NOTES = """
import sys
from support import coverage
for one in coverage.methods()[int(sys.argv[1])::int(sys.argv[2])]:
    coverage.note(*one, sys.argv[3])
coverage.write()
"""


def is_whole(text):
    return not coverage.missing(text) and coverage.errors_only(text) <= ERRORS_ONLY


@pytest.fixture
def table(home):
    """Of this process, where those files ran before in it; or of a run of its own."""
    if is_whole(coverage.table()):
        return coverage.table()
    file = home / "coverage.txt"
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", *map(str, MAKERS)], cwd=HERE.parents[1],
                         env=dict(os.environ, GUESTBUS_COVERAGE=str(file)), capture_output=True, text=True,
                         timeout=120 * PATIENCE, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    return file.read_text(encoding="utf-8")


def test_every_method_has_a_row(table):
    assert not coverage.missing(table)
    # A table of errors would be whole, too.
    assert not coverage.errors_only(table) - ERRORS_ONLY


def note_in_processes(file, drivers):
    """A process for each driver, at the same time: each has some of the methods, and all of them have all."""
    started = [subprocess.Popen([sys.executable, "-c", NOTES, str(index), str(len(drivers)), driver], cwd=HERE.parent,
                                env=dict(os.environ, GUESTBUS_COVERAGE=str(file)))
               for index, driver in enumerate(drivers)]
    assert [one.wait(60 * PATIENCE) for one in started] == [0] * len(drivers)


def test_several_processes_make_one_table(home):
    file = home / "coverage.txt"
    note_in_processes(file, ["error only"] * 6)
    text = file.read_text(encoding="utf-8")
    assert not coverage.missing(text)
    assert len(coverage.errors_only(text)) == len(text.splitlines()) == len(coverage.methods())


def test_several_runs_make_one_table(home):
    """In whatever order they end, a result is more than an error."""
    file, other = home / "coverage.txt", home / "other.txt"
    for driver in ("error only", "test", "qemu"):
        note_in_processes(file, [driver])
    for driver in ("qemu", "error only", "test"):
        note_in_processes(other, [driver])
    assert file.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
    assert {line.split("\t")[1] for line in file.read_text(encoding="utf-8").splitlines()} == {"test, qemu"}
