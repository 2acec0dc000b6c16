# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: every member of every interface, asked for by everybody.

The right is asked for before the arguments are read, so each member is called with arguments that it does not
take: whoever has the right is told so, and nothing is done."""

import pytest
from jeepney import HeaderFields

from support import declared
from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, DBusError, body_of, field
from support.hosts import guarded as guards
from support.hosts.guarded import (ALLOW_INTERACTION, DENIED, GUEST, INTERACTIVE, INVALID, MANAGE, MONITOR, RULES,
                                   allow, guarded, send)
from support.process import PATIENCE
from support.service import OURS

TEST = "/org/libvirt/Test"
UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
OTHER = f"{TEST}/domain/_00000000_0000_0000_0000_000000000001"
# The bus lets a caller have 128 calls open.
AT_ONCE = 100
WRONG = ("(yy)", ((1, 2),))
PATHS = {
    "org.freedesktop.DBus.ObjectManager": "/org/libvirt", "org.guestbus.Manager1": "/org/libvirt",
    "Connect": TEST, "Connection1": TEST, "Domain": GUEST, "Domain1": GUEST,
    "DomainCheckpoint": f"{TEST}/domaincheckpoint/_{UUID.replace('-', '_')}_73",
    "DomainSnapshot": f"{TEST}/domainsnapshot/_{UUID.replace('-', '_')}_73",
    "Interface": f"{TEST}/interface/aa_3abb_3acc_3add_3aee_3aff", "NodeDevice": f"{TEST}/nodedev/computer",
    "Network": f"{TEST}/network/_dd8fe884_6c02_601e_7551_cca97df1c5df",
    "NWFilter": f"{TEST}/nwfilter/_dd8fe884_6c02_601e_7551_cca97df1c5df",
    "NWFilterBinding": f"{TEST}/nwfilterbinding/vnet7",
    "Secret": f"{TEST}/secret/_dd8fe884_6c02_601e_7551_cca97df1c5df",
    "StoragePool": f"{TEST}/storagepool/_dfe224cb_28fb_8dd0_c4b2_64eb3f0f4566",
    "StorageVol": f"{TEST}/storagevol/v",
}
for one in ("Network", "NodeDevice", "Secret", "StoragePool"):
    PATHS[one + "1"] = PATHS[one]

# limited may not monitor, and may manage one guest, of which it may see nothing either.
LIMITED = (allow("limited", MONITOR, "NO")
           + allow("limited", MANAGE, "YES", f'action.lookup("uuid") == "{UUID}" && '
                   'action.lookup("domain") == "test" && action.lookup("connection") == "Test"')
           + allow("limited", MANAGE, "NO"))

pytestmark = pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")


def members():
    """(interface, path, member, class) of all methods."""
    found = []
    for file in sorted(declared.FILES.glob("*.xml")):
        for interface in declared.interfaces(file):
            name = interface.get("name")
            path = PATHS.get(name) or PATHS.get(name.rpartition(".")[2])
            for method in interface.iter("method") if path else ():
                access = [a.get("value") for a in method.findall("annotation")
                          if a.get("name") == "org.guestbus.Access"]
                found.append((name, path, method.get("name"), access[0]))
    return found


# What takes no wrong arguments to be told apart from a method's: (interface, path, member, class).
STANDARD = [(PROPERTIES, path, member, access) for path in sorted(set(PATHS.values()))
            for member, access in (("Get", "monitor"), ("GetAll", "monitor"), ("Set", "manage"))]
STANDARD += [(INTROSPECTABLE, path, "Introspect", "monitor") for path in sorted(set(PATHS.values()))
             if path.count("/") > 3]

ANSWERS = {
    ("root", "monitor"): INVALID, ("root", "manage"): INVALID,
    ("guestbus", "monitor"): INVALID, ("guestbus", "manage"): INVALID,
    ("member", "monitor"): INVALID, ("member", "manage"): INVALID,
    ("outsider", "monitor"): INVALID, ("outsider", "manage"): INTERACTIVE,
    ("limited", "monitor"): DENIED, ("limited", "manage"): DENIED,
}


@pytest.fixture(scope="module", params=["guestbus", "root"])
def world(request):
    """The service as its account, and as root; the rules are the shipped ones and those about limited."""
    with guarded(LIMITED + RULES, account=request.param) as one:
        yield one


@pytest.fixture
def client(world):
    """client(who): a client that is closed after the test."""
    opened = []

    def make(who):
        opened.append(world.client(who))
        return opened[-1]
    yield make
    for each in opened:
        each.close()


def test_the_members_are_all_there():
    """The list has every interface of the introspection, and both classes."""
    found = members()
    assert len(found) > 190
    assert {access for *_, access in found} == {"monitor", "manage"}
    assert {name for name, *_ in found} >= {"org.guestbus.Connection1", "org.guestbus.Domain1", CONNECT, DOMAIN,
                                            "org.freedesktop.DBus.ObjectManager"}


@pytest.mark.parametrize("interactive", [False, True], ids=["silent", "interactive"])
@pytest.mark.parametrize("who", ["root", "guestbus", "member", "outsider", "limited"])
def test_every_member(world, client, who, interactive):
    """The class of a member decides, whoever calls: nobody is there to type, so the flag changes nothing."""
    if who == "guestbus" and "--reuid" not in world.service.wrap([]):
        pytest.skip("the service is root's: its account is a member of libvirt like others")
    caller = client(who)
    calls = members() + STANDARD
    wrong = []
    for start in range(0, len(calls), AT_ONCE):
        row = calls[start:start + AT_ONCE]
        serials = [send(caller, path, interface, member, *WRONG, interactive=interactive)
                   for interface, path, member, _ in row]
        replies = caller.collect(serials, 60 * PATIENCE)
        for serial, (interface, path, member, access) in zip(serials, row):
            expected = ANSWERS[who, access]
            if who == "limited" and access == "manage" and UUID.replace("-", "_") in path:
                expected = INVALID
            name = field(replies[serial], "error_name")
            if name != expected:
                wrong.append((interface, path, member, access, name, replies[serial].body))
    assert not wrong, wrong[:10]


def test_what_needs_no_right(client):
    """What is the same for everybody is open to all: the tree down to the connections, and the bus's own."""
    limited = client("limited")
    assert "Test" in limited.introspect("/org/libvirt")
    assert CONNECT in limited.introspect(TEST)
    limited.call(TEST, "org.freedesktop.DBus.Peer", "Ping")
    assert limited.error("/org/libvirt/Nothing", CONNECT, "GetType").name.endswith(".UnknownObject")
    assert limited.error(TEST, CONNECT, "Nothing").name.endswith(".UnknownMethod")


def test_what_there_is_does_not_show(client):
    """Who may not monitor is told the same of a guest that is there and of one that is not."""
    limited = client("limited")
    for call in ((DOMAIN, "GetState", "u", (0,)), (PROPERTIES, "GetAll", "s", (DOMAIN,)),
                 (INTROSPECTABLE, "Introspect")):
        errors = [limited.error(path, *call) for path in (GUEST, OTHER)]
        assert {(e.name, e.message) for e in errors} == {(DENIED, errors[0].message)}
    error = limited.error("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    assert error.name == DENIED and "test" not in error.message


def test_the_rights_are_for_real(client):
    """Calls that are complete: what is allowed is done, what is not is not."""
    outsider, member, limited = client("outsider"), client("member"), client("limited")
    assert outsider.connect("ListDomains", "u", 0) == [GUEST]
    assert outsider.domain(GUEST, "GetState", "u", 0)[0] == 1
    assert GUEST in outsider.call("/org/libvirt", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]
    assert outsider.get(GUEST, "org.guestbus.Domain1", "State") == ("s", "running")
    assert outsider.call(GUEST, "org.guestbus.Domain1", "WaitForState", "asua{sv}",
                         (["running"], 1000, {}))
    epoch = outsider.get(TEST, "org.guestbus.Connection1", "Epoch")[1]
    assert outsider.call(TEST, "org.guestbus.Connection1", "GetEvents", "stu", (epoch, 0, 10))
    for caller in (outsider, limited):
        with pytest.raises(DBusError, match=f"{INTERACTIVE}|{DENIED}"):
            caller.connect("DomainCreateXML", "su", "<domain/>", 0)
    error = outsider.error(GUEST, DOMAIN, "Suspend")
    assert error.name == INTERACTIVE and MANAGE in error.message
    assert outsider.domain(GUEST, "GetState", "u", 0)[0] == 1
    limited.domain(GUEST, "Suspend")
    assert member.domain(GUEST, "GetState", "u", 0)[0] == 3
    member.domain(GUEST, "Resume")
    error = limited.error(GUEST, DOMAIN, "GetState", "u", (0,))
    assert error.name == DENIED and MONITOR in error.message


def test_both_names_are_guarded(client):
    """org.guestbus1 is the same service."""
    outsider = client("outsider")
    assert outsider.error(GUEST, DOMAIN, "Suspend", destination=OURS).name == INTERACTIVE


def test_a_call_without_an_interface(client):
    """The bus allows it: the member is found by its name, and guarded all the same."""
    outsider, member = client("outsider"), client("member")
    outcomes = {}
    for caller in (outsider, member):
        for name in ("Suspend", "Resume"):
            message = caller.message(GUEST, DOMAIN, name)
            del message.header.fields[HeaderFields.interface]
            serial, data = caller.serialise(message)
            caller.send_bytes(data)
            outcomes[caller.who, name] = field(caller.take_reply(serial, 30 * PATIENCE), "error_name")
    assert outcomes == {("outsider", "Suspend"): INTERACTIVE, ("outsider", "Resume"): INTERACTIVE,
                        ("member", "Suspend"): None, ("member", "Resume"): None}


def test_the_flag_alone_grants_nothing(client):
    """Interaction is allowed, and there is nobody to type."""
    outsider = client("outsider")
    message = outsider.message(GUEST, DOMAIN, "Suspend")
    message.header.flags |= ALLOW_INTERACTION
    serial, data = outsider.serialise(message)
    outsider.send_bytes(data)
    with pytest.raises(DBusError, match=INTERACTIVE):
        body_of(outsider.take_reply(serial, 30 * PATIENCE))


def test_nobody_else_may_own_the_names(client):
    """The shipped policy: a name of the service is not for an ordinary user."""
    for who in ("outsider", "member"):
        caller = client(who)
        for name in ("org.libvirt", OURS):
            with pytest.raises(DBusError, match="AccessDenied"):
                caller.bus("RequestName", "su", name, 2)
