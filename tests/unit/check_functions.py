# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_functions.py CHECKOUT API...: each function of libvirt is one that a member stands on, or one that
introspection/unserved lists with its reason; and docs/functions.md is what introspection/functions.py makes of both.
An API is libvirt's own description of it; a newer one may have functions that nothing here knows, which is an error."""

import pathlib
import re
import sys

from tap import tell

CHECKOUT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(CHECKOUT / "introspection"))
# pylint: disable=wrong-import-position
from functions import page, served, unserved  # noqa: E402
from libvirt_api import Api  # noqa: E402


def main(files):
    members, reasons, functions = served(), unserved(), Api(files).functions
    superseding = {name: re.findall(r"superseded by (\w+)", reason) for name, reason in reasons.items()}
    print("1..5")
    fine = [
        tell(1, "each function has a member, or a reason why it has none",
             {f"introspection/unserved does not say why {name} has no member"
              for name in functions.keys() - members.keys() - reasons.keys()}),
        tell(2, "none has both", {f"{name} has {members[name]}" for name in members.keys() & reasons}),
        tell(3, "each reason says something", {name for name, reason in reasons.items() if len(reason) < 10}),
        tell(4, "what supersedes a function is one itself",
             {f"{name}: {other}" for name, others in superseding.items() for other in others
              if other not in members and other not in reasons}),
        tell(5, "docs/functions.md is what introspection/functions.py writes",
             set() if (CHECKOUT / "docs" / "functions.md").read_text(encoding="utf-8") == page() else
             {"run introspection/functions.py > docs/functions.md"}),
    ]
    return 0 if functions and all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
