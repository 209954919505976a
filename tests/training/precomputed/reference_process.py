"""Compute made reference log-probabilities: `FOLDER PAIRS LOG SECONDS [RANK COUNT]`.

The values of `made_logps`; every call first appends its first row to LOG and then takes SECONDS.
"""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from harness.training.precomputed.reference import ensure_reference

BATCH = 64


def made_logps(rows):
    """Row r has 1 + r mod 7 chosen tokens of value -r and one rejected token of value -r / 4."""
    return [(torch.full((1 + row % 7,), -1.0 * row), torch.tensor([-0.25 * row])) for row in rows]


def main(folder, pairs, log, seconds, rank="0", count="1"):
    def logps(rows):
        with Path(log).open("a") as stream:
            stream.write(f"{rows[0]}\n")
        time.sleep(float(seconds))
        return made_logps(rows)

    ranks = SimpleNamespace(rank=int(rank), count=int(count))
    ensure_reference(Path(folder), int(pairs), BATCH, logps, ranks)


if __name__ == "__main__":
    main(*sys.argv[1:])
