# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's state on paths and wires: saved, restored, dumped, renamed, handed files, moved to another host."""

import os

import libvirt
import pytest

from support.client import CONNECT, DOMAIN, Client, DBusError, body_of
from support.hosts.guests import (  # noqa: F401 -- stage is a fixture
    ROOT, WITHIN, outcome, plain_values, stage)
from support.hosts.migration import PEER, by_socket, destination, full_of, typed  # noqa: F401 -- destination is a fixture
from support.process import wait_until

(DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED) = range(6)


def state(guest):
    return guest.plain.state()[0]


def retitled(xml, title):
    return xml.replace("</name>", f"</name><title>{title}</title>") if "<title>" not in xml else xml


def test_save_and_restore(stage):  # noqa: F811
    file = os.path.join(stage.directory("saved"), "state Ä 1")
    plain = stage.plain
    with stage.guest("saved") as guest:
        assert guest.call("Save", "ssu", file, "", 0) is None
        assert state(guest) == libvirt.VIR_DOMAIN_SHUTOFF
        xml = stage.connect("DomainSaveImageGetXMLDesc", "su", file, 0)
        assert xml == plain.saveImageGetXMLDesc(file, 0) and "<name>saved</name>" in xml
        assert stage.connect("DomainSaveImageDefineXML", "ssu", file, retitled(xml, "one"), 0) is None
        assert "<title>one</title>" in plain.saveImageGetXMLDesc(file, 0)
        assert stage.connect("DomainRestore", "ssu", file, "", libvirt.VIR_DOMAIN_SAVE_PAUSED) is None
        assert state(guest) == libvirt.VIR_DOMAIN_PAUSED
        assert "<title>one</title>" in guest.plain.XMLDesc(0)
        xml = guest.plain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE).replace(">one<", ">two<")
        assert guest.call("Save", "ssu", file, xml, 0) is None
        assert "<title>two</title>" in plain.saveImageGetXMLDesc(file, 0)
        xml = plain.saveImageGetXMLDesc(file, 0).replace(">two<", ">three<")
        assert stage.connect("DomainRestore", "ssu", file, xml, libvirt.VIR_DOMAIN_SAVE_RUNNING) is None
        assert state(guest) == libvirt.VIR_DOMAIN_RUNNING and "<title>three<" in guest.plain.XMLDesc(0)
        guest.told("DomainEvent", "JobCompleted")
    for call, function in (
            (("DomainSaveImageGetXMLDesc", "su", "/none", 0), lambda: plain.saveImageGetXMLDesc("/none", 0)),
            (("DomainSaveImageDefineXML", "ssu", "/none", "<domain/>", 0),
             lambda: plain.saveImageDefineXML("/none", "<domain/>", 0)),
            (("DomainRestore", "ssu", "/none", "", 0), lambda: plain.restoreFlags("/none", None, 0))):
        assert stage.said(ROOT, CONNECT, *call) == outcome(function), call


def test_managed_save(stage):  # noqa: F811
    with stage.guest("managed") as guest:
        assert guest.call("HasManagedSaveImage", "u", 0) is False
        assert guest.call("ManagedSave", "u", libvirt.VIR_DOMAIN_SAVE_PAUSED) is None
        assert state(guest) == libvirt.VIR_DOMAIN_SHUTOFF
        assert guest.call("HasManagedSaveImage", "u", 0) is True and guest.plain.hasManagedSaveImage(0) == 1
        assert guest.said("ManagedSave", "u", 0) == outcome(guest.plain.managedSave, 0)
        assert guest.call("ManagedSaveRemove", "u", 0) is None
        assert guest.call("HasManagedSaveImage", "u", 0) is False
        assert guest.said("ManagedSaveRemove", "u", 0) == outcome(guest.plain.managedSaveRemove, 0)
        assert guest.plain.hasManagedSaveImage(0) == 0
        guest.told("DomainEvent", "JobCompleted")


def test_dump(stage):  # noqa: F811
    file = os.path.join(stage.directory("dumped"), "core")
    with stage.guest("dumped") as guest:
        memory = libvirt.VIR_DUMP_MEMORY_ONLY
        assert guest.call("CoreDump", "suu", file, libvirt.VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, memory) is None
        with open(file, "rb") as dump:
            assert dump.read(4) == b"\x7fELF"
        assert state(guest) == libvirt.VIR_DOMAIN_RUNNING
        assert (guest.said("CoreDump", "suu", file, 99, memory)
                == outcome(guest.plain.coreDumpWithFormat, file, 99, memory))
        assert (guest.said("CoreDump", "suu", "/none/x", 0, memory)
                == outcome(guest.plain.coreDumpWithFormat, "/none/x", 0, memory))
        guest.told("DomainEvent")


def test_rename(stage):  # noqa: F811
    with stage.guest("old", start=False) as guest:
        assert guest.call("Rename", "su", "neu Ä", 0) is None
        assert stage.client.get(guest.path, DOMAIN, "Name") == ("s", "neu Ä")
        assert stage.plain.lookupByName("neu Ä").UUIDString() == guest.number
        assert stage.connect("DomainLookupByName", "s", "neu Ä") == guest.path
        assert guest.said("Rename", "su", "a/b", 0) == outcome(guest.plain.rename, "a/b", 0)
        told = guest.told(*["DomainEvent"] * 3)
        assert told[-2:] == [["DomainEvent", UNDEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED_RENAMED],
                             ["DomainEvent", DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_RENAMED]]
        assert guest.call("Undefine", "u", 0) is None


def test_files(stage):  # noqa: F811
    """Descriptors reach libvirt, which says that QEMU takes none; so it says of an empty list."""
    xml = stage.xml("files")
    with stage.guest("files", start=False) as guest, open(os.devnull, "rb") as file:
        number = file.fileno()
        for count in (0, 1, 2):
            for path, interface, call, function in (
                    (guest.path, DOMAIN, ("CreateWithFiles", "ahu", ([number] * count, 0)),
                     lambda files: guest.plain.createWithFiles(files, 0)),
                    (ROOT, CONNECT, ("DomainCreateXMLWithFiles", "sahu", (xml, [number] * count, 0)),
                     lambda files: stage.plain.createXMLWithFiles(xml, files, 0))):
                expected = outcome(function, [number] * count)
                assert with_files(stage, path, interface, *call) == expected, (call, count)


def with_files(stage, path, interface, *call):  # noqa: F811
    try:
        stage.with_files(path, interface, *call)
    except DBusError as error:
        assert error.name == "org.libvirt.Error", error
        return "error", error.message
    return "value", None


# Migration

def test_migration(stage, destination):  # noqa: F811
    other, there = destination
    with stage.guest("migrated") as guest:
        values = {"migrate_uri": by_socket(other, "migrated"), "bandwidth": 100, "destination_name": "arrived Ä"}
        flags = PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
        assert guest.call("MigrateToURI3", "sa{sv}u", other.uri, typed(values), flags) is None
        arrived = there.lookupByName("arrived Ä")
        assert arrived.state()[0] == libvirt.VIR_DOMAIN_RUNNING and arrived.UUIDString() == guest.number
        assert state(guest) == libvirt.VIR_DOMAIN_SHUTOFF
        stage.listener.wait_signal("DomainEvent", WITHIN, body=(
            guest.path, STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED))
        told = guest.told("JobCompleted")
        completed = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
        stats = guest.plain.jobStats(completed)
        kind, parameters = guest.call("GetJobStats", "u", completed)
        assert kind == stats.pop("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED
        assert plain_values(parameters) == stats and stats["memory_total"] >= 48 << 20
        signalled, = (one[1] for one in told if one[0] == "JobCompleted")
        assert {name: signalled[name] for name in stats if name in signalled} == stats


def test_migration_that_is_given_up(stage, destination):  # noqa: F811
    """It is slow, so there is time to look at its job; then somebody else ends it."""
    other, _ = destination
    more = full_of(os.path.join(stage.directory("content"), "random"))
    with stage.guest("slow", more=more) as guest, Client(stage.bus.address) as mover:
        values = {"migrate_uri": by_socket(other, "slow"), "bandwidth": 1}
        moving = mover.send(guest.path, DOMAIN, "MigrateToURI3", "sa{sv}u", (other.uri, typed(values), PEER))
        wait_until(lambda: guest.call("GetJobInfo")[0] != libvirt.VIR_DOMAIN_JOB_NONE, WITHIN, "it moves")
        info, plain = guest.call("GetJobInfo"), guest.plain.jobInfo()
        assert info[0] == plain[0] == libvirt.VIR_DOMAIN_JOB_UNBOUNDED
        # The time that it has taken, and the memory that it has moved.
        assert info[1] <= plain[1] and info[7] <= plain[7]
        kind, stats = guest.call("GetJobStats", "u", 0)
        assert kind == info[0] and info[1] <= plain_values(stats)["time_elapsed"]
        assert guest.call("MigrateSetMaxDowntime", "tu", 123, 0) is None
        assert guest.plain.migrateGetMaxDowntime(0) == 123
        assert (guest.said("MigrateStartPostCopy", "u", 0)
                == outcome(guest.plain.migrateStartPostCopy, 0))
        assert guest.call("AbortJob") is None
        with pytest.raises(DBusError, match="operation aborted"):
            body_of(mover.take_reply(moving, WITHIN))
        assert state(guest) == libvirt.VIR_DOMAIN_RUNNING
        guest.told("DomainEvent")


def test_migration_to_nowhere(stage, destination):  # noqa: F811
    other, _ = destination
    peer = libvirt.VIR_MIGRATE_PEER2PEER
    with stage.guest("stays") as guest:
        nowhere = other.uri.replace("libvirt-sock", "none")
        for uri, values, flags in ((nowhere, {}, peer), (nowhere, {"bandwidth": 1}, 0),
                                   (other.uri, {"migrate_uri": "nonsense://x"}, peer)):
            assert (guest.said("MigrateToURI3", "sa{sv}u", uri, typed(values), flags)
                    == outcome(guest.plain.migrateToURI3, uri, values, flags)), (uri, values)
        assert state(guest) == libvirt.VIR_DOMAIN_RUNNING
        assert guest.call("MigrateSetMaxSpeed", "tu", 33, 0) is None
        assert guest.call("MigrateGetMaxSpeed", "u", 0) == guest.plain.migrateGetMaxSpeed(0) == 33
        guest.told("DomainEvent")
