# SPDX-License-Identifier: LGPL-2.1-or-later
"""What introspection shows, from / on: each object, each of its interfaces, their methods and properties."""

import collections
import xml.etree.ElementTree as ElementTree

from ..client import PROPERTIES
from .targets import Method

Property = collections.namedtuple("Property", "interface name type access")


class Interface:
    """One of an object's interfaces."""

    def __init__(self, element):
        self.name = element.get("name")
        self.methods = [Method(self.name, one) for one in element.findall("method")]
        self.properties = [Property(self.name, one.get("name"), one.get("type"), one.get("access"))
                           for one in element.findall("property")]


def nodes(client, path="/"):
    """{path: what Introspect says there}, of all that nodes lead to."""
    text = client.introspect(path)
    found = {path: text}
    for node in ElementTree.fromstring(text).findall("node"):
        found.update(nodes(client, f"{path.rstrip('/')}/{node.get('name')}"))
    return found


def interfaces(text):
    """The interfaces that a text of Introspect shows."""
    return [Interface(one) for one in ElementTree.fromstring(text).findall("interface")]


class Surface:
    """The members of many objects: `methods` and `properties` without doubles, and where each interface is."""

    def __init__(self, texts):
        self.paths = collections.defaultdict(list)
        self.methods, self.properties = [], []
        for path, text in texts.items():
            for one in interfaces(text):
                if one.name not in self.paths:
                    self.methods += one.methods if one.name != PROPERTIES else []
                    self.properties += one.properties
                self.paths[one.name].append(path)
        self.every = list(texts)
