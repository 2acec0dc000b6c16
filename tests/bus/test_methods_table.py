# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of methods and drivers, which this run makes: not one method of the contract without a row."""

import os
import pathlib
import subprocess
import sys

import pytest

from support import coverage
from support.process import PATIENCE

HERE = pathlib.Path(__file__).resolve().parent
MAKERS = sorted(path for path in HERE.glob("test_methods_*.py") if path != pathlib.Path(__file__).resolve())


def ran_before(request):
    """Whether this run has all tests of those files, before this one."""
    items = request.session.items
    before = items[:items.index(request.node)] if request.node in items else []
    options = request.config
    narrowed = options.getoption("keyword") or options.getoption("markexpr") or \
        any("::" in argument for argument in options.args)
    return not narrowed and {str(path) for path in MAKERS} <= {str(item.path) for item in before}


@pytest.fixture
def rows(request, home):
    """{method: drivers}: of this run, or of one of its own where this test runs alone or first."""
    if ran_before(request):
        return dict(line.split("\t") for line in coverage.table().splitlines())
    file = home / "coverage.txt"
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", *map(str, MAKERS)], cwd=HERE.parents[1],
                         env=dict(os.environ, GUESTBUS_COVERAGE=str(file)), capture_output=True, text=True,
                         timeout=120 * PATIENCE, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    return dict(line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())


def test_every_method_has_a_row(rows):
    wanted = {f"{one.interface}.{one.name}" for one in coverage.contract("method")}
    assert set(rows) == wanted
    assert not [name for name, drivers in rows.items() if drivers == "-"]
    # A table of errors would be whole, too.
    errors = [name for name, drivers in rows.items() if drivers == "error only"]
    assert len(errors) < 50, errors
