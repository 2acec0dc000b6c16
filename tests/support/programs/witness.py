# SPDX-License-Identifier: LGPL-2.1-or-later
"""witness.py URI: prints every event that has a signal in org.libvirt, as a line of JSON [member, name of the
object, its UUID, arguments...], until it is ended."""

import json
import sys

import libvirt

DOMAIN_EVENTS = {
    "LIFECYCLE": "DomainEvent", "REBOOT": "Reboot", "RTC_CHANGE": "RTCChange", "WATCHDOG": "Watchdog",
    "IO_ERROR_REASON": "IOError", "CONTROL_ERROR": "ControlError", "DISK_CHANGE": "DiskChange",
    "TRAY_CHANGE": "TrayChange", "PMWAKEUP": "PMWakeup", "PMSUSPEND": "PMSuspend",
    "PMSUSPEND_DISK": "PMSuspendDisk", "BALLOON_CHANGE": "BalloonChange", "DEVICE_REMOVED": "DeviceRemoved",
    "DEVICE_ADDED": "DeviceAdded", "DEVICE_REMOVAL_FAILED": "DeviceRemovalFailed", "BLOCK_JOB_2": "BlockJob",
    "TUNABLE": "Tunable", "AGENT_LIFECYCLE": "AgentEvent", "MIGRATION_ITERATION": "MigrationIteration",
    "JOB_COMPLETED": "JobCompleted", "METADATA_CHANGE": "MetadataChange", "BLOCK_THRESHOLD": "BlockThreshold",
    "GRAPHICS": "Graphics", "MEMORY_FAILURE": "MemoryFailure",
    "MEMORY_DEVICE_SIZE_CHANGE": "MemoryDeviceSizeChange",
}


def text(value):
    """What libvirt gives as NULL is an empty string on D-Bus."""
    return "" if value is None else value


def address(value):
    return [value["family"], text(value["node"]), text(value["service"])]


def graphics(phase, local, remote, scheme, subject):
    return [phase, address(local), address(remote), text(scheme), [list(pair) for pair in subject]]


def teller(member):
    """A callback of any type: connection, object, arguments, what was registered with it."""
    def tell(_connection, thing, *args):
        words = graphics(*args[:-1]) if member == "Graphics" else [text(value) for value in args[:-1]]
        print(json.dumps([member, getattr(thing, "name", str)(), getattr(thing, "UUIDString", str)(), *words]),
              flush=True)
        return 0
    return tell


def main():
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.openReadOnly(sys.argv[1])
    for name, member in DOMAIN_EVENTS.items():
        number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
        connection.domainEventRegisterAny(None, number, teller(member), None)
    for kind, number, member in (
            (connection.storagePoolEventRegisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
             "StoragePoolEvent"),
            (connection.storagePoolEventRegisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, "Refresh"),
            (connection.secretEventRegisterAny, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, "SecretEvent"),
            (connection.secretEventRegisterAny, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED, "ValueChanged")):
        kind(None, number, teller(member), None)
    print(json.dumps(["ready"]), flush=True)
    while True:
        libvirt.virEventRunDefaultImpl()


if __name__ == "__main__":
    main()
