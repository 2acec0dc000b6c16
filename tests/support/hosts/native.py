# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of the service's own interfaces begin with: the test driver inside a libvirtd, where others can
use it as well, objects for it, and short ways to what a connection says of itself.

The fixtures `service` and `plain` are for those who import them."""

import uuid

import libvirt
import pytest

from ..models.listener import CONNECTION, ROOT, Event
from .workload import object_path

TEST, QEMU = f"{ROOT}/Test", f"{ROOT}/QEMU"
# What the test driver has from the start.
GUEST = object_path(TEST, "domain", "6695eb01-f6a4-8304-79aa-97f2502e193f")
NET = object_path(TEST, "network", "dd8fe884-6c02-601e-7551-cca97df1c5df")

XML = """<domain type='test'><name>{name}</name><uuid>{number}</uuid><memory>1024</memory>
<os><type>hvm</type></os></domain>"""
NETWORK = "<network><name>{name}</name><uuid>{number}</uuid></network>"
POOL = """<pool type='dir'><name>{name}</name><uuid>{number}</uuid>
<target><path>/{name}</path></target></pool>"""
DEVICE = """<device><parent>scsi_host1</parent><capability type='scsi_host'><capability type='fc_host'>
<wwnn>2000000012341234</wwnn><wwpn>1000000012341299</wwpn></capability></capability></device>"""


@pytest.fixture
def service(one_bus, libvirtd, run_service):
    """guestbusd on the test driver inside a libvirtd, which others can use as well."""
    return run_service(one_bus, {"Test": libvirtd.test_uri})


@pytest.fixture
def plain(libvirtd):
    """python3-libvirt on the same driver."""
    connection = libvirt.open(libvirtd.test_uri)
    yield connection
    connection.close()


def number_of(name):
    """The UUID that an object of that name is given."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def filled(template, name):
    return template.format(name=name, number=number_of(name))


def epoch(client, root=TEST):
    return client.get(root, CONNECTION, "Epoch")[1]


def last(client, root=TEST):
    """The number of the last event."""
    return client.get(root, CONNECTION, "Sequence")[1]


def before(client, root=TEST):
    """The number that the first event of the epoch follows."""
    values = client.get_all(root, CONNECTION)
    return values["Sequence"][1] - values["Counters"][1]["events"]


def state(client, root=TEST):
    return client.get(root, CONNECTION, "State")[1]


def counters(client, root=TEST):
    return client.get(root, CONNECTION, "Counters")[1]


def resync(client, root=TEST):
    return client.call(root, CONNECTION, "Resync")


def get_batch(client, after=0, most=0, of=None, root=TEST):
    """(events, complete)."""
    events, complete = client.call(root, CONNECTION, "GetEvents", "stu",
                                   (of or epoch(client, root), after, most))
    return [Event(*one) for one in events], complete


def get_events(client, after, root=TEST):
    """All events after a number, page by page."""
    events, complete = get_batch(client, after, root=root)
    while not complete:
        some, complete = get_batch(client, events[-1].sequence, root=root)
        events += some
    return events


def plain_values(details):
    return {name: value for name, (_, value) in details.items()}


def quiet(client):
    """The number of the last event when nothing is under way any more: who sets what is set already is
    answered when libvirt was asked after it, on the way that events take. What came on that way is asked in
    the next turn."""
    for _ in range(2):
        client.set(GUEST, "org.libvirt.Domain", "Autostart", "b", False)
    return last(client)


def pool_comes_and_goes(plain):
    """All that can happen to a pool, in order."""
    pool = plain.storagePoolDefineXML(filled(POOL, "p"))
    pool.build()
    pool.create()
    pool.refresh()
    pool.destroy()
    pool.delete()
    pool.undefine()


def some_of_every_kind(plain):
    """What the test driver can make of domains, networks, pools and node devices."""
    domain = plain.defineXML(filled(XML, "d"))
    domain.create()
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "title", None, None, 1)
    domain.suspend()
    domain.resume()
    domain.destroy()
    domain.undefine()
    network = plain.networkDefineXML(filled(NETWORK, "n"))
    network.create()
    network.destroy()
    network.undefine()
    pool_comes_and_goes(plain)
    plain.nodeDeviceCreateXML(DEVICE, 0).destroy()
