# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dice for calls over D-Bus: values of any type, types of any shape, arguments such as a method takes and
such as it does not. Every value can be sent: the bus itself finds no fault with it."""

from ..wire import first_type, types
from .targets import EDGES, FILES, GOOD, INTERFACE_XML, STRINGS, XML

BASIC = "ybnqiuxtdsogh"
BITS = {"y": (8, False), "n": (16, True), "q": (16, False), "i": (32, True), "u": (32, False),
        "x": (64, True), "t": (64, False)}
PATHS = ["/", "/a", "/org/libvirt", "/org/libvirt/domain/_", "/" + "x" * 255, "/a" * 120]
SIGNATURES = ["", "s", "a{sv}", "((((i))))", "a" * 32 + "y", "v" * 255]
# Parts of hostile texts. None makes a name of a file that can be written.
PIECES = ["%s%n", "\x01\x1b[0m", "\u00e4", "\U0010ffff", "\u202e", "'\"`$(id)", "&lt;", "]]>", "<!--", "../",
          " ", "\n", "_", "a", "0", "{}", "\ufffd", "x" * 200]
STATES = ["running", "paused", "shutoff", "gone", "nostate"]
NAMES = ["cpu_shares", "vcpu_period", "weight", "bandwidth", "total_bytes_sec", "settle", "hard_limit",
         "type", "inbound.average", "device_weight", "checked", "x"]
# Large values are slow to write, and no better for being many.
LARGE, SELDOM = 1000, 0.05
DEEPEST = 30  # of variants; the bus allows 64


class Values:
    """Random values; `random` is the dice."""

    def __init__(self, random, home, root):
        self.random = random
        self.home = home
        self.root = root
        self.epochs = [""]

    # Types

    def kind(self, depth=0):
        """A complete type."""
        shape = self.random.random()
        if depth > 3 or shape < 0.6:
            return self.random.choice(BASIC)
        if shape < 0.7:
            return "v"
        if shape < 0.85:
            return "a" + self.kind(depth + 1)
        if shape < 0.93:
            return "a{" + self.random.choice("suo") + self.kind(depth + 1) + "}"
        return "(" + "".join(self.kind(depth + 1) for _ in range(self.random.randrange(1, 4))) + ")"

    def signature(self, other_than):
        """One that a method does not take."""
        while True:
            found = "".join(self.kind() for _ in range(self.random.randrange(5)))
            if found != other_than:
                return found

    # Values

    def text(self):
        choice = self.random.random()
        if choice < 0.3:
            return self.random.choice(list(GOOD.values()))
        if choice < 0.5:
            return self.few(STRINGS)
        if choice < 0.6:
            return self.xml(self.random.choice(sorted(set(XML.values()) - {INTERFACE_XML})))
        if choice < 0.7:
            return self.random.choice(STATES + NAMES)
        return "".join(self.random.choices(PIECES, k=self.random.randrange(12)))

    def number(self, kind):
        bits, signed = BITS[kind]
        value = self.random.getrandbits(self.random.choice([2, 4, bits // 2, bits]))
        if self.random.random() < 0.3:
            value = 1 << self.random.randrange(bits)
        return value - (1 << bits) if signed and value >> (bits - 1) else value

    def value(self, kind, depth=0):
        code = kind[0]
        if code in BITS:
            return self.number(kind)
        simple = {"b": lambda: self.random.random() < 0.5, "s": self.text, "v": lambda: self.variant(depth),
                  "h": lambda: self.random.choice([0, 1, 2, 9, (1 << 32) - 1]),
                  "d": lambda: self.random.choice([0.0, -1.5, 1e308, float("nan"), float("-inf")]),
                  "o": lambda: self.random.choice(PATHS + [self.root]),
                  "g": lambda: self.random.choice(SIGNATURES)}
        if code in simple:
            return simple[code]()
        if code == "(":
            return tuple(self.value(part, depth + 1) for part in types(kind[1:-1]))
        return self.several(kind[1:], depth + 1)

    def several(self, kind, depth):
        count = self.random.choice([0, 1, 2, 5])
        if kind == "y":
            return self.random.randbytes(count * 10)
        if kind[0] != "{":
            return [self.value(kind, depth) for _ in range(count)]
        end = first_type(kind, 1)
        names = NAMES + STRINGS[:2]
        return {self.random.choice(names) if kind[1] == "s" else self.value(kind[1:end], depth):
                self.value(kind[end:-1], depth) for _ in range(count)}

    def variant(self, depth=0):
        if depth == 0 and self.random.random() < 0.02:
            value = ("u", 1)
            for _ in range(DEEPEST):
                value = ("v", value)
            return value
        kind = self.kind(depth + 1)
        return kind, self.value(kind, depth + 1)

    def few(self, values):
        """One of them; a large one seldom."""
        value = self.random.choice(values)
        if hasattr(value, "__len__") and len(value) > LARGE and self.random.random() > SELDOM:
            return values[0]
        return value

    def xml(self, text):
        """It, whole or hurt. Libvirt 9.0 cannot bear interfaces that have no MAC, so no interface is hurt."""
        if text in ("", INTERFACE_XML) or self.random.random() < 0.4:
            return text
        start, end = sorted(self.random.choices(range(len(text) + 1), k=2))
        return self.random.choice([text[:start], text[start:], text[:start] + text[end:],
                                   text[:end] + text[start:],
                                   text.replace(text[start:end], self.text()[:300]),
                                   text[:start] + self.random.choice(PIECES) + text[start:]])

    # Arguments

    def argument(self, name, kind, usual):
        """One of a method: as it takes it, at its edges, or any value of its type."""
        choice = self.random.random()
        if name in FILES:
            return usual if choice < 0.5 else self.few(STRINGS)
        if name == "xml":
            return self.xml(usual) if choice < 0.8 else self.text()
        if name == "epoch" and choice < 0.8:
            return self.random.choice(self.epochs)
        if choice < 0.5:
            return usual
        if choice < 0.75 and kind in EDGES:
            return self.few(EDGES[kind])
        return self.value(kind)
