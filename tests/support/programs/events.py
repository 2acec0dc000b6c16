# SPDX-License-Identifier: LGPL-2.1-or-later
"""events.py URI: a plain libvirt client that prints every event that has a signal in org.libvirt, as a line of JSON
[member, name of the object, its UUID or "", arguments of the callback...], until it is ended. ["ready"] comes first."""

import json
import sys

import libvirt

# libvirt's name of a kind of object in functions, and in constants: {event: member}.
EVENTS = {
    ("domain", "DOMAIN"): {
        "LIFECYCLE": "DomainEvent", "REBOOT": "Reboot", "RTC_CHANGE": "RTCChange", "WATCHDOG": "Watchdog",
        "IO_ERROR_REASON": "IOError", "CONTROL_ERROR": "ControlError", "DISK_CHANGE": "DiskChange",
        "TRAY_CHANGE": "TrayChange", "PMWAKEUP": "PMWakeup", "PMSUSPEND": "PMSuspend",
        "PMSUSPEND_DISK": "PMSuspendDisk", "BALLOON_CHANGE": "BalloonChange", "DEVICE_REMOVED": "DeviceRemoved",
        "DEVICE_ADDED": "DeviceAdded", "DEVICE_REMOVAL_FAILED": "DeviceRemovalFailed", "BLOCK_JOB_2": "BlockJob",
        "TUNABLE": "Tunable", "AGENT_LIFECYCLE": "AgentEvent", "MIGRATION_ITERATION": "MigrationIteration",
        "JOB_COMPLETED": "JobCompleted", "METADATA_CHANGE": "MetadataChange", "BLOCK_THRESHOLD": "BlockThreshold",
        "GRAPHICS": "Graphics", "MEMORY_FAILURE": "MemoryFailure",
        "MEMORY_DEVICE_SIZE_CHANGE": "MemoryDeviceSizeChange",
    },
    ("network", "NETWORK"): {"LIFECYCLE": "NetworkEvent"},
    ("storagePool", "STORAGE_POOL"): {"LIFECYCLE": "StoragePoolEvent", "REFRESH": "Refresh"},
    ("nodeDevice", "NODE_DEVICE"): {"LIFECYCLE": "NodeDeviceEvent", "UPDATE": "Update"},
    ("secret", "SECRET"): {"LIFECYCLE": "SecretEvent", "VALUE_CHANGED": "ValueChanged"},
}


def text(value):
    """What libvirt gives as NULL is an empty string on D-Bus."""
    return "" if value is None else value


def address(value):
    return [value["family"], text(value["node"]), text(value["service"])]


def graphics(phase, local, remote, scheme, subject):
    return [phase, address(local), address(remote), text(scheme), [list(pair) for pair in subject]]


def printer(member):
    """A callback of any type: connection, object, arguments, what was registered with it."""
    def callback(_connection, thing, *args):
        words = graphics(*args[:-1]) if member == "Graphics" else [text(value) for value in args[:-1]]
        print(json.dumps([member, getattr(thing, "name", str)(), getattr(thing, "UUIDString", str)(), *words]),
              flush=True)
        return 0
    return callback


def register(function, number, member):
    """A driver may lack the event."""
    try:
        function(None, number, printer(member), None)
    except libvirt.libvirtError:
        pass


def main():
    libvirt.registerErrorHandler(lambda context, error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.openReadOnly(sys.argv[1])
    for (kind, constants), events in EVENTS.items():
        for name, member in events.items():
            register(getattr(connection, f"{kind}EventRegisterAny"),
                     getattr(libvirt, f"VIR_{constants}_EVENT_ID_{name}"), member)
    print(json.dumps(["ready"]), flush=True)
    while True:
        libvirt.virEventRunDefaultImpl()


if __name__ == "__main__":
    main()
