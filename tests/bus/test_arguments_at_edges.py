# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method of every kind of object, with each argument at its edges: one reply each, of the type that the
introspection promises, and a service that still works. Then all of them again and again: nothing grows."""

import random
import time

import pytest
from jeepney import MessageType
from test_endurance import NUMBER, Rest

from support import declared
from support.client import PROPERTIES, DBusError, body_of, field
from support.models.targets import OBJECTS, VICTIM, WITHOUT_OBJECTS, Method, prepare, read_methods
from support.process import PATIENCE
from support.service import wait_connected

STANDARD = "org.freedesktop.DBus.Error."
# What a request may be refused with. Failed is not among them: it is a fault of the service's own.
REFUSALS = {"org.libvirt.Error", STANDARD + "InvalidArgs", STANDARD + "LimitsExceeded"}


def send(client, path, method, values):
    """Sends a call. Handles are sent as the numbers they are on the wire, be there descriptors or not."""
    signature = "".join(method.types)
    message = client.message(path, method.interface, method.name, signature.replace("h", "u"), values)
    serial, data = client.serialise(message)
    if "h" in signature:
        wrong = b"\x01g\0" + bytes([len(signature)]) + signature.replace("h", "u").encode() + b"\0"
        right = b"\x01g\0" + bytes([len(signature)]) + signature.encode() + b"\0"
        assert data.count(wrong) == 1
        data = data.replace(wrong, right)
    client.send_bytes(data)
    return serial


def still_serves(service, client):
    assert not service.ended(), service.stderr()[-3000:]
    prepare(client)
    assert client.domain(VICTIM, "GetState", "u", 0)[0] == 1
    assert VICTIM in client.connect("ListDomains", "u", 0)


@pytest.fixture
def service(one_bus, run_service):
    return run_service(one_bus)


@pytest.fixture
def sweeper(service, connect):
    client = connect(service.bus)
    wait_connected(client)
    prepare(client)
    return client


def check(reply, method, values):
    """A reply is of the promised type, or a refusal that says why."""
    what = f"{method.interface}.{method.name}{str(values)[:200]}"
    if reply.header.message_type == MessageType.method_return:
        assert (field(reply, "signature") or "") == method.result, what
        return True
    name = field(reply, "error_name")
    assert name in REFUSALS and reply.body[0], f"{what}: {name}: {reply.body}"
    return False


def test_all_kinds_say_what_they_are(sweeper):
    """All of them, and what they say is what the interface files have."""
    total = 0
    for kind in OBJECTS:
        methods = read_methods(sweeper, kind)
        expected = [Method(f"org.libvirt.{kind}", one) for one in declared.interface(f"org.libvirt.{kind}").findall("method")]
        assert [vars(one) for one in methods] == [vars(one) for one in expected]
        total += len(methods)
    assert total >= 195


@pytest.mark.parametrize("kind", OBJECTS)
def test_each_argument_at_its_edges(sweeper, service, home, kind):
    good = 0
    for method in read_methods(sweeper, kind):
        for _, rows in method.edges(home):
            prepare(sweeper)
            serials = {send(sweeper, OBJECTS[kind], method, row): row for row in rows}
            replies = sweeper.collect(list(serials), 60 * PATIENCE)
            assert set(replies) == set(serials)
            good += sum(check(reply, method, serials[serial]) for serial, reply in replies.items())
    still_serves(service, sweeper)
    assert good > 0 or kind in WITHOUT_OBJECTS


@pytest.mark.parametrize("kind", OBJECTS)
def test_each_property_at_its_edges(sweeper, service, kind):
    """Properties are written with every type there is, and asked of interfaces that are not there."""
    interface = f"org.libvirt.{kind}"
    values = [("b", True), ("s", "x" * 65536), ("t", (1 << 64) - 1), ("v", ("b", True)), ("ay", b""),
              ("a{sv}", {}), ("(b)", (True,))]
    names = ["Autostart", "Name", "", "x" * 65536, "Active"]
    serials = []
    for name in names:
        serials += [sweeper.send(OBJECTS[kind], PROPERTIES, "Set", "ssv", (interface, name, value))
                    for value in values]
        for other in (interface, "", "org.libvirt.None", "x" * 65536):
            serials.append(sweeper.send(OBJECTS[kind], PROPERTIES, "Get", "ss", (other, name)))
            serials.append(sweeper.send(OBJECTS[kind], PROPERTIES, "GetAll", "s", (other,)))
    replies = sweeper.collect(serials, 60 * PATIENCE)
    assert set(replies) == set(serials)
    for reply in replies.values():
        assert field(reply, "error_name") != STANDARD + "Failed"
    still_serves(service, sweeper)


def probe(client):
    """[(path, method)] that the test driver has: those whose libvirt function it does not lack."""
    found = []
    for kind, path in OBJECTS.items():
        for method in read_methods(client, kind) if kind not in WITHOUT_OBJECTS else ():
            prepare(client)
            values = method.usual("/none")
            try:
                body_of(client.take_reply(send(client, path, method, values), 30 * PATIENCE))
            except DBusError as error:
                if "not supported by the connection driver" in error.message:
                    continue
            found.append((path, method))
    return found


def test_nothing_grows(sweeper, service, home, capsys):
    """Calls spread over all methods that the test driver has, each with arguments as it takes them; many fail
    all the same, for what the calls before them did. Edges are left out: some are large and fill the
    allocator's pools now and then, which is no leak and looks like one."""
    rng = random.Random(7)
    methods = probe(sweeper)
    assert len(methods) > 100
    rest = Rest(service)
    began = time.monotonic()
    sent = 0
    while sent < NUMBER:
        serials = []
        for _ in range(200):
            path, method = rng.choice(methods)
            serials.append(send(sweeper, path, method, method.usual(home)))
        assert len(sweeper.collect(serials, 60 * PATIENCE)) == len(serials)
        prepare(sweeper)
        sent += len(serials)
        if rest.early is None and sent >= NUMBER / 4:
            rest.note()
    still_serves(service, sweeper)
    with capsys.disabled():
        print(f"\n{sent} calls of {len(methods)} methods in {time.monotonic() - began:.1f} s, {rest.check()}")
