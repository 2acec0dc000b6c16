# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a call costs, in calls of libvirt's own protocol; and that what is remembered to save some is never seen.

A plain client changes domains behind the service's back. The proxy between the service and libvirtd counts, and
holds the events up: then only libvirt's answers can tell the service what changed."""

import collections
import contextlib
import signal
import time

import libvirt
import pytest

from support.client import CONNECT, DOMAIN
from support.hosts.host import guest_xml
from support.hosts.rpc_proxy import Proxy
from support.models.listener import CONNECTION, INTERFACES, picture
from support.process import PATIENCE, wait_until
from support.service import wait_connected

DOMAIN1 = INTERFACES["domain"]
UUID = "11111111-2222-3333-4444-555555555555"
DEFINED = libvirt.VIR_DOMAIN_EVENT_DEFINED
OTHER = "99999999-2222-3333-4444-555555555555"
TEST_XML = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>65536</memory>
<os><type>hvm</type></os></domain>"""
# GetAll: the look-up, Autostart and Updated. What only a new definition or a start changes is known from the last.
GET_ALL_MOST = 3
READS = [("GetState", "u", 0), ("GetXMLDesc", "u", 0), ("GetXMLDesc", "u", 2), ("GetStats", "uu", 1, 0),
         ("HasManagedSaveImage", "u", 0), ("ListDomainSnapshots", "u", 0)]

# What a comparison takes: ALL_DOMAIN_STATS, which says who is active, and the domains with autostart and those that
# persist; all networks, the active ones, those with autostart and those that persist; pools as networks.
ALL_DOMAINS, ALL_POOLS, ALL_NETWORKS, ALL_DOMAIN_STATS = 273, 281, 283, 344
LISTS = {ALL_DOMAIN_STATS: 1, ALL_DOMAINS: 2, ALL_NETWORKS: 4, ALL_POOLS: 4}

# What is asked after a Suspend, besides the call itself.
DOMAIN_GET_STATE, CHANGE_MOST = 212, 2
PAUSED = libvirt.VIR_DOMAIN_START_PAUSED

# A start with so many domains takes what a comparison does, apart from what opens the connections: their features, the
# name of the driver, and one call for each kind of event.
DOMAINS = 1000
OPENING = {1, 3, 60, 66, 157, 313, 316, 360, 368, 374, 380}

# The driver, the end of its URI, and a domain.
KINDS = {"QEMU": ("qemu", "session", guest_xml),
         "Test": ("test", "default", lambda name, uuid: TEST_XML.format(name=name, uuid=uuid))}

libvirt.registerErrorHandler(lambda context, error: None, None)


class Stand:
    """A hypervisor behind a proxy, a plain client beside it, and a D-Bus client of the service."""

    def __init__(self, name, uri, proxy, client, xml):
        self.name = name
        self.proxy = proxy
        self.client = client
        self.xml = xml
        self.plain = libvirt.open(uri)

    def define(self, name="guest", uuid=UUID):
        return self.plain.defineXML(self.xml(name, uuid))

    def path(self, uuid=UUID):
        return f"/org/libvirt/{self.name}/domain/_" + uuid.replace("-", "_")

    def call(self, member, signature="", *args):
        return self.client.domain(self.path(), member, signature, *args)

    def get(self, name):
        return self.client.get(self.path(), DOMAIN, name)[1]

    def error(self, member, signature="", *args):
        error = self.client.error(self.path(), DOMAIN, member, signature, args)
        return error.name, error.message

    def gone(self, uuid=UUID):
        """What libvirt says of a domain that it does not find, as an error on the bus."""
        with pytest.raises(libvirt.libvirtError) as error:
            self.plain.lookupByUUIDString(uuid)
        return "org.libvirt.Error", error.value.get_error_message()

    def cost(self, function, *args):
        """How many calls of libvirt's protocol it takes."""
        before = len(self.proxy.calls())
        function(*args)
        return len(self.proxy.calls()) - before

    @contextlib.contextmanager
    def without_events(self):
        self.proxy.hold_events()
        try:
            yield
        finally:
            self.proxy.let_events_go()


@pytest.fixture
def proxy(home, libvirtd):
    one = Proxy(home / "proxy", libvirtd.socket)
    yield one
    one.close()


@pytest.fixture(params=["QEMU", "Test"])
def stand(request, one_bus, libvirtd, proxy, run_service, connect):
    """Both with a domain of one name and UUID."""
    driver, end, xml = KINDS[request.param]
    run_service(one_bus, {request.param: f"{driver}+unix:///{end}?socket={proxy.path}"})
    client = connect(one_bus).match()
    wait_connected(client, request.param)
    one = Stand(request.param, f"{driver}+unix:///{end}?socket={libvirtd.socket}", proxy, client, xml)
    one.define()
    yield one
    one.plain.close()


@pytest.fixture
def known(stand):
    """The domain's coming was told, a GetAll asked for all of it, and it was called since: from here on nothing is
    forgotten or asked by itself."""
    stand.client.wait_signal("DomainEvent", 10 * PATIENCE, body=(stand.path(), DEFINED, 0))
    wait_until(lambda: stand.cost(stand.client.get_all, stand.path(), DOMAIN) <= GET_ALL_MOST, 10 * PATIENCE,
               "the domain is known")
    assert stand.call("GetState", "u", 0)[0] == libvirt.VIR_DOMAIN_SHUTOFF
    return stand


@pytest.mark.parametrize("read", READS, ids=lambda read: f"{read[0]}-{read[2:]}")
def test_a_call_of_a_known_domain_takes_one(known, read):
    assert known.cost(known.call, *read) == 1


@pytest.mark.parametrize("name", ["Active", "Id", "Name", "UUID", "OSType", "Persistent", "Updated", "Autostart"])
def test_a_property_takes_one(known, name):
    assert known.cost(known.get, name) == 1


def test_all_properties_take_a_few(known):
    assert 1 <= known.cost(known.client.get_all, known.path(), DOMAIN) <= GET_ALL_MOST
    each = {name: known.get(name) for name in dict(known.client.get_all(known.path(), DOMAIN))}
    assert {name: value[1][1] for name, value in known.client.get_all(known.path(), DOMAIN).items()} == each
    assert len(each) >= 8


def test_a_changing_call_and_its_event_cost_a_question_each_at_most(known):
    """A Suspend is followed by a question about the domain's state, or by two where the event comes after the first;
    what is neither the state nor told by libvirt's handle is not asked about. That they share one where they can is
    for the unit tests: which of the two comes first is libvirtd's affair."""
    known.plain.lookupByUUIDString(UUID).createWithFlags(PAUSED if known.name == "QEMU" else 0)
    if known.name != "QEMU":
        known.call("Suspend")
    for member in ("Resume", "Suspend") * 3:
        before = settled(lambda: len(known.proxy.event_calls()))
        known.call(member)
        asked = known.proxy.event_calls()[before:settled(lambda: len(known.proxy.event_calls()))]
        assert set(asked) == {DOMAIN_GET_STATE}
        assert len(asked) <= CHANGE_MOST
    known.call("Destroy", "u", 0)


def test_what_is_known_is_forgotten_when_it_may_change(known):
    """Sent in one go: the second must not answer from before the first."""
    create = known.client.send(known.path(), DOMAIN, "Create", "u", (0,))
    undefine = known.client.send(known.path(), DOMAIN, "Undefine", "u", (0,))
    read = known.client.send(known.path(), "org.freedesktop.DBus.Properties", "GetAll", "s", (DOMAIN,))
    replies = known.client.collect([create, undefine, read])
    assert replies[read].body[0]["Persistent"][1] == ("b", False)
    assert replies[read].body[0]["Active"][1] == ("b", True)
    known.call("Destroy", "u", 0)


def test_a_domain_that_nobody_asked_for_takes_two(known):
    known.define("second", OTHER)
    path = known.path(OTHER)
    assert known.cost(known.client.domain, path, "GetState", "u", 0) == 2


def test_a_domain_that_is_renamed(known):
    for number in range(10):
        with known.without_events() if number % 2 else contextlib.nullcontext():
            domain = known.plain.lookupByUUIDString(UUID)
            name = f"name{number}"
            if known.name == "QEMU":
                domain.rename(name)
            else:
                domain.undefine()
                known.define(name)
            assert f"<name>{name}</name>" in known.call("GetXMLDesc", "u", 0)
            assert known.get("Name") == name
            assert known.client.get_all(known.path(), DOMAIN)["Name"] == ("v", ("s", name))


def test_a_domain_that_starts_and_stops(known):
    for number in range(5):
        with known.without_events() if number % 2 else contextlib.nullcontext():
            domain = known.plain.lookupByUUIDString(UUID)
            assert (known.get("Active"), known.get("Id")) == (False, 0)
            domain.createWithFlags(PAUSED if known.name == "QEMU" else 0)
            assert (known.get("Active"), known.get("Id")) == (True, domain.ID())
            assert known.client.get_all(known.path(), DOMAIN)["Active"] == ("v", ("b", True))
            assert known.call("GetState", "u", 0)[0] == domain.state()[0]
            domain.destroy()
            assert (known.get("Active"), known.get("Id")) == (False, 0)
            assert known.call("GetState", "u", 0)[0] == libvirt.VIR_DOMAIN_SHUTOFF


def test_a_domain_that_is_redefined(known):
    with known.without_events():
        known.plain.defineXML(known.xml("guest", UUID).replace("</name>", "</name><title>new</title>"))
        assert "<title>new</title>" in known.call("GetXMLDesc", "u", 0)
        assert known.cost(known.call, "GetState", "u", 0) == 1


@pytest.mark.parametrize("call", [
    *READS, ("Create", "u", 0), ("Undefine", "u", 0), ("Rename", "su", "x", 0), ("SnapshotLookupByName", "su", "none", 0),
    ("SetMemoryParameters", "a{sv}u", {"hard_limit": ("ay", b"x")}, 0)], ids=lambda call: f"{call[0]}-{call[-1]}")
def test_a_known_domain_that_is_gone(known, call):
    """The same answer whether its event has come or not, and whatever is asked."""
    with known.without_events():
        known.plain.lookupByUUIDString(UUID).undefine()
        # Only the first finds the handle of before.
        assert known.error(*call) == known.gone()
        assert known.error(*call) == known.gone()
        assert known.client.error(known.path(), "org.freedesktop.DBus.Properties", "GetAll", "s",
                                  (DOMAIN,)).message == known.gone()[1]
    assert known.error(*call) == known.gone()


def test_what_is_gone_and_comes_back(known):
    with known.without_events():
        known.plain.lookupByUUIDString(UUID).undefine()
        assert known.error("GetState", "u", 0) == known.gone()
        known.define("back")
        assert known.call("GetState", "u", 0)[0] == libvirt.VIR_DOMAIN_SHUTOFF
        assert known.get("Name") == "back"


def test_libvirts_own_error_stays(known):
    """Something is not there, but it is not the domain."""
    domain = known.plain.lookupByUUIDString(UUID)
    with pytest.raises(libvirt.libvirtError) as error:
        domain.snapshotLookupByName("none")
    assert known.error("SnapshotLookupByName", "su", "none", 0) == (
        "org.libvirt.Error", error.value.get_error_message())
    assert known.call("GetState", "u", 0)[0] == domain.state()[0]


def test_an_event_makes_it_forgotten(known):
    """The next call looks anew, once."""
    with known.without_events():
        known.plain.lookupByUUIDString(UUID).undefine()
        known.define("again")
        assert known.cost(known.call, "GetState", "u", 0) == 1
    wait_until(lambda: known.cost(known.call, "GetState", "u", 0) == 2, 10 * PATIENCE, "a look-up")
    wait_until(lambda: known.cost(known.call, "GetState", "u", 0) == 1, 10 * PATIENCE, "none any more")


def all_known(client, number):
    """Whether the service knows so many domains, and all of each."""
    types = [interfaces[DOMAIN1]["OSType"] for interfaces in picture(client).values() if DOMAIN1 in interfaces]
    return len(types) == number and all(types)


def comparison(stand, number):
    """The procedures that a comparison of so many domains takes, when nothing is asked by itself any more."""
    wait_until(lambda: all_known(stand.client, number), 60 * PATIENCE, "all is known", every=0.1)
    before = settled(lambda: len(stand.proxy.event_calls()))
    assert stand.client.call(f"/org/libvirt/{stand.name}", CONNECTION, "Resync") == (0, 0, 0)
    return stand.proxy.event_calls()[before:]


def test_a_comparison_takes_as_many_however_many_there_are(stand):
    number = len(stand.plain.listAllDomains())
    few = comparison(stand, number)
    for index in range(100):
        stand.define(f"more{index}", f"{index + 1:08}-2222-3333-4444-555555555555")
    assert comparison(stand, number + 100) == few
    # The list, and one for each filter.
    assert {procedure: few.count(procedure) for procedure in few} == LISTS


def test_worlds_of_their_own(one_bus, home, run_service, connect):
    """Two connections know one UUID, as different domains; their driver is in the service's own process."""
    uris = {}
    for name in ("One", "Two"):
        file = home / f"{name}.xml"
        file.write_text(f"<node>{TEST_XML.format(name=name, uuid=UUID)}</node>", encoding="utf-8")
        uris[name] = f"test://{file}"
    run_service(one_bus, uris)
    client = connect(one_bus)
    paths = {name: f"/org/libvirt/{name}/domain/_" + UUID.replace("-", "_") for name in uris}
    for name, path in list(paths.items()) * 2:
        wait_connected(client, name)
        assert f"<name>{name}</name>" in client.domain(path, "GetXMLDesc", "u", 0)
        assert client.get(path, DOMAIN, "Name") == ("s", name)
    client.domain(paths["One"], "Destroy", "u", 0)
    client.domain(paths["One"], "Undefine", "u", 0)
    error = client.error(paths["One"], DOMAIN, "GetState", "u", (0,))
    # So the test driver puts it, to a look-up; to other calls it has another text.
    assert error.message == "Domain not found"
    assert client.domain(paths["Two"], "GetState", "u", 0)[0] == libvirt.VIR_DOMAIN_RUNNING
    client.call("/org/libvirt/One", CONNECT, "DomainDefineXML", "s", (TEST_XML.format(name="new", uuid=UUID),))
    assert "<name>new</name>" in client.domain(paths["One"], "GetXMLDesc", "u", 0)


def settled(read):
    """The value of read() once it has not changed for a second."""
    state = {"value": read(), "since": time.monotonic()}

    def quiet():
        value = read()
        if value != state["value"]:
            state.update(value=value, since=time.monotonic())
        return time.monotonic() - state["since"] > 1
    wait_until(quiet, 20 * PATIENCE, lambda: f"settled; at {state['value']}", every=0.02)
    return state["value"]


@pytest.mark.parametrize("name", ["QEMU", "Test"])
def test_a_start_asks_nothing_of_each_domain(one_bus, libvirtd, proxy, run_service, connect, name):
    driver, end, xml = KINDS[name]
    plain = libvirt.open(f"{driver}+unix:///{end}?socket={libvirtd.socket}")
    for index in range(DOMAINS):
        plain.defineXML(xml(f"guest{index}", f"{index + 1:08}-2222-3333-4444-555555555555"))
    number = len(plain.listAllDomains())
    run_service(one_bus, {name: f"{driver}+unix:///{end}?socket={proxy.path}"})
    client = connect(one_bus)
    wait_connected(client, name)

    def asked():
        return dict(collections.Counter(one for one in proxy.event_calls() + proxy.calls() if one not in OPENING))
    wait_until(lambda: asked() == LISTS, 20 * PATIENCE, asked)
    settled(lambda: len(proxy.event_calls()) + len(proxy.calls()))
    assert asked() == LISTS
    # A client that looks has it all, a little later.
    wait_until(lambda: all_known(client, number), 60 * PATIENCE, "all is known", every=0.5)
    plain.close()  # with the last one, the test driver's domains go


def test_restarts_leave_no_descriptor(one_bus, libvirtd, run_service, connect):
    """What is remembered keeps no connection that is lost, not even until the next call."""
    libvirtd.define(guest_xml())
    service = run_service(one_bus, {"QEMU": libvirtd.uri})
    client = connect(one_bus)
    path = "/org/libvirt/QEMU/domain/_" + UUID.replace("-", "_")
    wait_connected(client, "QEMU", 20 * PATIENCE)
    libvirtd.stop()
    away = settled(service.descriptors)
    for number in range(20):
        libvirtd.start()
        wait_connected(client, "QEMU", 20 * PATIENCE)
        client.domain(path, "GetState", "u", 0)
        libvirtd.stop(signal.SIGKILL if number % 2 else signal.SIGTERM)
        wait_until(lambda: service.descriptors() <= away, 10 * PATIENCE,
                   lambda: f"{away} descriptors at first, {service.descriptors()} now")
    libvirtd.start()
    wait_connected(client, "QEMU", 20 * PATIENCE)
    assert client.domain(path, "GetState", "u", 0)
