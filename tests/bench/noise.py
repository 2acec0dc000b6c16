# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the machine is, and what else it did: a busy one's figures compare only with those beside them."""

import os
import pathlib
import platform
import re
import subprocess
import time

# What the same work is that is done again and again: about 20 ms.
LOOPS = 400_000
PROGRAMS = {
    "libvirtd": ["libvirtd", "--version"],
    "QEMU": ["qemu-system-x86_64", "--version"],
    "dbus-daemon": ["dbus-daemon", "--version"],
    "dbus-broker": ["dbus-broker", "--version"],
    "libvirt-dbus": ["dpkg-query", "-W", "-f", "${Version}", "libvirt-dbus"],
}
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def version(command):
    """The first number with dots that a program says of itself; empty where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    except OSError:
        return ""

    found = re.search(r"\d+(\.\d+)*", done.stdout)
    return found.group() if found else ""


def machine():
    """What it was measured on."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "versions": {name: version(command) for name, command in PROGRAMS.items()},
    }


def ticks():
    """(all, idle, stolen) of /proc/stat, all CPUs together."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]

    return sum(fields), fields[3] + fields[4], fields[7]


def work():
    """Milliseconds of a fixed piece of work."""
    began = time.perf_counter()
    total = 0
    for i in range(LOOPS):
        total += i
    return (time.perf_counter() - began) * 1e3


class Noise:
    """Watches the machine while parts are measured."""

    def __init__(self):
        self.parts = []
        self.began = time.time()

    def measure(self, part, bus, func):
        before, works, began = ticks(), [work() for _ in range(3)], time.monotonic()
        func()
        after, works = ticks(), works + [work() for _ in range(3)]
        total = max(after[0] - before[0], 1)
        self.parts.append({
            "part": part, "bus": bus, "seconds": time.monotonic() - began, "load": os.getloadavg()[0],
            "busy": 1 - (after[1] - before[1]) / total, "stolen": (after[2] - before[2]) / total,
            "work_ms": works})

    def summary(self):
        works = [value for part in self.parts for value in part["work_ms"]]
        return {
            "began": time.strftime("%Y-%m-%d", time.gmtime(self.began)), "seconds": time.time() - self.began,
            "load": [min(part["load"] for part in self.parts), max(part["load"] for part in self.parts)],
            "stolen": max(part["stolen"] for part in self.parts), "work_ms": [min(works), max(works)],
            "parts": self.parts}


def print_noise(noise, spread, machine_):
    least, most = noise["work_ms"]
    print(f"\nMedian of the rounds (least–greatest); a ratio is guestbusd to the column before it.\n"
          f"Noise: rounds of one figure differ by {spread['typical']:.0%} of their median (typical), by "
          f"{spread['worst']:.0%} at worst ({spread['worst_row']}).\n"
          f"The same piece of work took {least:.0f} to {most:.0f} ms; load average {noise['load'][0]:.1f} to "
          f"{noise['load'][1]:.1f} on {machine_['cpus']} CPUs, up to {noise['stolen']:.1%} stolen by other "
          f"machines. {noise['seconds'] / 60:.1f} minutes.")
