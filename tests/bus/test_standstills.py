# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service while something stands still: the bus at its end, libvirtd with calls in flight, libvirtd at
its start."""

import contextlib
import resource
import signal
import socket

import pytest
from support.client import DOMAIN
from support.process import PATIENCE, switches, wait_until
from support.programs.fd_client import FDS, FdClient, null_fds
from support.service import OURS, Service, wait_connected

TEST = "/org/libvirt/Test"
BIG = "<domain type='test'><name>big</name><description>" + "x" * 700000 + \
      "</description><memory>1024</memory><os><type>hvm</type></os></domain>"
REPLIES = 30
MESSAGES = 250


@pytest.fixture
def silent(home):
    """The path of a socket that takes connections and says nothing, as a libvirtd that hangs."""
    with socket.socket(socket.AF_UNIX) as listener:
        path = str(home / "silent")
        listener.bind(path)
        listener.listen(64)
        yield path


def test_the_end_while_output_waits_and_callers_leave(one_bus, run_service, connect):
    """A bus that stands still for a moment, with megabytes of replies on their way: that a caller has left is
    heard in the last moment, while they are sent."""
    service = run_service(one_bus)
    client = connect(one_bus)
    wait_connected(client)
    path = client.connect("DomainDefineXML", "s", BIG)
    others = [connect(one_bus) for _ in range(5)]
    for other in others:
        other.domain(path, "GetState", "u", 0)
    before = service.rss()
    service.process.send_signal(signal.SIGSTOP)
    for _ in range(REPLIES):
        client.send(path, DOMAIN, "GetXMLDesc", "u", (0,))
    for _ in range(3):
        client.bus("GetId")  # a bus that goes on to this has passed on the calls before it
    one_bus.process.send_signal(signal.SIGSTOP)
    try:
        service.process.send_signal(signal.SIGCONT)
        wait_until(lambda: service.rss() > before + 4096, 10 * PATIENCE, "replies wait")
        rested = rest(service.pid)
        for other in others:
            other.connection.sock.close()
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: sleeps(service.pid) != rested, 10 * PATIENCE, "it is at its end", every=0.001)
        rest(service.pid)
    finally:
        one_bus.process.send_signal(signal.SIGCONT)
    service.stop(read=False)  # it is at its end already


def sleeps(pid):
    """How often the main thread has gone to sleep."""
    return switches(pid)[str(pid)]


def rest(pid):
    """Waits until the main thread sleeps for longer than it does at work; returns sleeps() of then."""
    counts = []

    def quiet():
        counts.append(sleeps(pid))
        return len(counts) > 5 and len(set(counts[-5:])) == 1
    wait_until(quiet, 10 * PATIENCE, "the service rests")
    return counts[-1]


@contextlib.contextmanager
def few_descriptors():
    """A soft limit of 1,024 descriptors for what is started, as services have it, below a larger hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MESSAGES * FDS:
        pytest.skip(f"the hard limit of descriptors is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors_that_nobody_wants(one_bus, silent, run_service, connect):
    """A call waits with its message, and that with all descriptors that came along."""
    with few_descriptors():
        service = run_service(one_bus, {"Slow": f"test+unix:///default?socket={silent}",
                                        "Test": "test:///default"})
    with FdClient(one_bus.address) as sender, null_fds() as fds:
        wait_connected(sender)
        for _ in range(MESSAGES):
            sender.get_with(fds, "/org/libvirt/Slow")
        sender.ping(TEST)
        assert service.descriptors() > 1024
        assert sender.connect("ListDomains", "u", 0)
    client = connect(one_bus)
    assert service.alive()
    wait_until(lambda: service.descriptors() < 1024, 10 * PATIENCE, "those of who has left are closed")
    assert client.connect("ListDomains", "u", 0)


def test_a_second_one_says_so_even_where_libvirtd_hangs(one_bus, home, silent, run_service, connect):
    first = run_service(one_bus)
    second = Service(one_bus, home, {"Test": f"test+unix:///default?socket={silent}"}).spawn()
    try:
        assert second.process.wait(60 * PATIENCE) > 0
    finally:
        second.abandon()
    assert OURS in second.stderr()
    assert connect(one_bus).pid_of(OURS) == first.pid
