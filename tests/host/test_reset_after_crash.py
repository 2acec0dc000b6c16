# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that crashed and is reset: libvirt tells that as a reboot, and nothing of its state."""

import os

import libvirt
import pytest

from support.client import DOMAIN
from support.hosts.guests import WITHIN, stage  # noqa: F401 -- stage is a fixture
from support.models.listener import INTERFACES
from support.process import wait_until

DOMAIN1 = INTERFACES["domain"]
# A boot sector that sets the clock back, which is an event, and then panics: a byte to port 0x505.
PANICS = bytes.fromhex("b405b97019ba0101cd1aba0505b001eef4ebfd").ljust(510, b"\0") + b"\x55\xaa"
DISK = """<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{file}'/>
<target dev='hda' bus='ide'/></disk><panic model='isa'/>"""


@pytest.fixture
def crashed(stage, request):  # noqa: F811
    """A guest that has panicked and is kept, as its on_crash says. Each test has its own: libvirtd takes a moment to
    see that the one before has ended."""
    image = f"{stage.directory('boot')}/boot.img"
    with open(image, "wb") as file:
        file.write(PANICS + bytes(1 << 20))
    os.chmod(image, 0o666)  # libvirtd may be another user
    with stage.guest(request.node.name, DISK.format(file=image), "<on_crash>preserve</on_crash>") as guest:
        wait_until(lambda: shown(stage, guest) == "crashed", WITHIN, "it has panicked")
        yield guest


def shown(stage, guest):  # noqa: F811
    return stage.client.get(guest.path, DOMAIN1, "State")[1]


def check_not_crashed(stage, guest):  # noqa: F811
    """Libvirt says that a guest which was reset is paused; the properties say the same."""
    assert guest.plain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    wait_until(lambda: shown(stage, guest) == "paused", WITHIN, "the properties say so")


def test_another_client_resets_it(stage, crashed):  # noqa: F811
    """The event of the reboot is reason enough to ask."""
    crashed.plain.reset(0)
    check_not_crashed(stage, crashed)


def test_a_call_resets_it(stage, crashed):  # noqa: F811
    """When the reply is there, the properties show it."""
    stage.call(crashed.path, DOMAIN, "Reset", "u", 0)
    assert crashed.plain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    assert shown(stage, crashed) == "paused"
