# SPDX-License-Identifier: LGPL-2.1-or-later
"""Walks over all that introspection shows (support/programs/walk.py), where the hypervisor is libvirt's test driver."""

import pathlib
import re
from xml.etree import ElementTree

import pytest

from support.client import PROPERTIES
from support.hosts import guarded as guards
from support.hosts.guarded import guarded
from support.models.targets import OBJECTS, TEST, VICTIM, WITHOUT_OBJECTS, prepare
from support.programs.walk import OURS, walk
from support.service import CHECKOUT

NODE_DEVICE = "org.libvirt.NodeDevice"
# Objects that the test driver has none of.
ABSENT = {f"org.libvirt.{kind}" for kind in WITHOUT_OBJECTS} | {"org.guestbus.Secret1"}


def files_of(pattern):
    """The interfaces that the files of introspection/ describe."""
    return {element.get("name") for file in (CHECKOUT / "introspection").glob(pattern)
            for element in ElementTree.parse(file).iter("interface")}


def everything_was_met(one):
    expected = files_of("org.*.xml") - ABSENT
    assert expected <= one.met.keys(), expected - one.met.keys()


@pytest.fixture
def service(bus, home, run_service):
    """Whatever the test driver may write by a relative name is in the test's directory."""
    return run_service(bus, wrap=lambda argv: ["env", "-C", str(home), *argv])


def test_the_names_are_those_of_the_service():
    """What base/error.c can say is what the page has. Where it says it is there as well."""
    text = (CHECKOUT / "service" / "base" / "error.c").read_text(encoding="utf-8")
    header = pathlib.Path("/usr/include/systemd/sd-bus-protocol.h").read_text(encoding="utf-8")
    known = dict(re.findall(r'#define SD_BUS_ERROR_(\w+)[ \\\n]+"([\w.]+)"', header))
    names = {known[name] for name in re.findall(r"SD_BUS_ERROR_(\w+)", text)} | set(re.findall(r'"(org\.[\w.]+)"', text))
    assert names == OURS


def test_by_the_services_own_user(service, client, home):
    one = walk(client, lambda: prepare(client), home, TEST)
    everything_was_met(one)
    assert {"org.libvirt.Error", "org.freedesktop.DBus.Error.InvalidArgs"} <= one.errors
    assert not service.ended(), service.stderr()[-3000:]
    prepare(client)
    assert client.domain(VICTIM, "GetState", "u", 0)[0] == 1


@pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")
@pytest.mark.parametrize("who", ["root", "outsider"])
def test_on_a_system_bus(who):
    """As it is installed: what an ordinary user may not do has the names that the page has for it."""
    with guarded() as world:
        one = walk(world.client(who), lambda: prepare(world.root), world.home, TEST)
        everything_was_met(one)
        assert bool(one.errors & {guards.DENIED, guards.INTERACTIVE}) == (who == "outsider"), one.errors
        assert not world.service.ended(), world.service.stderr()[-3000:]


def test_a_device_without_a_parent(client):
    """As libvirt-dbus has it: Get is an error of libvirt's, and GetAll leaves out what Get refuses."""
    path = OBJECTS["NodeDevice"]
    error = client.error(path, PROPERTIES, "Get", "ss", (NODE_DEVICE, "Parent"))
    assert (error.name, "no parent" in error.message) == ("org.libvirt.Error", True)
    assert client.get_all(path, NODE_DEVICE) == {"Name": ("v", ("s", "computer"))}
    child = f"{TEST}/nodedev/scsi_5fhost1"
    assert client.get(child, NODE_DEVICE, "Parent") == ("s", "computer")
    assert client.get_all(child, NODE_DEVICE)["Parent"] == ("v", ("s", "computer"))
