# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the process itself gives up, whoever starts it. The unit says the rest."""

import pytest

from support.process import status


@pytest.fixture
def running(people, people_bus, run_service):
    """running(who, scope): the pid of guestbusd, started as that person and on the bus of that scope."""
    def start(who, scope):
        service = run_service(people_bus, start=False, wrap=lambda argv: people.wrap(argv, who),
                              env={"DBUS_SYSTEM_BUS_ADDRESS": people_bus.address,
                                   "DBUS_SESSION_BUS_ADDRESS": people_bus.address})
        service.args = [scope, "--connect", "Test=test:///default"]
        return service.start().pid
    return start


def test_the_system_service_gains_nothing(running):
    """As a bus without systemd starts it. What it starts cannot gain anything either."""
    assert status(running("guestbus", "--system"), "NoNewPrivs") == 1


@pytest.mark.parametrize("who, scope", [("outsider", "--session"), ("root", "--system"),
                                        ("root", "--session")])
def test_others_are_as_they_were_started(running, who, scope):
    """A user's libvirtd and its guests inherit from the service, and need set-uid helpers; root has all."""
    assert status(running(who, scope), "NoNewPrivs") == 0
