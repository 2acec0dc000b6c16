# SPDX-License-Identifier: LGPL-2.1-or-later
"""Methods that libvirt-dbus does not have, with real guests: each answer is plain libvirt's."""

import os
import re

import libvirt
import libvirt_qemu

from support.client import CONNECT
from support.hosts.guests import (  # noqa: F401 -- stage is a fixture
    ROOT, WITHIN, disk_xml, outcome, plain_values, stage)
from support.process import wait_until

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
TABLET = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"
BACKUP = """<domainbackup mode='pull'>{1}<server transport='unix' socket='{0}/nbd'/><disks>
<disk name='vda' type='file'><scratch file='{0}/scratch'/></disk></disks></domainbackup>"""
CHECKPOINT = "<domaincheckpoint><name>{}</name></domaincheckpoint>"
POOL = "<pool type='dir'><name>added</name><target><path>{}</path></target></pool>"


def test_host(stage):  # noqa: F811
    plain = stage.plain
    cpu = re.search(r"<mode name='host-model'.*?</mode>|<cpu>.*?</cpu>", plain.getCapabilities(), re.S)[0]
    for xml in (cpu, "<cpu><arch>x86_64</arch><model>qemu64</model></cpu>", "<x/>"):
        assert (stage.said(ROOT, CONNECT, "CompareHypervisorCPU", "sssssu", "", "x86_64", "", "qemu", xml, 0)
                == raw_outcome(plain.compareHypervisorCPU, None, "x86_64", None, "qemu", xml, 0))
        assert (stage.said(ROOT, CONNECT, "BaselineHypervisorCPU", "ssssasu", "", "x86_64", "", "qemu", [xml, xml], 0)
                == raw_outcome(plain.baselineHypervisorCPU, None, "x86_64", None, "qemu", [xml, xml], 0))
    assert stage.connect("GetStoragePoolCapabilities", "u", 0) == plain.getStoragePoolCapabilities(0)
    assert (stage.said(ROOT, CONNECT, "DomainXMLFromNative", "ssu", "qemu-argv", "qemu", 0)
            == outcome(plain.domainXMLFromNative, "qemu-argv", "qemu", 0))
    text = stage.xml("native")
    assert stage.connect("DomainXMLToNative", "ssu", "qemu-argv", text, 0).split()[-1:] == (
        plain.domainXMLToNative("qemu-argv", text, 0).split()[-1:])
    assert stage.said(ROOT, CONNECT, "NodeGetSEVInfo", "u", 0)[0] == outcome(plain.getSEVInfo, 0)[0]


def raw_outcome(function, *args):
    """As outcome(), where 0 is a result."""
    kind, value = outcome(function, *args)
    return kind, 0 if value is None else value


def test_a_pool_by_its_target(stage):  # noqa: F811
    target = stage.directory("added")
    pool = stage.plain.storagePoolCreateXML(POOL.format(target), 0)
    leaf = pool.UUIDString().replace("-", "_")
    assert stage.connect("StoragePoolLookupByTargetPath", "s", target) == f"{ROOT}/storagepool/_{leaf}"
    assert (stage.said(ROOT, CONNECT, "StoragePoolLookupByTargetPath", "s", "/none")
            == outcome(stage.plain.storagePoolLookupByTargetPath, "/none"))
    pool.destroy()


def test_node_devices(stage):  # noqa: F811
    device = stage.plain.nodeDeviceLookupByName("computer")
    path, interface = f"{ROOT}/nodedev/computer", "org.libvirt.NodeDevice"
    assert stage.call(path, interface, "IsActive") is bool(device.isActive())
    assert stage.call(path, interface, "IsPersistent") is bool(device.isPersistent())
    assert stage.said(path, interface, "GetAutostart")[0] == outcome(device.autostart)[0]


def test_reads(stage):  # noqa: F811
    with stage.guest("read", disk_xml(stage.image("read.qcow2"))) as guest:
        plain = guest.plain
        assert list(guest.call("GetInfo"))[:4] == plain.info()[:4]
        assert list(guest.call("GetBlockInfo", "su", "vda", 0)) == plain.blockInfo("vda", 0)
        assert guest.said("GetCPUStats", "iuu", -1, 1, 0)[0] == outcome(plain.getCPUStats, True)[0]
        kind, value = guest.said("GetLaunchSecurityInfo", "u", 0)
        assert (kind, plain_values(value) if kind == "value" else value) == outcome(plain.launchSecurityInfo, 0)
        assert guest.call("GetMessages", "u", 0) == plain.messages(0)
        assert guest.call("MigrateGetMaxDowntime", "u", 0) == plain.migrateGetMaxDowntime(0)
        assert guest.said("GetGuestInfo", "uu", 0, 0) == outcome(plain.guestInfo, 0, 0)
        assert guest.said("AuthorizedSSHKeysGet", "su", "root", 0) == outcome(plain.authorizedSSHKeysGet, "root", 0)
        assert (guest.said("QemuAgentCommand", "siu", '{"execute":"guest-ping"}', 1, 0)
                == outcome(libvirt_qemu.qemuAgentCommand, plain, '{"execute":"guest-ping"}', 1, 0))


def test_changes(stage):  # noqa: F811
    with stage.guest("changed", TABLET, "<iothreads>1</iothreads>") as guest:
        plain = guest.plain
        assert guest.call("AgentSetResponseTimeout", "iu", 7, 0) is None
        assert guest.call("SetIOThreadParams", "ua{sv}u", 1, {"poll_max_ns": ("t", 4096)}, LIVE) is None
        stats, = plain.connect().domainListGetStats([plain], libvirt.VIR_DOMAIN_STATS_IOTHREAD)
        assert stats[1]["iothread.1.poll-max-ns"] == 4096
        assert guest.call("SetLifecycleAction", "uuu", 1, 0, CONFIG) is None
        assert "<on_reboot>destroy<" in plain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        assert guest.said("SetVcpu", "siu", "9", 1, LIVE) == outcome(plain.setVcpu, "9", 1, LIVE)
        assert guest.call("StartDirtyRateCalc", "iu", 1, 0) is None
        stats, = plain.connect().domainListGetStats([plain], libvirt.VIR_DOMAIN_STATS_DIRTYRATE)
        assert stats[1]["dirtyrate.calc_period"] == 1
        assert guest.call("DetachDeviceAlias", "su", "ua-tablet", CONFIG) is None
        assert "ua-tablet" not in plain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        assert guest.said("AbortJobFlags", "u", 0) == outcome(plain.abortJobFlags, 0)


def test_a_virtual_cpu(stage):  # noqa: F811
    with stage.guest("cpus", start=False) as guest:
        guest.plain.setVcpusFlags(2, CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
        assert guest.call("SetVcpu", "siu", "1", 1, CONFIG) is None
        assert guest.plain.vcpusFlags(CONFIG) == 2


def test_save_with_parameters(stage):  # noqa: F811
    file = os.path.join(stage.directory("saved"), "added")
    with stage.guest("parameters") as guest:
        assert guest.call("SaveParams", "a{sv}u", {"file": ("s", file)}, 0) is None
        assert os.path.exists(file) and not guest.plain.isActive()
        assert stage.connect("DomainRestoreParams", "a{sv}u", {"file": ("s", file)}, 0) is None
        assert guest.plain.isActive()


def test_the_description_of_a_managed_save(stage):  # noqa: F811
    with stage.guest("described") as guest:
        guest.plain.managedSave(0)
        text = guest.call("ManagedSaveGetXMLDesc", "u", 0)
        assert text == guest.plain.managedSaveGetXMLDesc(0)
        changed = text.replace("<devices>", "<description>other</description><devices>", 1)
        assert guest.call("ManagedSaveDefineXML", "su", changed, 0) is None
        assert "<description>other" in guest.plain.managedSaveGetXMLDesc(0)
        guest.plain.managedSaveRemove(0)


def test_a_backup(stage):  # noqa: F811
    """A client could read it until it ends."""
    home = stage.directory("backup")
    with stage.guest("backup", disk_xml(stage.image("backup.qcow2"))) as guest:
        assert (guest.said("BackupGetXMLDesc", "u", 0) == outcome(guest.plain.backupGetXMLDesc, 0))
        back_up(guest, BACKUP.format(home, ""), "")


def back_up(guest, backup, checkpoint):
    assert guest.call("BackupBegin", "ssu", backup, checkpoint, 0) is None
    assert guest.call("BackupGetXMLDesc", "u", 0) == guest.plain.backupGetXMLDesc(0)
    assert os.path.exists(backup.partition("socket='")[2].partition("'")[0])
    assert guest.call("AbortJobFlags", "u", 0) is None
    wait_until(lambda: outcome(guest.plain.backupGetXMLDesc, 0)[0] == "error", WITHIN, "the backup ends")


def test_a_backup_of_what_has_changed(stage):  # noqa: F811
    homes = [stage.directory(f"changes-{number}") for number in range(2)]
    interface = "org.libvirt.DomainCheckpoint"
    with stage.guest("changes", disk_xml(stage.image("changes.qcow2"))) as guest:
        back_up(guest, BACKUP.format(homes[0], ""), CHECKPOINT.format("first"))
        first, = guest.call("ListDomainCheckpoints", "u", 0)
        assert first == guest.path.replace("/domain/", "/domaincheckpoint/") + "_first"
        assert guest.call("CheckpointLookupByName", "su", "first", 0) == first
        back_up(guest, BACKUP.format(homes[1], "<incremental>first</incremental>"), CHECKPOINT.format("second"))
        second, = stage.call(first, interface, "ListChildren", "u", 0)
        assert stage.call(second, interface, "GetParent", "u", 0) == first
        assert stage.call(second, interface, "GetName") == "second"
        third = guest.call("CheckpointCreateXML", "su", CHECKPOINT.format("third"), 0)
        assert (stage.call(third, interface, "GetXMLDesc", "u", 2)
                == guest.plain.checkpointLookupByName("third", 0).getXMLDesc(2))
        for path in (first, third, second):
            assert stage.call(path, interface, "Delete", "u", 0) is None
        assert guest.plain.listAllCheckpoints(0) == []


def test_files_of_a_guest(stage):  # noqa: F811
    with stage.guest("files", start=False) as guest, open(os.devnull, "rb") as file:
        assert stage.with_files(guest.path, "org.libvirt.Domain", "FDAssociate", "sahu", ("disk", [file], 0)) == ()
