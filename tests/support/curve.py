# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a process needs over time: samples of it, what they come to, and a picture of them."""

import pathlib
import statistics
import threading
import time
from xml.sax.saxutils import escape

from .process import descriptors, status

# Name, unit, and how it is read of a process.
RESOURCES = {
    "rss": ("KiB", lambda pid: status(pid, "VmRSS")),
    "pss": ("KiB", lambda pid: proportional(pid)),
    "descriptors": ("", descriptors),
    "threads": ("", lambda pid: status(pid, "Threads")),
}
WIDTH, HEIGHT, LEFT, TOP = 900, 150, 90, 40
INK, GRID, LINE = "#333333", "#dddddd", "#1f6fb2"


def proportional(pid):
    """The proportional set size in KiB."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError(f"no Pss of process {pid}")


class Sampler(threading.Thread):
    """Notes each few seconds what a process needs, and what `more()` gives, a dictionary of numbers."""

    def __init__(self, pid, every, more=dict):
        super().__init__(daemon=True)
        self.pid = pid
        self.every = every
        self.more = more
        self.began = time.monotonic()
        self.samples = []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.every) and self.note():
            pass

    def note(self):
        """Takes one sample; whether there still is a process."""
        try:
            values = {name: read(self.pid) for name, (_, read) in RESOURCES.items()}
        except (AssertionError, OSError):
            return False
        self.samples.append({"seconds": round(time.monotonic() - self.began, 1), **values, **self.more()})
        return True

    def stop(self):
        self.over.set()
        self.join()


def slope(samples, name):
    """The rise per hour of the straight line that fits best."""
    if len({one["seconds"] for one in samples}) < 2:
        return 0.0
    line = statistics.linear_regression([one["seconds"] for one in samples], [one[name] for one in samples])
    return line.slope * 3600


def middle(samples, name):
    return statistics.median(one[name] for one in samples)


def growth(samples, name):
    """How much more it is at the end than at the beginning: medians of a fifth each."""
    part = max(len(samples) // 5, 1)
    return middle(samples[-part:], name) - middle(samples[:part], name)


def summary(samples, warm_up):
    """{resource: figures}: of all samples, and of those after so many seconds how it goes on from there."""
    later = [one for one in samples if one["seconds"] >= warm_up] or samples[-1:]
    return {name: {"first": samples[0][name], "last": samples[-1][name],
                   "min": min(one[name] for one in samples), "max": max(one[name] for one in samples),
                   "per hour": round(slope(later, name), 1), "growth": growth(later, name)}
            for name in RESOURCES}


def table(figures):
    columns = ["first", "last", "min", "max", "per hour", "growth"]
    lines = [f"{'':16}" + "".join(f"{column:>12}" for column in columns)]
    for name, values in figures.items():
        title = " ".join([name, *filter(None, [RESOURCES[name][0]])])
        lines.append(f"{title:16}" + "".join(f"{values[column]:>12,}" for column in columns))
    return "\n".join(lines)


# A picture

def ticks(low, high, count=4):
    """Round numbers between two."""
    rough = max((high - low) / count, 1e-9)
    steps = (base * 10 ** power for power in range(-3, 12) for base in (1, 2, 5))
    step = next(step for step in steps if step >= rough)
    first = -(-low // step)
    return [first * step + index * step for index in range(count + 2) if first * step + index * step <= high]


def text(x, y, words, anchor):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def panel(samples, name, top):
    """The curve of one resource."""
    values = [one[name] for one in samples]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.1, 1)
    low, high = max(low - margin, 0), high + margin
    last = max(samples[-1]["seconds"], 1)

    def x(seconds):
        return round(LEFT + seconds / last * WIDTH, 1)

    def y(value):
        return round(top + HEIGHT - (value - low) / (high - low) * HEIGHT, 1)

    unit = RESOURCES[name][0]
    parts = [text(LEFT, top - 8, f"{name} ({unit})" if unit else name, "start")]
    for value in ticks(low, high):
        parts.append(f'<line x1="{LEFT}" y1="{y(value)}" x2="{LEFT + WIDTH}" y2="{y(value)}" '
                     f'stroke="{GRID}"/>')
        parts.append(text(LEFT - 8, y(value) + 4, f"{value:,.0f}", "end"))
    parts += [text(x(minutes * 60), top + HEIGHT + 16, f"{minutes:g}", "middle")
              for minutes in ticks(0, last / 60, 8)]
    points = " ".join(f"{x(one['seconds'])},{y(one[name])}" for one in samples)
    parts.append(f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1.2"/>')
    return "\n".join(parts)


def picture(samples, title):
    """All curves above each other, over minutes, as SVG."""
    height = TOP + len(RESOURCES) * (HEIGHT + 60)
    panels = [panel(samples, name, TOP + 30 + index * (HEIGHT + 60)) for index, name in enumerate(RESOURCES)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" '
            f'font-family="sans-serif" font-size="12" fill="{INK}">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
            f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}; minutes from left to right</text>\n'
            + "\n".join(panels) + "\n</svg>\n")
