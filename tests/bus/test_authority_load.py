# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody without a right can do to others: by many calls, by calls that each take a question, by large
ones. The figures are printed; what is asserted leaves room for a busy machine."""

import collections
import contextlib
import os
import statistics
import time

import pytest

from support.client import CONNECT, DOMAIN, field
from support.hosts import guarded as guards
from support.hosts.guarded import GUEST, INTERACTIVE, guarded, send
from support.process import PATIENCE, SANITIZED
from support.programs.flood import in_another_process

TEST = "/org/libvirt/Test"
LONG = 60 * PATIENCE
RATE = 1000
# Rounds of a quiet part and a loaded one, so long each, until one is good: what the machine does besides spoils some of
# them, and a service that lets others wait all.
ROUNDS = 8
SECONDS = 1
STEP = 0.01
# Milliseconds more that a call may take. It goes from process to process four times, by the bus to the service and
# back, and each time a process of the flood or polkit may have the processor, which is not the service's doing.
SLACK = 0.3 * PATIENCE
# The bus lets a caller have 128 calls open.
OPEN = 100
BIG = "x" * (900 * 1024)
TIMES = 60

pytestmark = [pytest.mark.long, pytest.mark.alone,
              pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")]


@pytest.fixture(scope="module")
def world():
    with guarded() as one:
        yield one


def same(_):
    return GUEST


def another(index):
    """A guest that nobody has asked about, so that polkit has to be."""
    return f"{TEST}/domain/_{index:08x}_f6a4_8304_79aa_97f2502e193f"


def flood(client, path_of, stop, count):
    """In a process of its own: RATE calls a second that are refused, as many as the bus lets through. It counts
    those that were answered."""
    sent, began = 0, time.monotonic()
    waiting = set()
    while not stop.is_set():
        while sent < (time.monotonic() - began) * RATE and len(waiting) < OPEN:
            waiting.add(client.send(path_of(sent), DOMAIN, "Suspend"))
            sent += 1
        try:
            client.receive(STEP)
        except TimeoutError:
            pass
        for reply in client.replies:
            assert field(reply, "error_name") == INTERACTIVE
            waiting.discard(field(reply, "reply_serial"))
        client.replies.clear()
        count.value = sent - len(waiting)


@contextlib.contextmanager
def flooding(world, path_of):
    """A flood, by somebody new whom nothing is remembered of; the number of its refused calls so far."""
    outsider = world.client("outsider")
    try:
        with in_another_process(flood, outsider, path_of) as count:
            yield count
    finally:
        outsider.close()


def latencies(client):
    """Milliseconds of calls, one after the other, sorted."""
    took = []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        began = time.monotonic()
        client.domain(GUEST, "GetState", "u", 0)
        took.append((time.monotonic() - began) * 1000)
        time.sleep(0.002)
    return sorted(took)


def describe(took):
    return statistics.median(took), took[len(took) * 99 // 100]


# What was measured in a round: the calls that were refused in a second, and (p50, p99) before and meanwhile.
Round = collections.namedtuple("Round", "rate idle loaded")


def measure(world, member, path_of):
    idle = describe(latencies(member))
    with flooding(world, path_of) as count:
        before, began = count.value, time.monotonic()
        loaded = describe(latencies(member))
        return Round((count.value - before) / (time.monotonic() - began), idle, loaded)


# The least that is a flood: the test alone takes so much of a busy machine that it does not come to RATE.
@pytest.mark.parametrize("path_of, least", [(same, RATE * 0.2), (another, RATE * 0.02)],
                         ids=["refused from memory", "refused by polkit"])
def test_others_hardly_notice(world, path_of, least):
    """A thousand refused calls a second: somebody else's take no more than twice as long. Where polkit is asked
    about each, there are as many as it answers."""
    member = world.client("member")
    latencies(member)
    rounds = []
    while not rounds or not is_good(rounds[-1], least):
        assert len(rounds) < ROUNDS, f"at least {least:.0f} refused calls/s:\n{describe_all(rounds)}"
        rounds.append(measure(world, member, path_of))
    print(f"\n{describe_all(rounds)}")


def is_good(one, least):
    # A caller that had to wait for the flood would wait for seconds.
    return one.rate >= least and one.loaded[0] <= 2 * one.idle[0] + SLACK and one.loaded[1] < 500 * PATIENCE


def describe_all(rounds):
    return "\n".join(f"{one.rate:.0f} refused calls/s; p50 {one.idle[0]:.2f} -> {one.loaded[0]:.2f} ms, "
                     f"p99 {one.idle[1]:.2f} -> {one.loaded[1]:.2f} ms" for one in rounds)


def test_a_newcomer_is_not_held_up(world):
    """Somebody polkit has to be asked about, while somebody else keeps it busy."""
    took = []
    with flooding(world, another):
        for _ in range(20):
            newcomer = world.client("member")
            began = time.monotonic()
            newcomer.domain(GUEST, "GetState", "u", 0)
            took.append((time.monotonic() - began) * 1000)
            newcomer.close()
    print(f"\nfirst call of a newcomer: p50 {statistics.median(took):.1f} ms, longest {max(took):.1f} ms")
    assert statistics.median(took) < 1000 * PATIENCE


def cpu(pid):
    """CPU milliseconds that a process has used."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        total = int(file.read().split()[0])
    for task in os.listdir(f"/proc/{pid}/task"):
        if task != str(pid):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e6


def cost(world, client, path, interface, member):
    """CPU milliseconds that a large call costs the service."""
    before = cpu(world.service.pid)
    for _ in range(TIMES):
        client.take_reply(send(client, path, interface, member, "s", (BIG,)), LONG)
    return (cpu(world.service.pid) - before) / TIMES


def test_large_arguments_of_no_avail_cost_little(world):
    """What is refused is not read: it costs what it takes to get it from the bus. A method that does not exist
    costs that, too."""
    outsider, member = world.client("outsider"), world.client("member")
    outsider.error(TEST, CONNECT, "DomainDefineXML", "s", ("",))
    member.error(TEST, CONNECT, "DomainDefineXML", "s", ("",))
    nothing = cost(world, outsider, TEST, CONNECT, "Nothing")
    refused = cost(world, outsider, TEST, CONNECT, "DomainDefineXML")
    done = cost(world, member, TEST, CONNECT, "DomainDefineXML")
    print(f"\nCPU of a call with 900 KiB: no such method {nothing:.2f} ms, refused {refused:.2f} ms, "
          f"done {done:.2f} ms")
    assert refused < nothing + 5 * PATIENCE
    assert SANITIZED or refused < done
