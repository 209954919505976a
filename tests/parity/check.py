"""Hold a method against a file of recorded cases: `python tests/parity/check.py METHOD FILE`.

A file has the form of the records that `tests/parity/recorded_kinds.py` reads: lists of cases
with inputs and the outputs of a published implementation. What is printed first is the number of
cases in which every number is equal, and the number of cases. The exit code is 1 if any differs.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import torch
from compare import Tolerance, Verdict
from recorded_kinds import KINDS

from methods.dama import SELECTIONS

SHOWN = 5
"""Differences that are printed, and the cases that they are of."""


def checked(method, golden):
    """Return the verdict of every case by its id, and how many cases nobody reads, by list."""
    tolerance = Tolerance.of(golden)
    verdicts, unread = {}, Counter()
    for kind, cases in golden.items():
        if not isinstance(cases, list) or not cases or not isinstance(cases[0], dict):
            continue
        read = KINDS.get((method, kind))
        if read is None:
            unread[kind] += len(cases)
            continue
        for case in cases:
            verdict = verdicts[case["id"]] = Verdict()
            for where, recorded, ours in read(case):
                single = where.split()[0] == "official"
                verdict.add(
                    recorded, ours, tolerance.float32 if single else tolerance.float64, where
                )
    SELECTIONS.pop("recorded", None)  # the rule that replayed recorded draws
    return verdicts, unread


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("method", choices=sorted({method for method, _ in KINDS}))
    parser.add_argument("file", type=Path)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    verdicts, unread = checked(asked.method, json.loads(asked.file.read_text("utf-8")))
    # A case in which nothing could be compared equals nothing.
    wrong = {
        name: verdict.differences or ["nothing of it is read"]
        for name, verdict in verdicts.items()
        if verdict.differences or not verdict.compared
    }
    print(f"{len(verdicts) - len(wrong)}/{len(verdicts)}")  # noqa: T201
    lines = [f"{name}: {found}" for name, differences in wrong.items() for found in differences]
    lines[SHOWN:] = [f"and {len(lines) - SHOWN} more differences"] if len(lines) > SHOWN else []
    lines += [f"not compared: {count} {kind}" for kind, count in unread.items()]
    names = sorted(set().union(*(verdict.unread for verdict in verdicts.values())))
    lines += [f"not compared: {', '.join(names)}"] if names else []
    print(*lines, sep="\n")  # noqa: T201
    return 1 if wrong or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
