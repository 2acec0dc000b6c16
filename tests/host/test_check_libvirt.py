# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/check-libvirt with the libvirt of this machine, and without a network."""

import os
import subprocess

from support.service import CHECKOUT


def check(*arguments, **environment):
    return subprocess.run([CHECKOUT / "tools" / "check-libvirt", "--quick", *arguments], capture_output=True, text=True,
                          check=False, env={**os.environ, **environment})


def test_the_installed_one_passes():
    run = check("installed")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("installed: libvirt ")
    assert run.stdout.endswith(": passed: functions generator compile\n")


def test_a_suite_that_the_mirror_does_not_give_is_skipped():
    run = check("sid", http_proxy="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("sid: skipped: ") and run.stdout.count("\n") == 1
