# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interface files as the service has them: without members whose function or event this
machine's libvirt lacks."""

import ctypes
import sys
import xml.etree.ElementTree as ElementTree

import libvirt

from .service import CHECKOUT

FILES = CHECKOUT / "introspection"
sys.path.append(str(FILES))
from libvirt_api import annotation, functions_of  # noqa: E402  pylint: disable=wrong-import-position

LIBRARIES = [ctypes.CDLL(name) for name in ("libvirt.so.0", "libvirt-qemu.so.0")]


def is_there(element):
    event = annotation(element, "org.guestbus.Event")
    return ((event is None or hasattr(libvirt, event))
            and all(any(hasattr(library, function) for library in LIBRARIES) for function in functions_of(element)))


def every(name):
    """The element of an interface, with all of its members."""
    return ElementTree.parse(FILES / f"{name}.xml").getroot().find("interface")


def interfaces(file):
    """The elements of the interfaces in a file."""
    found = ElementTree.parse(file).getroot().findall("interface")
    for element in found:
        for one in [one for one in element if not is_there(one)]:
            element.remove(one)
    return found


def interface(name):
    """The element of an interface."""
    return interfaces(FILES / f"{name}.xml")[0]


def methods():
    """[(interface, name, signature of what goes in)] of org.libvirt, in the order of the files."""
    return [(name, one.get("name"), "".join(arg.get("type") for arg in one.findall("arg")
                                            if arg.get("direction") == "in"))
            for name in sorted(path.stem for path in FILES.glob("org.libvirt.*.xml"))
            for one in interface(name).findall("method")]
