# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of a real guest: block jobs, limits, looks into them, media; and snapshots."""

import os

import libvirt
import libvirt_qemu

from support.client import DOMAIN
from support.hosts.guests import (  # noqa: F401 -- stage is a fixture
    ROOT, SNAPSHOT, WITHIN, disk_xml, object_path, outcome, plain_values, stage)
from support.process import wait_until

(PULL, COPY, COMMIT, ACTIVE_COMMIT) = range(1, 5)
(COMPLETED, FAILED, CANCELED, READY) = range(4)
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
EXTERNAL = """<domainsnapshot><name>{name}</name><disks>
<disk name='vda' snapshot='external'><source file='{file}'/></disk></disks></domainsnapshot>"""


def overlay(guest, name, file):
    """The guest writes into `file` from now on, over what its disk was."""
    xml = EXTERNAL.format(name=name, file=file)
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    return guest.call("SnapshotCreateXML", "su", xml, flags)


def source(guest):
    """The file that vda is."""
    text = guest.plain.XMLDesc(0)
    return text.partition("<source file='")[2].partition("'")[0]


def finished(guest, *wanted):
    """Waits for a signal of a block job."""
    guest.stage.listener.wait_for(lambda s: s.path == guest.path and s.member == "BlockJob"
                                  and s.body == wanted, WITHIN)


def test_pull_and_rebase(stage):  # noqa: F811
    base = stage.image("pull.qcow2")
    with stage.guest("pull", disk_xml(base)) as guest:
        overlay(guest, "one", f"{base}.one")
        assert source(guest) == f"{base}.one"
        assert guest.call("BlockPull", "stu", "vda", 0, 0) is None
        finished(guest, "vda", PULL, COMPLETED)
        wait_until(lambda: "<backingStore/>" in guest.plain.XMLDesc(0), WITHIN, "one file")
        overlay(guest, "two", f"{base}.two")
        overlay(guest, "three", f"{base}.three")
        assert guest.call("BlockRebase", "sstu", "vda", f"{base}.one", 0, 0) is None
        wait_until(lambda: f"{base}.two" not in guest.plain.XMLDesc(0), WITHIN, "the middle is out")
        assert f"{base}.one" in guest.plain.XMLDesc(0) and source(guest) == f"{base}.three"
        assert guest.said("BlockPull", "stu", "vdz", 0, 0) == outcome(guest.plain.blockPull, "vdz", 0, 0)
        assert (guest.said("BlockRebase", "sstu", "vda", "/none", 0, 0)
                == outcome(guest.plain.blockRebase, "vda", "/none", 0, 0))
        jobs = [one for one in guest.told("BlockJob", "BlockJob") if one[0] == "BlockJob"]
        assert jobs == [["BlockJob", "vda", PULL, COMPLETED]] * 2


def test_commit(stage):  # noqa: F811
    base = stage.image("commit.qcow2")
    with stage.guest("commit", disk_xml(base)) as guest:
        overlay(guest, "one", f"{base}.one")
        overlay(guest, "two", f"{base}.two")
        assert guest.call("BlockCommit", "ssstu", "vda", base, f"{base}.one", 0, 0) is None
        finished(guest, "vda", COMMIT, COMPLETED)
        wait_until(lambda: f"{base}.one" not in guest.plain.XMLDesc(0), WITHIN, "the middle is out")
        active = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
        assert guest.call("BlockCommit", "ssstu", "vda", base, f"{base}.two", 0, active) is None
        finished(guest, "vda", ACTIVE_COMMIT, READY)
        info = guest.plain.blockJobInfo("vda", 0)
        assert guest.call("GetBlockJobInfo", "su", "vda", 0) == (
            info["type"], info["bandwidth"], info["cur"], info["end"])
        pivot = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
        assert guest.call("BlockJobAbort", "su", "vda", pivot) is None
        finished(guest, "vda", ACTIVE_COMMIT, COMPLETED)
        assert source(guest) == base
        assert (guest.said("BlockCommit", "ssstu", "vda", base, "/none", 0, 0)
                == outcome(guest.plain.blockCommit, "vda", base, "/none", 0, 0))
        guest.told("BlockJob")


def test_copy(stage):  # noqa: F811
    base = stage.image("copy.qcow2")
    with stage.guest("copy", disk_xml(base)) as guest:
        copy = disk_xml(f"{base}.copy")
        transient = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        assert guest.call("BlockCopy", "ssa{sv}u", "vda", copy,
                          {"bandwidth": ("t", 5 << 20), "granularity": ("u", 65536)}, transient) is None
        finished(guest, "vda", COPY, READY)
        info = guest.plain.blockJobInfo("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES)
        assert info["type"] == COPY and info["cur"] == info["end"] and info["bandwidth"] == 5 << 20
        assert guest.call("GetBlockJobInfo", "su", "vda", 1) == (COPY, 5 << 20, info["cur"], info["end"])
        assert guest.call("BlockJobSetSpeed", "stu", "vda", 7, 0) is None
        assert guest.call("GetBlockJobInfo", "su", "vda", 0)[1] == 7
        assert guest.plain.blockJobInfo("vda", 0)["bandwidth"] == 7
        assert guest.call("BlockJobAbort", "su", "vda", 0) is None
        finished(guest, "vda", COPY, CANCELED)
        assert source(guest) == base and os.path.exists(f"{base}.copy")
        assert not guest.plain.blockJobInfo("vda", 0)
        assert guest.call("GetBlockJobInfo", "su", "vda", 0) == (0, 0, 0, 0)
        for member, signature, args, function in (
                ("BlockJobAbort", "su", ("vda", 0), guest.plain.blockJobAbort),
                ("BlockJobSetSpeed", "stu", ("vda", 7, 0), guest.plain.blockJobSetSpeed),
                ("GetBlockJobInfo", "su", ("vdz", 0), guest.plain.blockJobInfo)):
            assert guest.said(member, signature, *args) == outcome(function, *args), member
        result = guest.said("BlockCopy", "ssa{sv}u", "vda", copy, {"nonsense": ("t", 1)}, transient)
        assert result[0] == "error" and "nonsense" in result[1]
        guest.told("BlockJob")


def test_resize_and_peek(stage):  # noqa: F811
    file = stage.image("peek.img", kind="raw")
    content = bytes(range(256)) * 4
    with open(file, "r+b") as image:
        image.write(content)
    with stage.guest("peek", disk_xml(file, "raw")) as guest:
        for offset, size in ((0, 1024), (255, 3), (1024, 16), ((1 << 20) - 1, 1)):
            data = guest.call("BlockPeek", "sttu", "vda", offset, size, 0)
            assert bytes(data) == (content + bytes(1 << 20))[offset:offset + size]
            assert bytes(data) == guest.plain.blockPeek("vda", offset, size, 0)
        for disk, offset in (("vdz", 0), ("vda", 1 << 40)):
            assert (guest.said("BlockPeek", "sttu", disk, offset, 16, 0)
                    == outcome(guest.plain.blockPeek, disk, offset, 16, 0))
        assert guest.call("BlockResize", "stu", "vda", 3072, 0) is None
        assert guest.plain.blockInfo("vda")[0] == 3 << 20
        assert guest.call("BlockResize", "stu", "vda", 4 << 20, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES) is None
        assert guest.plain.blockInfo("vda")[0] == 4 << 20
        assert (guest.said("BlockResize", "stu", "vdz", 1, 0)
                == outcome(guest.plain.blockResize, "vdz", 1, 0))
        assert guest.call("GetDiskErrors", "u", 0) == []
        assert guest.plain.diskErrors() == {}


def test_limits_of_a_disk(stage):  # noqa: F811
    with stage.guest("tune", disk_xml(stage.image("tune.qcow2"))) as guest:
        limits = {"read_iops_sec": ("t", 123), "total_bytes_sec": ("t", 1 << 34), "group_name": ("s", "Ä 1")}
        assert guest.call("SetBlockIOTune", "sa{sv}u", "vda", limits, LIVE) is None
        expected = guest.plain.blockIoTune("vda", LIVE)
        assert plain_values(guest.call("GetBlockIOTune", "su", "vda", LIVE)) == expected
        assert (expected["read_iops_sec"], expected["total_bytes_sec"]) == (123, 1 << 34)
        assert expected["group_name"] == "Ä 1"
        wrong = {"read_iops_sec": 1, "total_iops_sec": 1}
        assert (guest.said("SetBlockIOTune", "sa{sv}u", "vda", {name: ("t", 1) for name in wrong}, LIVE)
                == outcome(guest.plain.setBlockIoTune, "vda", wrong, LIVE))
        result = guest.said("SetBlockIOTune", "sa{sv}u", "vda", {"nonsense": ("t", 1)}, LIVE)
        assert result[0] == "error" and "nonsense" in result[1]
        assert guest.said("GetBlockIOTune", "su", "vdz", 0) == outcome(guest.plain.blockIoTune, "vdz", 0)
        told = [one[1] for one in guest.told("Tunable") if one[0] == "Tunable"]
        assert len(told) == 1 and told[0]["blkdeviotune.disk"] == "vda"


def test_threshold(stage):  # noqa: F811
    """The monitor writes what a guest would write."""
    disk = disk_xml(stage.image("threshold.img", kind="raw"), "raw", more="<shareable/>")
    with stage.guest("threshold", disk) as guest:
        assert guest.call("SetBlockThreshold", "stu", "vda", 300000, 0) is None
        assert guest.plain.connect().domainListGetStats(
            [guest.plain], libvirt.VIR_DOMAIN_STATS_BLOCK)[0][1]["block.0.threshold"] == 300000
        libvirt_qemu.qemuMonitorCommand(guest.plain, 'qemu-io libvirt-1-format "write 0 512k"',
                                        libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
        told = [one for one in guest.told("BlockThreshold") if one[0] == "BlockThreshold"]
        assert told and told[0][1] == "vda" and told[0][3] == 300000
        assert (guest.said("SetBlockThreshold", "stu", "vdz", 1, 0)
                == outcome(guest.plain.setBlockThreshold, "vdz", 1, 0))


def test_media(stage):  # noqa: F811
    """A medium that is not there is dropped at the start; another comes and goes."""
    image = stage.image("medium.img", kind="raw")
    absent = f"{image}.absent"
    dropped = disk_xml(absent, "raw", "hda", "cdrom", "ide").replace(
        "<source ", "<source startupPolicy='optional' ")
    with stage.guest("media", dropped, start=False) as guest:
        assert guest.call("Create", "u", 0) is None
        told = guest.told("DiskChange")
        assert ["DiskChange", absent, "", "ide0-0-0", 0] in told
        medium = disk_xml(image, "raw", "hda", "cdrom", "ide")
        # The BIOS uses the drive, too: it holds the tray, or closes what was opened, while it runs.
        assert guest.call("Suspend") is None
        force = LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE
        assert guest.call("UpdateDevice", "su", medium, force) is None
        assert image in guest.plain.XMLDesc(0)
        assert guest.call("UpdateDevice", "su", disk_xml(None, None, "hda", "cdrom", "ide"), force) is None
        assert image not in guest.plain.XMLDesc(0)
        stage.listener.wait_for(lambda s: s.path == guest.path and s.member == "TrayChange", WITHIN)
        guest.told("TrayChange")


def test_disk_comes_and_goes(stage):  # noqa: F811
    xml = disk_xml(stage.image("plug.qcow2"), target="vdb", more="<alias name='ua-plug'/>")
    with stage.guest("plug") as guest:
        assert guest.call("AttachDevice", "su", xml, LIVE) is None
        assert "ua-plug" in guest.plain.XMLDesc(0)
        assert guest.said("AttachDevice", "su", xml, LIVE) == outcome(guest.plain.attachDeviceFlags, xml, LIVE)
        assert ["DeviceAdded", "ua-plug"] in guest.told("DeviceAdded")


# Snapshots

def snapshots(guest, flags=0):
    return sorted(snapshot_path(guest, one.getName()) for one in guest.plain.listAllSnapshots(flags))


def snapshot_path(guest, name):
    """Every byte of the name that is not a letter or a digit is "_" and two hex digits."""
    encoded = "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"_{byte:02x}"
                      for byte in name.encode())
    return object_path("domainsnapshot", guest.number) + "_" + encoded


def test_snapshots(stage):  # noqa: F811
    with stage.guest("snapshots", disk_xml(stage.image("snapshots.qcow2")), start=False) as guest:
        assert guest.call("ListDomainSnapshots", "u", 0) == []
        assert guest.said("SnapshotCurrent", "u", 0) == outcome(guest.plain.snapshotCurrent)
        names = ["first", "zweiter Ä_$%"]
        first, second = (guest.call("SnapshotCreateXML", "su",
                                    f"<domainsnapshot><name>{name}</name></domainsnapshot>", 0)
                         for name in names)
        assert [first, second] == [snapshot_path(guest, name) for name in names]
        assert sorted(guest.call("ListDomainSnapshots", "u", 0)) == snapshots(guest) == sorted((first, second))
        roots = libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ROOTS
        assert guest.call("ListDomainSnapshots", "u", roots) == snapshots(guest, roots) == [first]
        assert guest.call("SnapshotCurrent", "u", 0) == second
        assert guest.call("SnapshotLookupByName", "su", names[1], 0) == second
        assert (guest.said("SnapshotLookupByName", "su", "none", 0)
                == outcome(guest.plain.snapshotLookupByName, "none"))

        def call(path, member, *flags):
            return stage.said(path, SNAPSHOT, member, "u", *(flags or (0,)))
        assert call(second, "GetParent") == ("value", first)
        plain = [guest.plain.snapshotLookupByName(name) for name in names]
        assert call(first, "GetParent") == outcome(plain[0].getParent)
        assert call(first, "ListChildren") == ("value", [second])
        assert call(second, "ListChildren") == ("value", [])
        assert call(first, "IsCurrent") == ("value", False) and call(second, "IsCurrent") == ("value", True)
        assert call(second, "GetXMLDesc") == ("value", plain[1].getXMLDesc())
        assert call(first, "Revert") == ("value", None)
        assert plain[0].isCurrent() and call(first, "IsCurrent") == ("value", True)
        unknown = 1 << 20
        assert call(first, "Revert", unknown) == outcome(guest.plain.revertToSnapshot, plain[0], unknown)
        assert call(first, "Delete", unknown) == outcome(plain[0].delete, unknown)
        assert call(second, "Delete") == ("value", None)
        assert snapshots(guest) == [first]
        assert call(second, "GetXMLDesc") == outcome(guest.plain.snapshotLookupByName, names[1])
        assert call(first, "Delete", libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN) == ("value", None)
        assert guest.call("ListDomainSnapshots", "u", 0) == []
        guest.told("DomainEvent")


def test_what_is_no_snapshot(stage):  # noqa: F811
    with stage.guest("no-snapshots", start=False) as guest:
        for xml in ("", "<x/>", "<domainsnapshot>"):
            assert (guest.said("SnapshotCreateXML", "su", xml, 0)
                    == outcome(guest.plain.snapshotCreateXML, xml, 0)), xml
        for path in (f"{ROOT}/domainsnapshot/x", snapshot_path(guest, "none")):
            assert stage.client.error(path, SNAPSHOT, "GetXMLDesc", "u", (0,)).message
        assert stage.said(guest.path, DOMAIN, "GetState", "u", 0) == ("value", (5, 0))
