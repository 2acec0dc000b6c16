# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second libvirtd, to which guests of a stage move."""

import os

import libvirt
import pytest

from . import host

OTHER_HOST = "cccccccc-1111-2222-3333-444444444444"
PEER = libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_LIVE


@pytest.fixture(scope="module")
def destination(stage, libvirt_cache):
    """A second libvirtd, on a host of its own as far as it knows, and a connection to it."""
    home = stage.home / "second"
    home.mkdir()
    other = host.Libvirtd(home, libvirt_cache)
    stage.others.append(other)
    other.configure(f'host_uuid = "{OTHER_HOST}"\n')
    other.start()
    connection = libvirt.open(other.uri)
    yield other, connection
    connection.close()


def by_socket(libvirtd, name):
    """The URI of a socket at which a guest that moves to that libvirtd is taken in: a port may be another's by the time
    at which QEMU listens at it."""
    return f"unix://{libvirtd.directory('migration')}/{name}"


def typed(values):
    return {name: ("t" if isinstance(value, int) else "s", value) for name, value in values.items()}


def full_of(file):
    """A guest with so many random bytes in its memory, 24 MiB, that it takes a while to move."""
    with open(file, "wb") as content:
        content.write(os.urandom(24 << 20))
    return (f"<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-device'/>"
            f"<qemu:arg value='loader,file={file},addr=0x1000000,force-raw=on'/></qemu:commandline>")
