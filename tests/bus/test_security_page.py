# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/security.md: the tests that it names are there, and its rules do what it says."""

import re
from xml.etree import ElementTree

import pytest

from support.client import DOMAIN
from support.hosts import polkit
from support.hosts import guarded as guards
from support.hosts.guarded import DENIED, GUEST, INTERACTIVE, RULES, guarded
from support.service import CHECKOUT

TEXT = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
# The reader's user is one of those there are here.
EXAMPLES = [block.replace('"anna"', '"limited"') for block in re.findall(r"^```js\n(.*?)^```$", TEXT, re.M | re.S)]


def test_the_tests_that_it_names_are_there():
    """Each line of the table names one, and each is defined in the file that is named."""
    lines = [line for line in TEXT.splitlines() if line.startswith("|") and "`tests/" in line]
    assert len(lines) >= 25
    table = TEXT.partition("| threat |")[2].splitlines()[2:]
    assert [line for line in table if line.startswith("|")] == lines
    for file, name in re.findall(r"`(tests/[\w./-]+)::(\w+)`", TEXT):
        text = (CHECKOUT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def|static void) {name}\(", text, re.M), f"{file}::{name}"


def test_it_says_what_each_signal_tells():
    section = TEXT.partition("## What signals tell")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(?:\w+\.)?(\w+)`", section))
    signals = {signal.get("name") for file in (CHECKOUT / "introspection").glob("*.xml")
               for signal in ElementTree.parse(file).iter("signal")}
    assert len(signals) > 30 and signals <= named, signals - named


needs = pytest.mark.skipif(bool(guards.missing()), reason=f"{guards.missing()} is not there")


@needs
def test_the_rule_about_one_guest():
    with guarded(EXAMPLES[0] + RULES) as one:
        anna = one.client("limited")
        anna.domain(GUEST, "Suspend")
        anna.domain(GUEST, "Resume")
        assert anna.error(GUEST, DOMAIN, "Destroy", "u", (0,)).name == INTERACTIVE
        assert one.client("outsider").error(GUEST, DOMAIN, "Suspend").name == INTERACTIVE


@needs
def test_the_rule_about_who_sees():
    with guarded(EXAMPLES[1] + RULES) as one:
        assert one.client("member").domain(GUEST, "GetState", "u", 0)
        assert one.client("outsider").error(GUEST, DOMAIN, "GetState", "u", (0,)).name == DENIED


@needs
def test_the_rule_about_passwords():
    with guarded(EXAMPLES[2] + RULES) as one:
        assert one.client("member").error(GUEST, DOMAIN, "Suspend").name == INTERACTIVE
        assert one.root.domain(GUEST, "Suspend") is None


@needs
def test_the_rule_about_both_actions():
    with guarded(EXAMPLES[3] + RULES) as one:
        anna = one.client("limited")
        assert one.polkit.check(anna.unique_name, polkit.MANAGE)[0]
        assert anna.domain(GUEST, "Suspend") is None
        assert one.client("outsider").error(GUEST, DOMAIN, "Resume").name == INTERACTIVE


@needs
def test_a_rule_about_libvirts_action_does_not_count():
    """What the words before that example say."""
    with guarded(polkit.rule("limited", polkit.MANAGE, "YES") + RULES) as one:
        anna = one.client("limited")
        assert one.polkit.check(anna.unique_name, polkit.MANAGE)[0]
        assert anna.error(GUEST, DOMAIN, "Suspend").name == INTERACTIVE
