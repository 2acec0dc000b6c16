# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of faults share: a service that ends because it has to, and the one that its supervisor
starts."""

from .process import PATIENCE, wait_until
from .service import FAULTS


def has_failed(service, within=10 * PATIENCE):
    """Waits for its end, which is one that a supervisor tries again after: no signal, no success, and
    nothing that only a human can mend. What it wrote shows no fault. Returns what it wrote."""
    wait_until(service.ended, within, lambda: f"it ends; {service.stderr()[-1000:]}")
    status, service.process = service.process.returncode, None
    text = service.stderr()
    assert not FAULTS.search(text), text[-8000:]
    assert status == 1, f"{status}: {text[-2000:]}"
    return text
