# SPDX-License-Identifier: LGPL-2.1-or-later
"""watcher.py URI: prints each domain event that libvirt tells, as a line of JSON, until it is ended."""

import json
import sys

import libvirt


def say(*words):
    print(json.dumps(words), flush=True)


def main():
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.openReadOnly(sys.argv[1])
    callbacks = {
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: lambda c, d, event, detail, o:
            say("lifecycle", d.name(), event, detail),
        libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: lambda c, d, o: say("reboot", d.name()),
        libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE: lambda c, d, actual, o: say("balloon", d.name(), actual),
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: lambda c, d, alias, o: say("added", d.name(), alias),
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: lambda c, d, alias, o: say("removed", d.name(), alias),
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: lambda c, d, alias, o:
            say("removal-failed", d.name(), alias),
    }
    for kind, callback in callbacks.items():
        connection.domainEventRegisterAny(None, kind, callback, None)
    say("ready")
    while True:
        libvirt.virEventRunDefaultImpl()


if __name__ == "__main__":
    main()
