# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures: samples, what they come to, and how they are shown."""

import itertools
import statistics

from goals import judge
from stage import KINDS, PLAIN

COLUMNS = (*KINDS, PLAIN)
OURS = KINDS[1]


class Table:
    """Samples, one for each round, by part, bus, title and unit, and by kind. Those of one table come in the
    order in which they were first added."""

    def __init__(self):
        self.rows = {}
        self.part = self.bus = None

    def add(self, title, unit, kind, value):
        self.rows.setdefault((self.part, self.bus, title, unit), {}).setdefault(kind, []).append(value)

    def add_times(self, title, unit, kind, samples):
        """The middle of many times, and what but one in a hundred stay below."""
        samples = sorted(samples)
        self.add(title + ", p50", unit, kind, samples[len(samples) // 2])
        self.add(title + ", p99", unit, kind, samples[len(samples) * 99 // 100])

    def summary(self):
        rows = []
        for (part, bus, title, unit), kinds in self.rows.items():
            row = {"part": part, "bus": bus, "what": title, "unit": unit, "kinds": {}}
            for kind, values in kinds.items():
                row["kinds"][kind] = {"median": statistics.median(values), "min": min(values),
                                      "max": max(values), "rounds": values}
            rows.append(row)

        for row in rows:
            row["ratios"] = {kind: ratio for kind in (KINDS[0], PLAIN)
                             if (ratio := ratio_of(row, kind)) is not None}
            if goals := judge(rows, row):
                row["goals"] = goals

        return rows


def ratio_of(row, kind):
    """guestbusd's median to another's, or None."""
    ours, base = row["kinds"].get(OURS), row["kinds"].get(kind)
    if not ours or not base or not base["median"]:
        return None

    return ours["median"] / base["median"]


def number(value):
    """Three digits that say something, and no more; small ones as small."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"

    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"


def cell(value):
    """A kind's median, and the least and the greatest of its rounds."""
    if value is None:
        return ""

    middle = number(value["median"])
    return middle if len(value["rounds"]) == 1 else (
        f"{middle} ({number(value['min'])}–{number(value['max'])})")


HEADINGS = ("", "unit", *COLUMNS[:2], "ratio", COLUMNS[2], "ratio", "goal", "")


def lines_of(rows):
    """The cells of each row, as HEADINGS has them."""
    for row in rows:
        ratios = {kind: number(value) for kind, value in row["ratios"].items()}
        goals = row.get("goals", [])
        yield (row["what"], row["unit"], *(cell(row["kinds"].get(kind)) for kind in COLUMNS[:2]),
               ratios.get(COLUMNS[0], ""), cell(row["kinds"].get(PLAIN)), ratios.get(PLAIN, ""),
               "; ".join(goal["text"] for goal in goals), "; ".join(verdict(goal) for goal in goals))


def verdict(goal):
    return f"{'met' if goal['met'] else 'MISSED'} ({reached(goal)})"


def reached(goal):
    """A figure that is missed with as many digits as it takes to look other than the goal."""
    text = number(goal["value"])
    for digits in itertools.count(1):
        if goal["met"] or float(text.replace(",", "")) != goal["limit"]:
            return text

        text = f"{goal['value']:,.{digits}f}"


def print_part(part, bus, rows):
    lines = [HEADINGS, *lines_of(rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    print(f"\n{part}" + (f", {bus}" if bus else ""))
    for line in lines:
        print("  ".join(text.rjust(width) if 2 <= i < 7 else text.ljust(width)
                        for i, (text, width) in enumerate(zip(line, widths))).rstrip())


def print_table(rows):
    """One table for each part and bus."""
    for part, bus in dict.fromkeys((row["part"], row["bus"]) for row in rows):
        print_part(part, bus, [row for row in rows if (row["part"], row["bus"]) == (part, bus)])


def spread(row):
    """How far the rounds of a row are apart, of their median: for the kind where that is the most."""
    return max((kind["max"] - kind["min"]) / (abs(kind["median"]) or 1) for kind in row["kinds"].values())


def spread_of(rows):
    """The usual spread and the widest, with its row: they say what a difference means."""
    worst = max(rows, key=spread)
    return {"typical": statistics.median(spread(row) for row in rows), "worst": spread(worst),
            "worst_row": worst["what"]}
