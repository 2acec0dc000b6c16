# SPDX-License-Identifier: LGPL-2.1-or-later
"""A walk over all that introspection shows (support/programs/walk.py), where the hypervisor is a real libvirtd with a
QEMU guest, a pool and a secret."""

import libvirt
import pytest

from support.hosts import host
from support.programs.walk import walk
from support.service import wait_connected

UUIDS = [f"aaaaaaaa-bbbb-cccc-dddd-00000000000{digit}" for digit in range(3)]
SECRET = f"<secret ephemeral='no' private='no'><uuid>{UUIDS[1]}</uuid></secret>"
POOL = f"<pool type='dir'><name>walked</name><uuid>{UUIDS[2]}</uuid><target><path>{{}}</path></target></pool>"
VOLUME = "<volume><name>walked</name><capacity>1048576</capacity></volume>"
# What this libvirtd has no objects of: its snapshots, networks and filters need files, rights or programs that a
# private one lacks.
KINDS = {"Connect", "Domain", "NodeDevice", "Secret", "StoragePool", "StorageVol"}


class Tidy:
    """Brings back what a walk took away. What cannot be had back is in use, which is an error of libvirt's."""

    def __init__(self, plain, directory):
        self.plain, self.directory = plain, directory

    def __call__(self):
        for attempt in (self.secret, self.guest, self.pool):
            try:
                attempt()
            except libvirt.libvirtError as error:
                self.last = error

    def secret(self):
        self.plain.secretDefineXML(SECRET)

    def guest(self):
        domain = self.plain.defineXML(host.guest_xml("walked", UUIDS[0]))
        if not domain.isActive():
            domain.create()

    def pool(self):
        pool = self.plain.storagePoolDefineXML(POOL.format(self.directory))
        if not pool.isActive():
            pool.create()
        if not pool.listVolumes():
            pool.createXML(VOLUME)


@pytest.fixture
def plain(libvirtd):
    libvirt.registerErrorHandler(lambda context, error: None, None)
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


def test_by_the_services_own_user(home, libvirtd, plain, one_bus, run_service, connect):
    service = run_service(one_bus, {"QEMU": libvirtd.uri}, wrap=lambda argv: ["env", "-C", str(home), *argv])
    client = connect(one_bus)
    wait_connected(client, "QEMU")
    one = walk(client, Tidy(plain, libvirtd.directory("pool")), home, "/org/libvirt/QEMU")
    assert {f"org.libvirt.{kind}" for kind in KINDS} <= one.met.keys(), one.met
    assert not service.ended(), service.stderr()[-3000:]
