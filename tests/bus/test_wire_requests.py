# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in, requests that are wrong in themselves: libvirt-dbus and guestbusd give the same D-Bus error
names. The texts are those of the D-Bus library that each is built on."""

import pytest

from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES
from test_wire import ABSENT, GUEST, TEST, method, needs_peer, perform_both  # noqa: F401 (fixture)

NONSENSE = "org.libvirt.Nonsense"
NOWHERE = ("/org/libvirt/Nonsense", f"{TEST}/nonsense", f"{TEST}/nonsense/x", f"{TEST}/domain/x",
           f"{TEST}/domain", "/org/libvirt", "/org", "/")


def properties(path, where, interface=DOMAIN, name="Name"):
    """The three of Properties."""
    return [(f"Get {where}", path, PROPERTIES, "Get", "ss", (interface, name)),
            (f"GetAll {where}", path, PROPERTIES, "GetAll", "s", (interface,)),
            (f"Set {where}", path, PROPERTIES, "Set", "ssv", (interface, name, ("b", True)))]


SCRIPTS = {
    "methods": [
        *method(GUEST, DOMAIN, "Nonsense", label="unknown method"),
        *method(TEST, CONNECT, "Nonsense", label="unknown method of the connection"),
        *method(ABSENT, DOMAIN, "Nonsense", label="unknown method of no guest"),
        *method(GUEST, DOMAIN, "getState", "u", 0, label="method in the wrong case"),
        *method(GUEST, NONSENSE, "GetState", "u", 0, label="unknown interface"),
        *method(GUEST, CONNECT, "ListDomains", "u", 0, label="interface of another object"),
        *method(TEST, DOMAIN, "GetState", "u", 0, label="interface of another object, connection"),
        *method(GUEST, PROPERTIES, "Nonsense", label="unknown method of Properties"),
        *method(GUEST, INTROSPECTABLE, "Nonsense", label="unknown method of Introspectable"),
        *method(GUEST, "org.freedesktop.DBus.Peer", "Nonsense", label="unknown method of Peer"),
    ],
    "paths": [
        *[one for path in NOWHERE for one in
          method(path, DOMAIN, "GetState", "u", 0, label=f"GetState at {path}")],
        *[one for path in NOWHERE for one in
          method(path, CONNECT, "ListDomains", "u", 0, label=f"ListDomains at {path}")],
        *[one for path in NOWHERE for one in properties(path, f"at {path}")],
    ],
    "arguments": [
        *method(GUEST, DOMAIN, "GetState", label="too few arguments"),
        *method(GUEST, DOMAIN, "GetState", "uu", 0, 0, label="too many arguments"),
        *method(GUEST, DOMAIN, "GetState", "i", 0, label="argument of another type"),
        *method(GUEST, DOMAIN, "Suspend", "u", 0, label="an argument too many"),
        *method(GUEST, DOMAIN, "SetMemoryParameters", "a{ss}u", {}, 0, label="dictionary of another type"),
    ],
    "arguments of D-Bus's own methods": [
        *method(GUEST, PROPERTIES, "Get", "s", DOMAIN, label="Get, too few arguments"),
        *method(GUEST, PROPERTIES, "Get", "su", DOMAIN, 1, label="Get, argument of another type"),
        *method(GUEST, PROPERTIES, "GetAll", "ss", DOMAIN, "x", label="GetAll, too many arguments"),
        *method(GUEST, PROPERTIES, "Set", "sss", DOMAIN, "Autostart", "x", label="Set without a variant"),
        *method(GUEST, INTROSPECTABLE, "Introspect", "s", "x", label="Introspect with an argument"),
    ],
    "typed parameters": [
        *method(GUEST, DOMAIN, "SetMemoryParameters", "a{sv}u", {"hard_limit": ("o", "/a")}, 0,
                label="typed parameter of no such type"),
        *method(GUEST, DOMAIN, "SetMemoryParameters", "a{sv}u", {"hard_limit": ("as", ["a"])}, 0,
                label="typed parameter that is an array"),
        *method(GUEST, DOMAIN, "SetMemoryParameters", "a{sv}u", {"hard_limit": ("v", ("t", 1))}, 0,
                label="typed parameter in two variants"),
        *method(GUEST, DOMAIN, "SetMemoryParameters", "a{sv}u", {"n": ("y", 1)}, 0,
                label="typed parameter, byte"),
        *method(GUEST, DOMAIN, "SetMemoryParameters", "a{sv}u", {"n" * 200: ("t", 1)}, 0,
                label="typed parameter of a long name"),
    ],
    "properties": [
        *properties(GUEST, "of an unknown property", name="Nonsense"),
        *properties(GUEST, "of an unknown interface", interface=NONSENSE),
        *properties(GUEST, "of another object's interface", interface=CONNECT, name="Version"),
        *properties(GUEST, "of no interface", interface=""),
        *properties(GUEST, "of Properties", interface=PROPERTIES),
        *properties(GUEST, "of a method's name", name="GetState"),
        *properties(TEST, "of an unknown property, connection", interface=CONNECT, name="Nonsense"),
        *properties(f"{TEST}/domainsnapshot/_6695eb01_f6a4_8304_79aa_97f2502e193f_a",
                    "of an interface without properties", interface="org.libvirt.DomainSnapshot"),
        *[(f"Set {name} of the type {value[0]}", GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, name, value))
          for name, value in (("Name", ("s", "x")), ("Name", ("u", 1)), ("Id", ("u", 1)),
                              ("Active", ("b", True)), ("Autostart", ("s", "x")), ("Autostart", ("u", 1)),
                              ("Autostart", ("v", ("b", True))))],
        ("Set of a read-only property of no guest", ABSENT, PROPERTIES, "Set", "ssv",
         (DOMAIN, "Name", ("s", "x"))),
        ("Get of an unknown property of no guest", ABSENT, PROPERTIES, "Get", "ss", (DOMAIN, "Nonsense")),
    ],
}

# What guestbusd answers otherwise, on purpose, by the whole label: the reason.
NO_GUEST = "there is no guest at such a path, and libvirt is not asked for it"
HIDES = "an empty success hides that the object is not there"
BEFORE = "found wrong before libvirt is asked: a bad request, not libvirt's refusal"
EMPTY = "D-Bus allows an empty interface name: the object's own interface"
LIBRARY = "no path of the service's"
NO_OBJECT = "D-Bus has a name for an object that is not there"
WRONG_TYPE = "arguments of a wrong type are called that on every interface"
DIFFERENT = {
    **{f"{member} at {TEST}/domain{leaf}": NO_GUEST for leaf in ("", "/x")
       for member in ("GetState", "ListDomains", "Get", "Set")},
    **{f"GetAll at {TEST}/domain{leaf}": HIDES for leaf in ("", "/x")},
    # Above /org/libvirt the D-Bus library answers, each its own way.
    **{f"{member} at {path}": LIBRARY for path in ("/", "/org")
       for member in ("GetState", "ListDomains", "Get", "GetAll", "Set")},
    **{f"{member} at {path}": NO_OBJECT
       for path in ("/org/libvirt/Nonsense", f"{TEST}/nonsense", f"{TEST}/nonsense/x")
       for member in ("GetState", "ListDomains", "Get", "GetAll", "Set")},
    **{label: WRONG_TYPE for label in
       ("Get, too few arguments", "Get, argument of another type", "GetAll, too many arguments",
        "Set without a variant", "Introspect with an argument")},
    # /org/libvirt is an object here, with children.
    **{f"{member} at /org/libvirt": NO_GUEST for member in ("Get", "GetAll", "Set")},
    **{f"typed parameter{which}": BEFORE for which in
       (" of no such type", " that is an array", ", byte", " of a long name")},
    "typed parameter in two variants": "what GetMemoryParameters answered is taken as it is",
    "GetAll of an unknown property, connection": "Secure is right",
    **{f"{member} of no interface": EMPTY for member in ("Get", "GetAll")},
    "GetAll of an interface without properties": HIDES,
}


def name_of(outcome):
    """An error's name; of a success, all of it."""
    return outcome[1] if outcome[0] == "error" else outcome


def accepted(label, mine, theirs):
    if DIFFERENT.get(label) in (NO_GUEST, HIDES, BEFORE, LIBRARY, NO_OBJECT, WRONG_TYPE):
        return mine[0] == "error"
    if label in DIFFERENT:
        return mine[0] == "value"
    return name_of(mine) == name_of(theirs)


@needs_peer
@pytest.mark.parametrize("name", SCRIPTS)
def test_names_of_errors(perform_both, name):  # noqa: F811
    (theirs, _), (mine, _) = perform_both(SCRIPTS[name])
    wrong = [f"{label}: ours {name_of(one)}, theirs {name_of(other)} ({other[2]})"
             for (label, one), (_, other) in zip(mine, theirs) if not accepted(label, one, other)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_reasons_are_of_use():
    labels = {label for script in SCRIPTS.values() for label, *_ in script}
    assert set(DIFFERENT) <= labels
