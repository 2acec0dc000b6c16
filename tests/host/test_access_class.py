# SPDX-License-Identifier: LGPL-2.1-or-later
"""The access class of each member, against libvirt's own rule, for the kinds that the test driver does not have
(tests/unit/test-access-class.c has the others): the function behind it is called on a read-only connection of a real
libvirtd, and what that refuses is "manage", what it does not is "monitor"."""

import uuid as uuids
import xml.etree.ElementTree

import libvirt
import libvirtmod
import pytest

from support.hosts import host, methods, privileged

NAME = "org.guestbus."
SECRET = "<secret><uuid>{}</uuid><usage type='volume'><volume>/v</volume></usage></secret>"
FILTER = "<filter name='f' chain='root'><uuid>{}</uuid></filter>"
BINDING = """<filterbinding><owner><name>o</name><uuid>{}</uuid></owner><portdev name='tap'/>
<mac address='52:54:00:9d:81:b1'/><filterref filter='f'/></filterbinding>"""
# Something of each type that these members take.
VALUES = {"u": 0, "ay": b"x"}


def secret(writer, reader):
    """A secret as the read-only connection has it."""
    made = writer.secretDefineXML(SECRET.format(uuids.uuid4()), 0)
    made.setValue(b"value", 0)
    return reader.secretLookupByUUIDString(made.UUIDString())


def network_filter(writer, reader):
    made = writer.nwfilterDefineXML(FILTER.format(uuids.uuid4()))
    return reader.nwfilterLookupByUUIDString(made.UUIDString())


def binding(writer, reader):
    network_filter(writer, reader)
    writer.nwfilterBindingCreateXML(BINDING.format(uuids.uuid4()), 0)
    return reader.nwfilterBindingLookupByPortDev("tap")


@pytest.fixture(params=[(secret, host.Libvirtd), (network_filter, privileged.Libvirtd), (binding, privileged.Libvirtd)],
                ids=["Secret", "NWFilter", "NWFilterBinding"])
def target(request, libvirt_cache):
    """(the object on a read-only connection, its interface as the service tells of it)."""
    make, kind = request.param
    lacking = host.missing()
    if lacking:
        pytest.skip(f"{lacking} is not installed")
    if kind is privileged.Libvirtd and not privileged.available():
        pytest.skip("no user namespaces for an ordinary user")
    with methods.world(libvirt_cache, kind) as world:
        reader = libvirt.openReadOnly(world.libvirtd.uri)
        one = make(world.plain["QEMU"], reader)
        told = xml.etree.ElementTree.fromstring(world.client.introspect(methods.path_of(one, "QEMU")))
        yield one, told.find(f"interface[@name='{methods.INTERFACES[type(one)]}']")
        del one
        reader.close()


def annotation(element, name):
    return next((note.get("value") for note in element.findall("annotation") if note.get("name") == NAME + name),
                None)


def refused(one, function, arguments):
    """Whether libvirt's function is refused because the connection only reads. What else may be wrong is not
    asked here."""
    libvirt.virResetLastError()
    getattr(libvirtmod, function)(one._o, *arguments)
    error = libvirt.virGetLastError()
    return error is not None and error[0] == libvirt.VIR_ERR_OPERATION_DENIED


def test_the_classes_are_libvirts(target):
    one, interface = target
    members = interface.findall("property") + interface.findall("method")
    classes = {}
    for member in members:
        function = annotation(member, "Calls") or annotation(member, "Function")
        types = [arg.get("type") for arg in member.findall("arg") if arg.get("direction") == "in"]
        arguments = [VALUES[one] for one in types]
        access = classes[member.get("name")] = annotation(member, "Access")
        assert refused(one, function, arguments) == (access == "manage"), f"{function} is {access}"
        # No flag makes more of what only reads; an argument that has such flags says so.
        assert not member.findall("arg/annotation")
        for bit in range(32) if access == "monitor" and types[-1:] == ["u"] else ():
            assert not refused(one, function, [*arguments[:-1], 1 << bit]), f"{function} with flag {1 << bit}"
        # A property that could be written would have a function of its own for that.
        assert member.get("access") in (None, "read")
    assert len(classes) == len(members) and set(classes.values()) == {"monitor", "manage"}
