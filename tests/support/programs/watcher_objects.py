# SPDX-License-Identifier: LGPL-2.1-or-later
"""watcher_objects.py URI: prints each event that is not of a domain's life, as a line of JSON, until it is
ended: [member of the D-Bus signal, identity of the object, what the event says...]."""

import json
import sys

import libvirt


def say(*words):
    print(json.dumps(words), flush=True)


def register(function, kind, callback):
    """A driver may lack the event."""
    try:
        function(None, kind, callback, None)
    except libvirt.libvirtError:
        pass


def main():
    libvirt.registerErrorHandler(lambda context, error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.openReadOnly(sys.argv[1])
    register(connection.domainEventRegisterAny, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
             lambda c, d, kind, uri, o: say("MetadataChange", d.UUIDString(), kind, uri or ""))
    register(connection.domainEventRegisterAny, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
             lambda c, d, event, detail, o: say("DomainEvent", d.UUIDString(), event, detail))
    register(connection.domainEventRegisterAny, libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
             lambda c, d, actual, o: say("BalloonChange", d.UUIDString(), actual))
    register(connection.networkEventRegisterAny, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
             lambda c, n, event, detail, o: say("NetworkEvent", n.UUIDString(), event))
    register(connection.storagePoolEventRegisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
             lambda c, p, event, detail, o: say("StoragePoolEvent", p.UUIDString(), event, detail))
    register(connection.storagePoolEventRegisterAny, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
             lambda c, p, o: say("Refresh", p.UUIDString()))
    register(connection.nodeDeviceEventRegisterAny, libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
             lambda c, d, event, detail, o: say("NodeDeviceEvent", d.name(), event, detail))
    register(connection.secretEventRegisterAny, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE,
             lambda c, s, event, detail, o: say("SecretEvent", s.UUIDString(), event, detail))
    register(connection.secretEventRegisterAny, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED,
             lambda c, s, o: say("ValueChanged", s.UUIDString()))
    register(connection.nodeDeviceEventRegisterAny, libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE,
             lambda c, d, o: say("Update", d.name()))
    say("ready")
    while True:
        libvirt.virEventRunDefaultImpl()


if __name__ == "__main__":
    main()
