# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark runs, each part gives its figures, and the page is made of them. How fast anything is, is not
tested here: a machine that builds other things says nothing about that."""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from support.process import PATIENCE
from support.service import binary

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
PARTS = {"calls", "properties", "clients", "latency", "events", "burst", "slow", "start", "memory", "idle",
         "cockpit", "inventory"}
WITHIN = 300 * PATIENCE
# What can come to nothing, or to less than nothing, in as little as a quick run measures.
MAY_BE_NOTHING = ("idle", "memory", "latency")

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("bench")]  # one run for all


@pytest.fixture(scope="module", name="figures")
def run_bench(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    done = subprocess.run([BENCH / "run", "--quick", "--json", path],
                          env=dict(os.environ, GUESTBUSD=binary()),
                          capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 0, done.stderr
    assert "Noise: " in done.stdout
    return path


def test_each_part_gives_its_rows(figures):
    rows = json.loads(figures.read_text(encoding="utf-8"))["rows"]
    assert {row["part"] for row in rows} == PARTS
    assert {row["bus"] for row in rows} == {"dbus-daemon", "dbus-broker"}
    for row in rows:
        ours = row["kinds"]["guestbusd"]
        assert ours["min"] <= ours["median"] <= ours["max"], row
        assert ours["median"] > 0 or any(word in row["what"] or word == row["part"]
                                         for word in MAY_BE_NOTHING), row


def test_what_is_compared(figures):
    """Where there is something to compare with, it is in the row: the one beside, or libvirt alone."""
    rows = json.loads(figures.read_text(encoding="utf-8"))["rows"]
    columns = {kind for row in rows for kind in row["kinds"]}
    assert columns == {"guestbusd", "libvirt-dbus", "plain libvirt"}
    for row in rows:
        if row["part"] in ("calls", "properties", "clients", "latency", "events", "burst", "slow", "cockpit"):
            assert "libvirt-dbus" in row["kinds"] and "libvirt-dbus" in row["ratios"], row
    judged = {row["part"] for row in rows if "goals" in row}
    assert judged >= {"calls", "properties", "latency", "events", "slow", "memory"}


def test_the_report(figures, tmp_path):
    subprocess.run([BENCH / "report", figures, "--docs", tmp_path], check=True, timeout=60)
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert not [line for line in page.splitlines() if line.startswith("@")]
    for part in PARTS:
        for row in json.loads(figures.read_text(encoding="utf-8"))["rows"]:
            assert row["part"] != part or f"| {row['what']} | {row['unit']} |" in page
    pictures = list((tmp_path / "performance").glob("*.svg"))
    assert len(pictures) == 10
    for picture in pictures:
        assert f"(performance/{picture.name})" in page
        root = xml.etree.ElementTree.parse(picture).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(root) > 10


def bench(module):
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(BENCH))


@pytest.mark.parametrize("value, met, shown", [
    (149.6, False, "MISSED (149.6)"), (149.96, False, "MISSED (149.96)"), (149.0, False, "MISSED (149)"),
    (150.0, True, "met (150)"), (150.4, True, "met (150)"), (1234.5, True, "met (1,234)")])
def test_a_figure_that_misses_its_goal_does_not_look_like_it(value, met, shown):
    assert bench("table").verdict({"limit": 150, "met": met, "value": value}) == shown


def row_of(part, what, unit, **medians):
    kinds = {kind.replace("_", "-"): {"median": value} for kind, value in medians.items()}
    return {"part": part, "bus": "dbus-daemon", "what": what, "unit": unit, "kinds": kinds}


def test_a_row_with_two_goals():
    """One is a number, the other what it was with a tenth of the domains."""
    rows = [row_of("inventory", f"{n} domains, Resync", "ms", guestbusd=value)
            for n, value in ((1000, 30), (10000, 500))]
    goals = bench("goals").judge(rows, rows[1])
    assert [(goal["text"], goal["met"]) for goal in goals] == [("≤ 11 × 1000's", False), ("≤ 3,000 ms", True)]
    assert bench("goals").judge(rows, rows[0]) == []
