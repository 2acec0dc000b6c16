# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/reliability.md: the tests that it names are there, no test of a fault is left out, its limits are those
that there are, and its picture is installed with it, as those of all pages are."""

import re

from support.service import CHECKOUT

TEXT = (CHECKOUT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(tests/[\w./-]+)::(\w+)`", TEXT))
DEFINED = re.compile(r"^(?:def|static void) (test_\w+)\(", re.M)


def test_the_tests_that_it_names_are_there():
    """Each line about a fault names one."""
    tables = TEXT.partition("\n## Limits")[0].split("| fault |")[1:]
    lines = [line for table in tables for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(tables) == 4 and len(lines) >= 30
    for line in lines:
        assert re.search(r"`tests/[^`]+::\w+` \|$", line), line
    for file, name in NAMED:
        assert name in DEFINED.findall((CHECKOUT / file).read_text(encoding="utf-8")), f"{file}::{name}"


def test_no_test_of_a_fault_is_left_out():
    files = list((CHECKOUT / "tests").glob("*/test_faults_*.py"))
    there = {(str(file.relative_to(CHECKOUT)), name) for file in files
             for name in DEFINED.findall(file.read_text(encoding="utf-8"))}
    assert len(files) >= 6 and there <= NAMED, sorted(there - NAMED)


def test_its_limits_are_those_of_the_configuration():
    code = (CHECKOUT / "service" / "base" / "config.c").read_text(encoding="utf-8")
    keys = set(re.findall(r'LIMIT\("([\w-]+)"', code))
    section = TEXT.partition("## Limits")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", section))
    assert keys == named
    manual = (CHECKOUT / "docs" / "guestbusd.8.in").read_text(encoding="utf-8").replace("\\-", "-")
    assert all(f".BR {key} " in manual for key in keys)


def test_pages_are_installed_with_their_pictures():
    docs = CHECKOUT / "docs"
    installed = set(re.findall(r"'([\w./-]+)'", (docs / "meson.build").read_text(encoding="utf-8")))
    pages = [docs / name for name in installed if name.endswith(".md")]
    pictures = {name for page in pages
                for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))}
    assert pictures and pictures <= installed
