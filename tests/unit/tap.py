# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the checks of this folder print for meson."""


def tell(number, title, faults):
    """Prints the result of one test in TAP; returns whether there is no fault."""
    print(f"{'not ok' if faults else 'ok'} {number} {title}")
    for fault in sorted(faults):
        print(f"# {fault}")
    return not faults
