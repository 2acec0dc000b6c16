# SPDX-License-Identifier: LGPL-2.1-or-later
"""A caller that asks for what is well, while something else hangs."""

import os
import time

from ..client import CONNECT, DOMAIN
from ..process import PATIENCE

# What 99 of 100 of its calls may take, where each program that is ready to run has a processor.
MOST = 0.05 * PATIENCE
PARTS = 4


def watch(client, hypervisor, guest, seconds):
    """How long its calls took in all that time, sorted. None fails."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        for call in ((guest, DOMAIN, "GetState", "u", (0,)), (hypervisor, CONNECT, "ListDomains", "u", (0,))):
            began = time.monotonic()
            body = client.call(*call)
            took.append(time.monotonic() - began)
            assert body[0]
        time.sleep(0.005)
    return sorted(took)


def assert_served(client, hypervisor, guest, seconds):
    """It notices nothing, in one of the parts of that time: what hangs does so in all of them, and what else a machine
    does does not."""
    tails = []
    for _ in range(PARTS):
        took = watch(client, hypervisor, guest, seconds / PARTS)
        p99 = took[len(took) * 99 // 100]
        print(f"{len(took)} calls: median {took[len(took) // 2] * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, "
              f"longest {took[-1] * 1e3:.1f} ms")
        tails.append(p99 / max(1, os.getloadavg()[0] / os.cpu_count()))
    assert min(tails) < MOST, tails
