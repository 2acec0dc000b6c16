# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever arrives: one error reply or a drop, and the process lives."""

import random

import pytest
from jeepney import HeaderFields, MessageType

from support import wire
from support.client import CONNECT, DOMAIN, INTROSPECTABLE, PROPERTIES, Client, DBusError, body_of, field
from support.process import PATIENCE, SANITIZED, wait_until
from support.service import wait_connected

TEST = "/org/libvirt/Test"
GUEST = f"{TEST}/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
COLLECTIONS = {
    "domain": "Domain", "network": "Network", "nwfilter": "NWFilter", "storagepool": "StoragePool",
    "secret": "Secret", "interface": "Interface", "nodedev": "NodeDevice", "storagevol": "StorageVol",
    "domaincheckpoint": "DomainCheckpoint", "domainsnapshot": "DomainSnapshot", "nwfilterbinding": "NWFilterBinding",
}
STANDARD = "org.freedesktop.DBus.Error."
LIMITS = STANDARD + "LimitsExceeded"
MIB = 1 << 20
XML = "<domain type='test'><name>{}</name><memory>1024</memory><os><type>hvm</type></os></domain>"


def suffixes():
    """Every length from 0 to 40, each as several texts that decoders have stumbled over."""
    uuid = "_6695eb01_f6a4_8304_79aa_97f2502e193f" + "_5f5f"
    for length in range(41):
        texts = {"x" * length, "_" * length, "9" * length, ("_5" * 21)[:length], ("_zz" * 14)[:length],
                 ("_00" * 14)[:length], ("_ff" * 14)[:length], ("_" + "F" * 40)[:length], uuid[:length],
                 ("x" + uuid)[:length]}
        yield from sorted(texts)


def still_serves(client):
    """The process lives and the connection behind it works."""
    assert client.domain(GUEST, "GetState", "u", 0)[0] in range(8)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_suffix_is_answered(client, collection):
    interface = f"org.libvirt.{COLLECTIONS[collection]}"
    texts = list(suffixes())
    for start in range(0, len(texts), 50):
        check_suffixes(client, collection, interface, texts[start:start + 50])
    still_serves(client)


def check_suffixes(client, collection, interface, texts):
    expected = {}
    for suffix in texts:
        path = f"{TEST}/{collection}" + (f"/{suffix}" if suffix else "")
        for call in ((interface, "GetXMLDesc", "u", (0,)), (interface, "Undefine", "", ()),
                     (interface, "Delete", "u", (0,)), (PROPERTIES, "GetAll", "s", (interface,)),
                     (PROPERTIES, "Get", "ss", (interface, "Name")),
                     (PROPERTIES, "Set", "ssv", (interface, "Autostart", ("b", True)))):
            if path != GUEST:
                expected[client.send(path, *call)] = (path, *call)
        expected[client.send(path, INTROSPECTABLE, "Introspect")] = (path, "Introspect")
    for serial, reply in client.collect(list(expected), 120 * PATIENCE).items():
        path, *call = expected[serial]
        if call == ["Introspect"]:
            if reply.header.message_type == MessageType.error:
                assert field(reply, "error_name") == STANDARD + "UnknownObject"
            elif collection == "domain":
                assert path in (f"{TEST}/domain", GUEST)
        else:
            assert reply.header.message_type == MessageType.error, (path, call, reply.body)
            assert field(reply, "error_name").startswith((STANDARD, "org.libvirt.Error")), reply


@pytest.mark.parametrize("path, interface, member, signature, args, names", [
    (GUEST, DOMAIN, "GetState", "", (), ("InvalidArgs",)),
    (GUEST, DOMAIN, "GetState", "s", ("0",), ("InvalidArgs",)),
    (GUEST, DOMAIN, "GetState", "i", (0,), ("InvalidArgs",)),
    (GUEST, DOMAIN, "GetState", "uu", (0, 0), ("InvalidArgs",)),
    (GUEST, DOMAIN, "Suspend", "u", (0,), ("InvalidArgs",)),
    (GUEST, DOMAIN, "SetMemory", "uu", (1, 0), ("InvalidArgs",)),
    (TEST, CONNECT, "DomainLookupByID", "u", (1,), ("InvalidArgs",)),
    (TEST, CONNECT, "DomainDefineXML", "ay", (b"<domain/>",), ("InvalidArgs",)),
    (TEST, CONNECT, "ListDomains", "a{sv}", ({"flags": ("u", 0)},), ("InvalidArgs",)),
    (TEST, CONNECT, "ListDomains", "v", (("u", 0),), ("InvalidArgs",)),
    (GUEST, DOMAIN, "Nonsense", "", (), ("UnknownMethod",)),
    (GUEST, DOMAIN, "getState", "u", (0,), ("UnknownMethod",)),
    (GUEST, CONNECT, "ListDomains", "u", (0,), ("UnknownMethod", "UnknownInterface")),
    (TEST, DOMAIN, "GetState", "u", (0,), ("UnknownMethod", "UnknownInterface")),
    (GUEST, "org.libvirt.Nonsense", "GetState", "u", (0,), ("UnknownMethod", "UnknownInterface")),
    (GUEST, DOMAIN, "DeviceAdded", "s", ("x",), ("UnknownMethod",)),
    (f"{TEST}/domain", DOMAIN, "GetState", "u", (0,), ("UnknownMethod", "UnknownObject", "UnknownInterface")),
    ("/org/libvirt/Nonsense", CONNECT, "ListDomains", "u", (0,), ("UnknownObject",)),
    ("/", CONNECT, "ListDomains", "u", (0,), ("UnknownMethod", "UnknownObject", "UnknownInterface")),
    (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "Nonsense"), ("UnknownProperty", "InvalidArgs")),
    (GUEST, PROPERTIES, "Get", "ss", ("org.libvirt.Nonsense", "Name"), ("UnknownInterface", "InvalidArgs",
                                                                        "UnknownProperty")),
    (GUEST, PROPERTIES, "Get", "ss", ("", ""), ("UnknownInterface", "InvalidArgs", "UnknownProperty")),
    (GUEST, PROPERTIES, "Get", "s", (DOMAIN,), ("InvalidArgs", "UnknownMethod")),
    (GUEST, PROPERTIES, "GetAll", "", (), ("InvalidArgs", "UnknownMethod")),
    (GUEST, PROPERTIES, "GetAll", "ss", (DOMAIN, ""), ("InvalidArgs", "UnknownMethod")),
    (GUEST, PROPERTIES, "Nonsense", "", (), ("UnknownMethod",)),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Name", ("s", "x")), ("PropertyReadOnly", "InvalidArgs")),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Nonsense", ("s", "x")), ("UnknownProperty", "InvalidArgs")),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("s", "x")), ("InvalidArgs",)),
    (GUEST, PROPERTIES, "Set", "ssv", (DOMAIN, "Autostart", ("v", ("b", True))), ("InvalidArgs",)),
    (GUEST, PROPERTIES, "Set", "sss", (DOMAIN, "Autostart", "x"), ("InvalidArgs", "UnknownMethod")),
    (TEST, PROPERTIES, "Set", "ssv", (CONNECT, "Version", ("t", 1)), ("PropertyReadOnly", "InvalidArgs")),
    (GUEST, INTROSPECTABLE, "Introspect", "s", ("x",), ("InvalidArgs", "UnknownMethod")),
])
def test_bad_request_has_a_standard_name(client, path, interface, member, signature, args, names):
    error = client.error(path, interface, member, signature, args)
    assert error.name in [STANDARD + name for name in names], error
    assert error.message
    still_serves(client)


def test_call_without_an_interface(client):
    """D-Bus allows it, and a member that one interface has alone is found."""
    message = client.message(GUEST, DOMAIN, "GetState", "u", (0,))
    del message.header.fields[HeaderFields.interface]
    serial, data = client.serialise(message)
    client.send_bytes(data)
    assert client.take_reply(serial, 10).header.message_type in (MessageType.method_return, MessageType.error)
    still_serves(client)


def test_call_that_wants_no_reply(client):
    message = client.message(GUEST, DOMAIN, "Suspend")
    message.header.flags = 1
    serial, data = client.serialise(message)
    client.send_bytes(data)
    assert client.domain(GUEST, "GetState", "u", 0)[0] == 3
    assert not [reply for reply in client.replies if field(reply, "reply_serial") == serial]


def test_random_bodies(client):
    """Signatures of every kind, on methods that want another."""
    choose = random.Random(4711)
    values = {"s": "x" * 100, "u": 1, "t": 1 << 60, "b": True, "o": "/", "g": "a{sv}", "as": ["a"] * 10,
              "v": ("v", ("v", ("s", "x"))), "a{sv}": {"k": ("i", -1)}, "ay": b"\0" * 100, "(si)": ("x", 1),
              "d": 1.5, "aas": [["a"], []], "a(ii)": []}
    members = ["GetState", "SetMemory", "AttachDevice", "GetStats", "Suspend", "Undefine", "SetVcpus"]
    serials = []
    for _ in range(500):
        kinds = [choose.choice(sorted(values)) for _ in range(choose.randrange(1, 6))]
        if kinds not in (["u"], ["t", "u"], ["s", "u"], ["u", "u"]):
            serials.append(client.send(GUEST, DOMAIN, choose.choice(members), "".join(kinds),
                                       [values[kind] for kind in kinds]))
    for reply in client.collect(serials, 60 * PATIENCE).values():
        assert field(reply, "error_name") == STANDARD + "InvalidArgs"
    still_serves(client)


# Long strings

def huge_calls(text):
    return [(TEST, CONNECT, "DomainDefineXML", "s", (text,)),
            (TEST, CONNECT, "DomainCreateXML", "su", (text, 0)),
            (TEST, CONNECT, "DomainLookupByName", "s", (text,)),
            (TEST, CONNECT, "DomainLookupByUUID", "s", (text,)),
            (GUEST, DOMAIN, "AttachDevice", "su", (text, 0)),
            (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, text)),
            (GUEST, PROPERTIES, "GetAll", "s", (text,)),
            (GUEST, DOMAIN, "GetState", "s", (text,))]


def check_long_strings(client, size):
    """Each is an error, whose text is no echo of what was sent; other callers see nothing of it."""
    texts = ["x" * size, "<" * size, "<domain>" + "ä" * ((size - 8) // 2), "<a>" * (size // 3)]
    # What is refused for its length is not looked at, so one such text stands for all.
    for text in texts[:1] if size > 4 * MIB else texts:
        for call in huge_calls(text):
            reply = client.exchange(*call, within=60 * PATIENCE)
            assert reply.header.message_type == MessageType.error, call[:3]
            assert len(body_text(reply)) < 64 * 1024
        still_serves(client)


def body_text(reply):
    return "".join(part for part in reply.body if isinstance(part, str))


@pytest.mark.parametrize("size", [20 * MIB, MIB - 4096])
def test_long_strings_on_a_session_bus(bus, run_service, connect, size):
    run_service(bus)
    client = connect(bus)
    wait_connected(client)
    check_long_strings(client, size)


@pytest.mark.parametrize("size", [20 * MIB, MIB - 4096])
def test_long_strings_on_a_system_bus(system_bus, run_service, connect, size):
    service = run_service(system_bus)
    client = connect(system_bus)
    wait_connected(client)
    check_long_strings(client, size)
    assert service.alive()


def test_long_strings_to_a_libvirtd(one_bus, libvirtd, run_service, connect):
    """Neither a request over 4 MiB nor an error over it, which quotes the request, makes libvirtd hang up on
    all callers."""
    service = run_service(one_bus, {"Test": libvirtd.test_uri})
    client = connect(one_bus)
    wait_connected(client)
    for size in (MIB - 4096, 3 * MIB, 5 * MIB, 20 * MIB):
        check_long_strings(client, size)
    assert not [line for line in service.lines() if "lost" in line.lower()]


def test_more_than_a_reply_may_hold(one_bus, run_service, connect):
    """A domain whose XML is longer than a reply may be: an error of ours, not the end of the connection."""
    run_service(one_bus, config="[limits]\nreply-bytes=20000\n")
    client = connect(one_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", XML.format("n" * 30000))
    error = client.error(path, DOMAIN, "GetXMLDesc", "u", (0,))
    assert error.name == LIMITS and len(error.message) < 1000
    still_serves(client)


def test_request_limit(one_bus, run_service, connect):
    run_service(one_bus, config="[limits]\nrequest-bytes=10000\n")
    client = connect(one_bus)
    wait_connected(client)
    error = client.error(TEST, CONNECT, "DomainDefineXML", "s", (XML.format("n" * 10000),))
    assert error.name == LIMITS
    assert client.connect("DomainDefineXML", "s", XML.format("n" * 1000))


# Bytes that are no message

@pytest.mark.parametrize("replacement", [b"\xff\xfe\xfd\xfc", b"\xc3\x28ab", b"\xed\xa0\x80a", b"ab\0c"])
def test_invalid_utf8(client, connect, service, replacement):
    """The bus hangs up on the sender, or passes it on; the service lives."""
    sender = connect(service.bus)
    for call in ((TEST, CONNECT, "DomainLookupByName", "s", ("MARK",)),
                 (GUEST, PROPERTIES, "Get", "ss", (DOMAIN, "MARK"))):
        _, data = sender.serialise(sender.message(*call))
        assert data.count(b"MARK") == 1
        try:
            sender.send_bytes(data.replace(b"MARK", replacement))
        except (BrokenPipeError, ConnectionResetError):
            break
    sender.closed_by_bus(1.0)
    still_serves(client)


def test_bytes_turned_over(client, connect, service):
    """Messages with bytes changed at random, each from a connection of its own."""
    choose = random.Random(1)
    for _ in range(150):
        sender = connect(service.bus)
        _, data = sender.serialise(sender.message(GUEST, PROPERTIES, "Set", "ssv",
                                                  (DOMAIN, "Autostart", ("b", True))))
        data = bytearray(data)
        for _ in range(choose.randrange(1, 4)):
            data[choose.randrange(16, len(data))] = choose.randrange(256)
        sender.send_bytes(bytes(data))
    still_serves(client)


# Callers that leave

def test_callers_vanish_in_mid_call(client, service):
    descriptors = service.descriptors()
    for _ in range(100):
        caller = Client(service.bus.address)
        for _ in range(10):
            caller.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,))
            caller.send(GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,))
            caller.send(f"{TEST}/domain", INTROSPECTABLE, "Introspect")
        caller.close()
    still_serves(client)
    wait_until(lambda: service.descriptors() <= descriptors + 1, 10 * PATIENCE, "descriptors as before")


# How many

def test_exactly_one_reply_each(client):
    """2,000 calls at once, good and bad: 2,000 replies."""
    calls = [(GUEST, DOMAIN, "GetState", "u", (0,)), (GUEST, DOMAIN, "GetState", "s", ("x",)),
             (GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)), (GUEST, DOMAIN, "Nonsense", "", ()),
             (TEST, CONNECT, "DomainLookupByName", "s", ("none",)), (GUEST, INTROSPECTABLE, "Introspect"),
             (f"{TEST}/domain/none", DOMAIN, "GetState", "u", (0,)),
             (TEST, CONNECT, "ListDomains", "u", (0,))]
    serials, data = [], b""
    for index in range(2000):
        serial, part = client.serialise(client.message(*calls[index % len(calls)]))
        serials.append(serial)
        data += part
    client.send_bytes(data)
    assert len(client.collect(serials, 60 * PATIENCE)) == 2000
    still_serves(client)
    assert not client.replies


@pytest.fixture
def stopped(one_bus, libvirtd, run_service, connect):
    """stopped(config): a client of a service whose libvirtd is stopped, so that calls stay in flight."""
    def make(config):
        service = run_service(one_bus, {"Test": libvirtd.test_uri}, config=f"[limits]\n{config}\n")
        client = connect(one_bus)
        wait_connected(client)
        libvirtd.pause()
        return service, client
    yield make
    libvirtd.resume()


def outcomes(replies):
    """(how many succeeded, how many met the limit); nothing else may be."""
    good = bad = 0
    for reply in replies.values():
        try:
            body_of(reply)
            good += 1
        except DBusError as error:
            assert error.name == LIMITS and error.message, error
            bad += 1
    return good, bad


def test_calls_of_one_sender_are_limited(stopped, connect, one_bus, libvirtd):
    """The refused ones are refused at once; another sender has its own share."""
    service, client = stopped("calls-per-sender=10\ncalls-total=1000")
    serials = [client.send(GUEST, DOMAIN, "GetState", "u", (0,)) for _ in range(50)]
    early = client.collect(serials[10:], 20 * PATIENCE)
    assert outcomes(early) == (0, 40)
    other = connect(one_bus)
    held = [other.send(GUEST, DOMAIN, "GetState", "u", (0,)) for _ in range(5)]
    other.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    libvirtd.resume()
    assert outcomes(client.collect(serials[:10], 30 * PATIENCE)) == (10, 0)
    assert outcomes(other.collect(held, 30 * PATIENCE)) == (5, 0)
    still_serves(client)


def test_calls_of_all_senders_are_limited(stopped, connect, one_bus, libvirtd):
    _, client = stopped("calls-per-sender=1000\ncalls-total=20")
    other = connect(one_bus)
    first = [client.send(GUEST, DOMAIN, "GetState", "u", (0,)) for _ in range(15)]
    client.call("/org/libvirt", "org.freedesktop.DBus.Peer", "Ping")
    second = [other.send(GUEST, DOMAIN, "GetState", "u", (0,)) for _ in range(15)]
    assert outcomes(other.collect(second[5:], 20 * PATIENCE)) == (0, 10)
    libvirtd.resume()
    assert outcomes(client.collect(first, 30 * PATIENCE)) == (15, 0)
    assert outcomes(other.collect(second[:5], 30 * PATIENCE)) == (5, 0)


def test_a_limit_reached_is_no_end(one_bus, run_service, connect):
    """After a crowd was refused the next call is served, over and over."""
    run_service(one_bus, config="[limits]\ncalls-per-sender=5\n")
    client = connect(one_bus)
    wait_connected(client)
    for _ in range(20):
        serials = [client.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(100)]
        good, bad = outcomes(client.collect(serials, 30 * PATIENCE))
        assert good >= 5 and good + bad == 100
        still_serves(client)


def test_default_limits_bear_a_management_page(client):
    """Thousands of calls in flight from one connection are all served."""
    serials = [client.send(GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)) for _ in range(2000)]
    assert outcomes(client.collect(serials, 60 * PATIENCE)) == (2000, 0)


def test_a_header_of_a_mebibyte(bus, run_service, connect):
    """A field that neither the bus nor the service knows takes memory for as long as its call waits, on a bus that
    passes it on: the call is refused. What a dbus-daemon leaves out costs nothing."""
    service = run_service(bus)
    client = connect(bus)
    wait_connected(client)
    before = service.rss()
    body = wire.marshal("asua{sv}", (["shutoff"], 0, {}))
    fields = {wire.PATH: GUEST, wire.INTERFACE: "org.guestbus.Domain1", wire.MEMBER: "WaitForState",
              wire.DESTINATION: client.destination, wire.SIGNATURE: "asua{sv}"}
    serials = range(1000, 1064)
    for serial in serials:
        message = bytearray(wire.message(serial, 0, fields, body))
        client.send_bytes(with_field(message, len(body), MIB))
    still_serves(client)
    waiting = client.get(TEST, "org.guestbus.Connection1", "Counters")[1]["waits"]
    if not SANITIZED:
        assert service.rss() < before + 32 * 1024
    client.domain(GUEST, "Destroy", "u", 0)
    replies = client.collect(serials, 60 * PATIENCE).values()
    refused = {field(reply, "error_name") for reply in replies if field(reply, "error_name")}
    assert (waiting, refused) == ((0, {LIMITS}) if bus.kind == "dbus-broker" else (len(serials), set()))


def test_paths_of_64_kib(bus, libvirtd, run_service, connect):
    """A call keeps its path while it waits: long ones count as bytes."""
    run_service(bus, {"Slow": libvirtd.test_uri}, config="[limits]\nkeepalive-interval=0\npending-bytes=1048576\n"
                "request-bytes=1048576\n")
    client = connect(bus)
    wait_connected(client, "Slow")
    libvirtd.pause()
    try:
        serials = [client.send(f"/org/libvirt/Slow/nodedev/{index:060000}", "org.libvirt.NodeDevice", "ListCaps")
                   for index in range(20)]
        error = field(client.take_reply(serials.pop(), 30 * PATIENCE), "error_name")
    finally:
        libvirtd.resume()
    assert error == LIMITS
    errors = [field(reply, "error_name") for reply in client.collect(serials, 60 * PATIENCE).values()]
    assert errors.count("org.libvirt.Error") == MIB // 120000


def with_field(message, body, size):
    """The message with a string of that many bytes in a field of its header that there is not."""
    header = message[:len(message) - body]
    length = int.from_bytes(header[12:16], "little")
    out = header[:16 + length]
    out += bytes(-len(out) % 8) + bytes([200, 1]) + b"s\0" + size.to_bytes(4, "little") + b"x" * size + b"\0"
    out[12:16] = (len(out) - 16).to_bytes(4, "little")
    return bytes(out + bytes(-len(out) % 8) + message[len(message) - body:])


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory says nothing")
def test_refused_requests_leave_no_memory(client, service):
    """20 MiB refused ten times over is not 200 MiB kept."""
    check = huge_calls("x" * (20 * MIB))[0]
    client.exchange(*check, within=60)
    before = service.rss()
    for _ in range(10):
        client.exchange(*check, within=60)
    assert service.rss() < before + 64 * 1024
