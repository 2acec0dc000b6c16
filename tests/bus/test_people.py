# SPDX-License-Identifier: LGPL-2.1-or-later
"""The users of the tests (support/hosts/people.py) stay while the machine's own accounts change."""

import shutil
import subprocess
import sys

import pytest

from support.hosts import people
from support.process import PATIENCE
from support.service import CHECKOUT

pytestmark = pytest.mark.skipif(bool(people.missing()), reason=f"{people.missing()} is not there")

# In a mount namespace whose /etc has the accounts alone: another /etc/passwd and /etc/group take the place of those that were
# there when the people came, as an installation does it.
SCRIPT = """import os, shutil, subprocess, sys
subprocess.run(["mount", "--bind", sys.argv[1], "/etc"], check=True)
sys.path.insert(0, sys.argv[2])
from support.hosts.people import People
people = People(sys.argv[3])
said = []
try:
    said.append(people.run(["id"], "member").stdout)
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", f"/etc/{name}.new")
        with open(f"/etc/{name}.new", "a", encoding="utf-8") as file:
            file.write("installed:x:60123:60123::/:/bin/sh\\n" if name == "passwd" else "installed:x:60123:\\n")
        os.rename(f"/etc/{name}.new", f"/etc/{name}")
    subprocess.run(["id", "installed"], check=True)
    said.append(people.run(["id"], "member").stdout)
finally:
    people.stop()
assert "(member)" in said[0] and "(libvirt)" in said[0] and said[0] == said[1], said
"""


def test_the_machines_accounts_are_replaced(home):
    etc = home / "etc"
    etc.mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", etc)
    result = subprocess.run([*people.SPACE, sys.executable, "-c", SCRIPT, str(etc), str(CHECKOUT / "tests"), str(home)],
                            capture_output=True, text=True, check=False, timeout=60 * PATIENCE)
    assert result.returncode == 0, result.stderr
