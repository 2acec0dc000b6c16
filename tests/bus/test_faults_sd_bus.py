# SPDX-License-Identifier: LGPL-2.1-or-later
"""What sd-bus fails with: only a bus that is closed is gone, and one that cannot be read any more. A call that fails
within the library gets an error, and nobody else notices."""

import errno
import json
import sys
import time

import pytest

from support import PROGRAMS
from support.client import CONNECT, field
from support.hosts import people as others
from support.hosts.native import TEST, epoch
from support.process import PATIENCE, left_behind, wait_until
from support.service import Service, has_failed, wait_connected

PEER = "org.freedesktop.DBus.Peer"
WITHIN = 20 * PATIENCE
NO_REPLY = 0x1
EVER = 1 << 30
JOURNAL = PROGRAMS / "journal.py"


def machine_id(client):
    return client.exchange("/org/libvirt", PEER, "GetMachineId", within=WITHIN)


def complaints(service):
    return [line for line in service.lines() if "failed to handle a message" in line]


def test_no_machine_id(bus, run_service, connect, preload):
    service = run_service(bus, env=preload("no_machine_id"))
    client = connect(bus)
    wait_connected(client)
    first = epoch(client)
    for path in (TEST, "/", "/org/libvirt"):
        error = client.error(path, PEER, "GetMachineId")
        assert error.name == "org.freedesktop.DBus.Error.FileNotFound" and "GetMachineId" in error.message
    for _ in range(200):
        assert field(machine_id(client), "error_name")
    # One that wants no reply gets none.
    message = client.message(TEST, PEER, "GetMachineId")
    message.header.flags |= NO_REPLY
    client.send_bytes(client.serialise(message)[1])
    client.call(TEST, PEER, "Ping")
    assert not client.replies
    assert epoch(client) == first and client.connect("ListDomains", "u", 0)
    assert len(complaints(service)) == 1


@pytest.fixture
def failing(home, bus, run_service, connect, preload):
    """(service, client, fail), where fail(number, times) has sd_bus_process() fail, from now on."""
    file = home / "fails"
    service = run_service(bus, env=preload("fail_bus", FAILS=str(file)))
    client = connect(bus)
    wait_connected(client)

    def fail(number, times):
        file.with_suffix(".new").write_text(f"{number} {times}\n", encoding="utf-8")
        file.with_suffix(".new").rename(file)
    return service, client, fail


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EINVAL,
                                    errno.EBADMSG, errno.EBUSY, errno.ENOENT], ids=errno.errorcode.get)
def test_failures_that_pass(failing, number):
    service, client, fail = failing
    first = epoch(client)
    for times in (1, 3, 20):
        fail(number, times)
        serials = [client.send(TEST, CONNECT, "ListDomains", "u", (0,)) for _ in range(10)]
        assert all(field(reply, "error_name") is None for reply in client.collect(serials, WITHIN).values())
    assert epoch(client) == first
    assert len(complaints(service)) == 1


def test_failures_that_do_not_pass(failing):
    """It goes on for a second, and not at full speed; then it is for the supervisor."""
    service, client, fail = failing
    began = time.monotonic()
    fail(errno.EBADMSG, EVER)
    client.send(TEST, PEER, "Ping")
    text = has_failed(service)
    assert time.monotonic() - began > 0.5
    assert "guestbusd: error: the bus is gone: Bad message" in text


@pytest.mark.parametrize("number", [errno.EXFULL, errno.ECHRNG], ids=errno.errorcode.get)
def test_bytes_that_are_lost(failing, number):
    """What follows them could be read as a message of anybody's: the bus is given up at once."""
    service, client, fail = failing
    fail(number, 1)
    client.send(TEST, PEER, "Ping")
    assert "guestbusd: error: the bus is gone: descriptors of a message found no room" in has_failed(service)


def entries(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


@pytest.mark.skipif(bool(others.missing()), reason=f"{others.missing()} is not there")
@pytest.mark.parametrize("case, status", [("no option", 64), ("no configuration", 78), ("no bus", 1), ("a second one", 1),
                                          ("the bus ends", 1)])
def test_the_end_is_told_as_an_error(home, one_bus, run_service, case, status):
    """In the journal's terms, where a warning is what goes on without anybody."""
    file = home / "journal"
    more = {"no option": ["--nonsense"], "no configuration": ["--connect", "Test"],
            "no bus": ["--address", f"unix:path={home}/none"]}.get(case, [])
    if case == "a second one":
        run_service(one_bus)
    before = left_behind(home)
    service = Service(one_bus, home, args=more, wrap=lambda argv: [sys.executable, str(JOURNAL), str(file), *argv])
    service.spawn()
    if case == "the bus ends":
        wait_until(lambda: any("connected" in one["MESSAGE"] for one in entries(file)), WITHIN, "it runs")
        one_bus.stop()
    assert service.process.wait(WITHIN) == status
    wait_until(lambda: [one for one in entries(file) if one["PRIORITY"] == "3"], WITHIN,
               lambda: f"an error in {entries(file)}")
    assert all(int(one["PRIORITY"]) != 4 for one in entries(file)), entries(file)
    wait_until(lambda: set(left_behind(home)) <= set(before), WITHIN, "the journal ends")
