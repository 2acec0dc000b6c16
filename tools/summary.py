# SPDX-License-Identifier: LGPL-2.1-or-later
"""summary.py DIRECTORY: sums up the steps of tools/test. NAME.status holds a step's exit status, NAME.xml, where
there is one, its tests in JUnit's format. A step without tests of its own counts as one test."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """Returns how many of the tests in the file passed, failed, and were skipped."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1

    return passed, failed, skipped


def step(status_file):
    """Returns the same for a step. What went wrong outside of any test (a crash, a time limit, no test found)
    shows in the status alone, and is a failure too."""
    status = int(status_file.read_text(encoding="ascii"))
    results = status_file.with_suffix(".xml")
    try:
        passed, failed, skipped = count(results)
    except (OSError, ElementTree.ParseError):
        return (0, 1, 0) if status else (1, 0, 0)

    if status and not failed:
        failed = 1

    return passed, failed, skipped


def main(directory):
    totals = [0, 0, 0]
    for status_file in sorted(pathlib.Path(directory).glob("*.status"), key=lambda path: path.stat().st_mtime_ns):
        figures = step(status_file)
        print("{:<16} {} passed, {} failed, {} skipped".format(status_file.stem, *figures))
        totals = [total + figure for total, figure in zip(totals, figures)]

    passed, failed, _ = totals
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
