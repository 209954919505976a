"""The record of a run: one JSON object per step in metrics.jsonl."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from harness.training.step.protocols import Processes, Ranks
from methods.logps import sequence_sums
from methods.types import PairBatch


class MetricsLog:
    """Appends rows on the first rank; on the others it does nothing."""

    def __init__(self, path: Path, steps_done: int, processes: Ranks) -> None:
        self._stream = None
        if processes.rank == 0:
            _cut(path, steps_done)
            self._stream = path.open("a", encoding="utf-8")

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row, so that a reader sees it at once."""
        if self._stream is not None:
            self._stream.write(json.dumps(row) + "\n")
            self._stream.flush()

    def sync(self) -> None:
        """Force the rows to the disk: no checkpoint may be ahead of them."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._stream is not None:
            self._stream.close()


def reduced(
    loss: Tensor, metrics: Mapping[str, Tensor], processes: Processes
) -> tuple[float, dict[str, float]]:
    """Return the loss summed and every metric averaged over all ranks, in one exchange."""
    # Every rank holds the same number of pairs, so the mean of means is the mean over the pairs.
    local = [values.detach().double().mean().to(loss.device) for values in metrics.values()]
    total = processes.sum(torch.stack([loss.detach().double(), *local])).tolist()
    means = {name: value / processes.count for name, value in zip(metrics, total[1:], strict=True)}
    return total[0], means


def summed_logps(batch: PairBatch) -> dict[str, Tensor]:
    """Return the policy's log-probabilities of both responses of every pair, in nats, detached.

    Their names are TRL's.
    """
    sides = {"chosen": batch.chosen, "rejected": batch.rejected}
    return {
        f"logps/{name}": sequence_sums(side.policy.detach(), side.mask)
        for name, side in sides.items()
    }


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the complete rows of a record that may be being written."""
    if not path.exists():
        return []
    complete = path.read_text("utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in complete.splitlines()]


def new_rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows that were added since the last time, for ever.

    A record that was cut back to a checkpoint is another file, and is read from its beginning.
    """
    file, seen, held = -1, 0, b""
    while True:
        fresh: list[dict[str, Any]] = []
        if path.exists():
            with path.open("rb") as stream:
                # Not the size: a few quick steps after the cut make the new file the longer one.
                if (now := os.fstat(stream.fileno()).st_ino) != file:
                    file, seen, held = now, 0, b""
                stream.seek(seen)
                added = stream.read()
            seen += len(added)
            *lines, held = (held + added).split(b"\n")
            fresh = [json.loads(line) for line in lines]
        yield fresh


def _cut(path: Path, steps_done: int) -> None:
    """Drop the steps after the checkpoint: they are about to be repeated."""
    rows = [row for row in read_rows(path) if row["step"] <= steps_done]
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    partial.replace(path)
