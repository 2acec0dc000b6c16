# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three unprivileged users who do to the service what a local user can (support/hosts/hostile.py): it does not end, a
well-behaved fourth is answered as ever, and afterwards it needs what it needed before.

GUESTBUS_HOSTILE is the number of minutes on each kind of bus, GUESTBUS_SEED the seed of the dice."""

import os

import pytest

from support.hosts import hostile
from support.hosts import bus as buses

MINUTES = float(os.environ.get("GUESTBUS_HOSTILE", "1"))
SEED = os.environ.get("GUESTBUS_SEED", "1")

pytestmark = [pytest.mark.long, pytest.mark.alone,
              pytest.mark.skipif(bool(hostile.missing()), reason=f"{hostile.missing()} is not there")]


@pytest.mark.parametrize("kind", buses.kinds())
def test_hostile_users(kind, capsys):
    with hostile.hostile(kind, SEED) as run:
        run.run(hostile.durations(MINUTES))
        with capsys.disabled():
            print(f"\n{kind}, GUESTBUS_SEED={SEED} GUESTBUS_HOSTILE={MINUTES}\n{run.text()}")
        assert not run.faults, "\n".join(run.faults)
        # Everything was tried, and everything was looked at.
        assert set(run.traffic()) == set(run.chosen)
        assert len(run.calls["during"]) > 60 * MINUTES and run.events > 0
