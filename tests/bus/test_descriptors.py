# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptors that come with messages: none stays in the service, whatever becomes of the message, and none
holds it up."""

import contextlib
import os
import socket
import time

import pytest

from support.client import field
from support.hosts import bus as buses
from support.hosts.native import GUEST
from support.process import PATIENCE, soon, wait_until
from support.programs.fd_client import FDS, LINGER, FdClient, Lingering, null_fds
from support.service import wait_connected

TEST = "/org/libvirt/Test"
MESSAGES = 40
SOCKETS = 12
CLOSERS = 8
# What the kernel lets one message have.
MOST = 253


@pytest.fixture
def sender(service, client):
    """A client that may send descriptors, of a service whose connection is open."""
    with FdClient(service.bus.address) as one:
        yield one


def at_rest(service):
    """Its descriptors when their number has not changed for a moment."""
    counts = []

    def rests():
        counts.append(service.descriptors())
        return len(counts) > 10 and len(set(counts[-10:])) == 1
    wait_until(rests, 20 * PATIENCE, "the descriptors rest")
    return counts[-1]


def back_to(service, before):
    """Connections to libvirt come and go meanwhile, which is a few."""
    wait_until(lambda: service.descriptors() <= before + FDS // 2, 10 * PATIENCE,
               lambda: f"{service.descriptors()} descriptors come down to {before}")


def test_messages_that_the_library_drops(sender, service):
    before = at_rest(service)
    with null_fds() as fds:
        for _ in range(MESSAGES):
            sender.send_dropped(fds)
    sender.ping()
    back_to(service, before)
    assert "drops a message with 16 descriptors" in service.stderr()


def test_one_that_is_not_dropped_has_the_same_number(sender, service):
    """Serial numbers are the sender's: they do not tell which of its messages was dropped."""
    before = at_rest(service)
    with null_fds() as fds:
        for number in range(MESSAGES):
            serial = sender.send_dropped(fds)
            sender.send_with(fds if number % 2 else [], "/org/libvirt", "org.freedesktop.DBus.Introspectable",
                             "Introspect", serial=serial)
            assert sender.take_reply(serial, 20 * PATIENCE).body[0].startswith("<!DOCTYPE")
    back_to(service, before)


def test_messages_of_all_sorts_between_those_that_are_dropped(sender, service):
    before = at_rest(service)
    serials = []
    with null_fds() as fds:
        for number in range(MESSAGES):
            sender.send_dropped(fds[:1 + number % FDS])
            serials.append(sender.introspect_with(fds))
            sender.send_with(fds, TEST, "no.interface", "None")
            sender.send_dropped([])
            serials.append(sender.send(TEST, "org.libvirt.Connect", "ListDomains", "u", (0,)))
    replies = sender.collect(serials)
    assert all(isinstance(reply.body[0], (str, list)) for reply in replies.values())
    back_to(service, before)


def longest_call(client, seconds):
    """The longest time that a call took within so many seconds, in seconds."""
    longest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        client.call(TEST, "org.freedesktop.DBus.Peer", "Ping")
        longest = max(longest, time.monotonic() - began)
    return longest


@pytest.fixture
def lingering():
    one = Lingering(SOCKETS)
    yield one
    one.close()


def refused(sender, fd):
    """Arguments that are not what the member takes."""
    sender.send_with([], TEST, "org.libvirt.Connect", "ListDomains", "h", (fd,))


def hidden(sender, fd):
    """In a variant, which is read."""
    sender.send_with([], TEST, "org.freedesktop.DBus.Properties", "Set", "ssv",
                     ("org.libvirt.Connect", "Version", ("h", fd)))


def wanted(sender, fd, path=TEST):
    """As an argument that the member takes."""
    sender.send_with([], path, "org.libvirt.Connect", "DomainCreateXMLWithFiles", "sahu", ("<domain/>", [fd], 0))


def unasked(sender, fd, path=TEST):
    """Beside the arguments, of a call that libvirt is asked for."""
    sender.get_with([fd], path)


def unnamed(sender, fd):
    """Beside the arguments, of a call that is answered."""
    sender.introspect_with([fd])


def dropped(sender, fd):
    """In a message that the library drops."""
    sender.send_dropped([fd])


@pytest.mark.parametrize("send", [refused, hidden, wanted, unasked, unnamed, dropped])
def test_sockets_that_linger(send, one_bus, run_service, connect, lingering):
    """close() of such a socket takes five seconds. Others are served meanwhile, and threads do not pile up."""
    service, client = run_service(one_bus), connect(one_bus)
    wait_connected(client)
    threads = service.threads()
    with FdClient(one_bus.address) as sender:
        # What is dropped is so large that the service's socket takes no more of it while it stands still.
        lingering.hand_over(service, lambda fd: send(sender, fd), 2 if send is dropped else None)
        sender.ping()
    longest = longest_call(client, 1.5)
    assert longest < 0.8 * LINGER, f"a call took {longest:.2f} s"
    assert service.threads() <= threads + CLOSERS + 6


@pytest.mark.parametrize("send", [wanted, unasked])
def test_sockets_of_calls_that_are_dropped_while_they_wait(send, one_bus, run_service, connect, home, lingering):
    """Their caller leaves, and what it sent is closed."""
    with socket.socket(socket.AF_UNIX) as listener:
        silent = str(home / "silent")
        listener.bind(silent)
        listener.listen(64)
        service = run_service(one_bus, {"Slow": f"test+unix:///default?socket={silent}", "Test": "test:///default"})
        client = connect(one_bus)
        before = at_rest(service)
        with FdClient(one_bus.address) as sender:
            lingering.hand_over(service, lambda fd: send(sender, fd, "/org/libvirt/Slow"))
            sender.ping()
        longest = longest_call(client, 1.5)
        assert longest < 0.8 * LINGER, f"a call took {longest:.2f} s"
        lingering.close()
        back_to(service, before)


def test_the_end_does_not_wait_for_them(one_bus, run_service):
    def end():
        service = run_service(one_bus)
        with contextlib.closing(Lingering(SOCKETS)) as lingering:
            with FdClient(one_bus.address) as sender:
                lingering.hand_over(service, lambda fd: unnamed(sender, fd))
                sender.ping()
            return service.stop()
    soon(end, LINGER)


def test_what_was_sent_is_closed_while_its_caller_is_there(sender, service):
    """A caller that waits for the end of what it has sent gets it."""
    ours, theirs = os.pipe()
    serial = sender.introspect_with([theirs])
    os.close(theirs)
    sender.take_reply(serial, 20 * PATIENCE)
    with os.fdopen(ours, "rb") as end:
        assert end.read() == b""
    assert service.alive()


@pytest.fixture(params=buses.kinds())
def wide_bus(request, home):
    """A bus that lets a message have as many descriptors as the kernel does."""
    limits = {**buses.SESSION_LIMITS, "max_message_unix_fds": MOST}
    private = buses.Daemon(home, limits=limits) if request.param == "dbus-daemon" else buses.start(request.param, home)
    yield private
    private.stop()


def test_as_many_as_a_message_can_have(wide_bus, run_service, connect):
    """Again and again, with calls that wait: they are refused before the system would cut a message."""
    service = run_service(wide_bus, wrap=lambda argv: ["prlimit", "--nofile=4096:4096", *argv])
    client = connect(wide_bus)
    wait_connected(client)
    with FdClient(wide_bus.address) as sender, null_fds(MOST) as fds:
        for _ in range(30):
            last = sender.send_with(fds, GUEST, "org.guestbus.Domain1", "WaitForState", "asua{sv}",
                                    (["shutoff"], 0, {}))
            sender.ping()
        refused = sender.take_reply(last, 20 * PATIENCE)
        assert field(refused, "error_name") == "org.freedesktop.DBus.Error.LimitsExceeded"
        assert client.connect("ListDomains", "u", 0)
    wait_until(lambda: service.descriptors() < MOST, 20 * PATIENCE, "those of who has left are closed")
