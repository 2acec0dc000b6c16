# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plots as SVG text. Each brings its own background, light or dark as the reader's system is, so that it can
be read on any page."""

import math
from xml.sax.saxutils import escape

from table import number

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 62, 48
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
STYLE = """
  text { font: 12px sans-serif; fill: #24292f }
  .title { font-size: 14px; font-weight: bold }
  .small { font-size: 10px }
  .back { fill: #ffffff }
  .grid { stroke: #d8dee4 }
  .whisker { stroke: #24292f }
  .s0 { fill: #b35900; stroke: #b35900 } .s1 { fill: #0969da; stroke: #0969da }
  .s2 { fill: #6e7781; stroke: #6e7781 } .s3 { fill: #8250df; stroke: #8250df }
  .s4 { fill: #1a7f37; stroke: #1a7f37 }
  .line { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .back { fill: #0d1117 }
    .grid { stroke: #30363d }
    .whisker { stroke: #e6edf3 }
    .s0 { fill: #f0883e; stroke: #f0883e } .s1 { fill: #58a6ff; stroke: #58a6ff }
    .s2 { fill: #8b949e; stroke: #8b949e } .s3 { fill: #bc8cff; stroke: #bc8cff }
    .s4 { fill: #3fb950; stroke: #3fb950 }
    .line { fill: none }
  }
"""


class Axis:
    """From values to places: linear from 0, or logarithmic in whole decades."""

    def __init__(self, values, begin, end, log=False):
        self.begin, self.end, self.log = begin, end, log
        positive = [value for value in values if value > 0] or [1]
        if log:
            self.low = math.floor(math.log10(min(positive)) + 1e-9)
            self.high = max(math.ceil(math.log10(max(positive)) - 1e-9), self.low + 1)
            self.ticks = [10 ** power for power in range(self.low, self.high + 1)]
        else:
            step = nice_step(max(positive))
            self.low, self.high = 0, math.ceil(max(positive) / step) * step
            self.ticks = [step * i for i in range(round(self.high / step) + 1)]

    def place(self, value):
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        part = (max(value, self.low) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)


def nice_step(top):
    """A step of 1, 2 or 5 and zeros that gives about five ticks."""
    rough = top / 5
    power = 10 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough)


def tick_text(value):
    if value >= 1000:
        return f"{value / 1000:g}k"

    return f"{value:g}"


def text(x, y, words, anchor="start", kind=""):
    extra = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def line(kind, *places):
    x1, y1, x2, y2 = places
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def frame(title, names, parts):
    """A whole picture: the title, the legend, and the parts."""
    legend, x = [], LEFT
    for i, name in enumerate(names):
        legend.append(f'<rect class="s{i}" x="{x:.1f}" y="34" width="10" height="10"/>')
        legend.append(text(x + 15, 43, name))
        x += 28 + 6.6 * len(name)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title, {chr(34): "&quot;"})}">',
        f"<style>{STYLE}</style>", f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        text(LEFT, 22, title, kind="title"), *legend, *parts, "</svg>", ""])


def ladder(axis):
    """The lines across, and what they stand for."""
    for tick in axis.ticks:
        y = axis.place(tick)
        yield line("grid", LEFT, y, WIDTH - RIGHT, y)
        yield text(LEFT - 6, y + 4, tick_text(tick), "end")


def bar(kind, x, width, value, axis):
    """A bar to the median, a whisker from the least to the greatest round, and the figure."""
    top, base = axis.place(value["median"]), axis.place(0)
    yield (f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" '
           f'height="{max(base - top, 0):.1f}"/>')
    middle = x + width / 2
    yield line("whisker", middle, axis.place(value["min"]), middle, axis.place(value["max"]))
    yield text(middle, axis.place(value["max"]) - 4, number(value["median"]), "middle", "small")


def bars(title, names, groups, log=False):
    """@groups: (label, {name: {"median", "min", "max"}}), in this order."""
    axis = Axis([value["max"] for _, values in groups for value in values.values()],
                HEIGHT - BOTTOM, TOP, log)
    parts = list(ladder(axis))
    room = PLOT_WIDTH / len(groups)
    width = min(room * 0.8 / len(names), 46)
    for i, (label, values) in enumerate(groups):
        present = [name for name in names if name in values]
        x = LEFT + room * (i + 0.5) - width * len(present) / 2
        for j, name in enumerate(present):
            parts += bar(f"s{names.index(name)}", x + width * j, width * 0.92, values[name], axis)
        for j, words in enumerate(label.split("\n")):
            parts.append(text(LEFT + room * (i + 0.5), HEIGHT - BOTTOM + 16 + 14 * j, words, "middle"))

    return frame(title, names, parts)


def lines(title, across, series, log=True):
    """@series: {name: [(x, y)]}; both axes are logarithmic, or only the one across."""
    names = [name for name in series if series[name]]
    horizontal = Axis([x for name in names for x, _ in series[name]], LEFT, WIDTH - RIGHT - 20, True)
    vertical = Axis([y for name in names for _, y in series[name]], HEIGHT - BOTTOM, TOP, log)
    parts = list(ladder(vertical))
    for tick in horizontal.ticks:
        x = horizontal.place(tick)
        parts += [line("grid", x, TOP, x, HEIGHT - BOTTOM),
                  text(x, HEIGHT - BOTTOM + 16, tick_text(tick), "middle")]
    parts.append(text(LEFT + PLOT_WIDTH / 2, HEIGHT - 12, across, "middle"))
    for i, name in enumerate(names):
        places = [(horizontal.place(x), vertical.place(y)) for x, y in sorted(series[name])]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="s{i} line" points="{path}"/>')
        parts += [f'<circle class="s{i}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]

    return frame(title, names, parts)
