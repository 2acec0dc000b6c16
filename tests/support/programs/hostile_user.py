# SPDX-License-Identifier: LGPL-2.1-or-later
"""python3 -m support.programs.hostile_user SETTINGS: acts against the service (hostile_acts.py), as the user that runs
it, until it is told to end (SIGTERM) or its standard output is closed. SETTINGS is JSON: address, seed, surface (a file
with {path: introspection}), names (that it asks the bus for), rate (messages a second), share (of one processor), and
only (names of acts, or none).

Each act is a line of JSON before it begins; the last line is what it all came to."""

import collections
import json
import pathlib
import random
import signal
import sys
import time

from ..models.surface import Surface
from .hostile_acts import Acts, Files

# How often each act is chosen, beside the others.
WEIGHTS = {"call_everything": 8, "flood_and_leave": 3, "flood_and_read": 3, "never_read": 1, "wait": 2, "large": 1,
           "deep": 1, "descriptors": 3, "lingering_sockets": 1, "forged_signals": 4, "forged_departure": 2,
           "forged_replies": 2, "unanswered_questions": 2, "garbage": 2, "come_and_go": 2, "rules": 1}
# What a user keeps open at a time.
MOST_HELD = 8
# Seconds in which a bus that does not answer is left alone.
PAUSE = 0.2


class User:
    """Acts at its pace until it is `over`."""

    def __init__(self, settings):
        self.settings = settings
        self.dice = random.Random(settings["seed"])
        texts = json.loads(pathlib.Path(settings["surface"]).read_text(encoding="utf-8"))
        self.acts = Acts(settings["address"], Surface(texts), self.dice, Files(), settings["names"])
        self.done = collections.Counter()
        self.failed = collections.Counter()
        self.until = {}
        self.over = False

    def work(self):
        names = self.settings.get("only") or list(WEIGHTS)
        weights = [WEIGHTS[name] for name in names]
        began, cpu = time.monotonic(), time.process_time()
        while not self.over:
            self.act(self.dice.choices(names, weights)[0])
            self.let_go()
            # As slow as the slower of both: what it sends, and what it needs itself.
            needed = max(self.acts.messages / self.settings["rate"],
                         (time.process_time() - cpu) / self.settings["share"])
            time.sleep(max(began + needed - time.monotonic(), 0.0))

    def act(self, name):
        print(json.dumps({"at": time.monotonic(), "act": name}), flush=True)
        before = self.acts.messages
        try:
            getattr(self.acts, f"act_{name}")()
            if self.acts.talker:
                self.acts.talker.take()
        except (OSError, AssertionError) as error:
            # The bus hung up, takes no more, or is not there. The next act begins anew.
            self.failed[f"{name}: {type(error).__name__}"] += 1
            if self.acts.talker:
                self.acts.drop(self.acts.talker)
            time.sleep(PAUSE)
        self.done[name] += self.acts.messages - before

    def let_go(self):
        """Leaves with what was held for long enough, or is too much."""
        now = time.monotonic()
        kept = []
        for seconds, connection in self.acts.held:
            over = self.until.setdefault(id(connection), now + seconds)
            if now < over and len(kept) < MOST_HELD:
                kept.append((seconds, connection))
            else:
                del self.until[id(connection)]
                self.acts.drop(connection)
        self.acts.held = kept

    def report(self):
        replies, doubles, names = self.acts.counts()
        return {"messages": dict(self.done), "failed": dict(self.failed), "replies": replies, "doubles": doubles,
                "outcomes": names}

    def end(self, *_):
        self.over = True


def main(settings):
    user = User(settings)
    signal.signal(signal.SIGTERM, user.end)
    user.work()
    print(json.dumps({"report": user.report()}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
