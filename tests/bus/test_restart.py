# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restart of the service: the numbers of its events go on above all that were used before, however it ended."""

import shutil
import signal

import pytest

from support.hosts.clock import clock  # noqa: F401 (fixture)
from support.hosts.native import GUEST, TEST, before, epoch, get_events, last
from support.models.listener import CONNECTION, GONE
from support.process import PATIENCE, wait_until
from support.service import wait_connected

WITHIN = 20 * PATIENCE
DAY = 86400
ENDS = pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
LOST = "the numbers of events cannot be remembered in"
DAMAGED = "remembered of the numbers of events is damaged"


def some_events(client):
    wait_connected(client)
    client.domain(GUEST, "Suspend")
    client.domain(GUEST, "Resume")
    return last(client)


def check_next(service, client, mark, sig=signal.SIGTERM):
    """Restarts it; all its numbers are above `mark`. Returns the last of some."""
    service.restart(sig)
    assert before(client) > mark
    wait_connected(client)
    assert all(mark < event.sequence < 1 << 53 for event in get_events(client, 0))
    return some_events(client)


@ENDS
def test_numbers_are_above_those_of_before(bus, run_service, connect, clock, sig):
    """Also when the clock was set back in between, or was ahead for a while."""
    service = run_service(bus, env=clock.env)
    client = connect(bus)
    mark = some_events(client)
    for jump in (0, -DAY, -3650 * DAY, 3650 * DAY, 0):
        clock(jump)
        mark = check_next(service, client, mark, sig)


@ENDS
def test_without_a_state_directory(one_bus, run_service, connect, home, sig):
    """The clock helps where nothing is remembered, which is said once. The file is where a directory should
    be, which stops root, too."""
    file = home / "file"
    file.write_bytes(b"")
    service = run_service(one_bus, env={"STATE_DIRECTORY": str(file)})
    client = connect(one_bus)
    mark = some_events(client)
    assert service.stderr().count(LOST) == 1
    check_next(service, client, mark, sig)


def test_a_state_directory_that_cannot_be_written(one_bus, run_service, connect, clock):
    """What it remembered counts still. What is in the way of the new file stops root, too."""
    service = run_service(one_bus, env=clock.env)
    client = connect(one_bus)
    mark = some_events(client)
    (service.state / "last-number.new").mkdir()
    clock(-DAY)
    mark = check_next(service, client, mark)
    assert service.stderr().count(LOST) == 1
    clock(DAY)
    check_next(service, client, mark)


def test_a_state_directory_that_is_lost(one_bus, run_service, connect):
    """While the service runs, or while it does not."""
    service = run_service(one_bus)
    client = connect(one_bus)
    mark = some_events(client)
    shutil.rmtree(service.state)
    mark = check_next(service, client, mark)
    service.stop()
    shutil.rmtree(service.state)
    service.start()
    assert before(client) > mark
    assert (service.state / "last-number").exists()
    assert LOST not in service.stderr() and DAMAGED not in service.stderr()


@pytest.mark.parametrize("text", [b"", b"12", b"x\n", b"\xff\n", b"18446744073709551616\n"])
def test_a_damaged_file(one_bus, run_service, connect, text):
    """The clock helps; it is said, and the file is whole again."""
    service = run_service(one_bus)
    client = connect(one_bus)
    mark = some_events(client)
    (service.state / "last-number").write_bytes(text)
    mark = check_next(service, client, mark)
    assert service.stderr().count(DAMAGED) == 1
    check_next(service, client, mark)
    assert DAMAGED not in service.stderr()


def test_where_it_is_remembered(one_bus, run_service, home):
    """systemd's directory, the first where there are several; else the user's."""
    for env, place in (({"STATE_DIRECTORY": f"{home}/one:{home}/two"}, "one"),
                       ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": f"{home}/of-user"}, "of-user/guestbus")):
        run_service(one_bus, env=env).stop()
        assert (home / place / "last-number").read_text(encoding="ascii").endswith("\n")
        assert (home / place).stat().st_mode & 0o777 == 0o700
    assert not (home / "two").exists()


def test_before_the_first_event(one_bus, home, run_service, connect):
    """What Sequence says then, events will be greater than."""
    service = run_service(one_bus, {"Test": f"test+unix:///default?socket={home}/nowhere"})
    client, marks = connect(one_bus), []
    for _ in range(3):
        marks.append(last(client))
        assert marks[-1] == before(client)
        for after in (0, marks[-1]):
            assert get_events(client, after) == []
        assert client.error(TEST, CONNECTION, "GetEvents", "stu", (epoch(client), marks[-1] - 1, 0)).name == GONE
        service.restart()
    assert 0 < marks[0] < marks[1] < marks[2]


def test_who_takes_the_names_goes_on(one_bus, run_service, connect):
    """--replace: both are there for a moment, and the second is above the first."""
    first = run_service(one_bus)
    client = connect(one_bus)
    mark = some_events(client)
    old = epoch(client)
    run_service(one_bus, args=["--replace"])
    wait_until(first.ended, WITHIN, "the first ends")
    assert epoch(client) != old and before(client) > mark
    wait_connected(client)


def test_the_epoch_is_told(service, client):
    """For those who did not see that the service had left the bus."""
    mine = ("s", epoch(client))
    told = {event.kind: event.details["epoch"] for event in get_events(client, 0) if event.path == TEST}
    assert told == {"opened": mine, "resynced": mine}
