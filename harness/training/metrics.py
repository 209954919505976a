"""The record of a run: one JSON object per step in metrics.jsonl."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.errors import DataError, in_words
from harness.files.jsonlines import JsonLines
from harness.training.step.protocols import Processes, Ranks
from methods.logps import sequence_sums
from methods.types import PairBatch

STOP = "stop"
"""Share of the ranks that were asked to stop; travels with the metrics."""
SHARES = "weights of the batch"
"""Sum of the weights of its pairs; travels with them too."""
ROW = frozenset(
    {
        *("step", "epoch", "loss", "learning_rate", "gradient_norm"),
        *("logps/chosen", "logps/rejected", STOP, SHARES),
    }
)
"""What stands in a row beside the metrics of the method and what was measured."""


class MetricsLog:
    """Appends rows on the first rank; on the others it does nothing."""

    def __init__(self, path: Path, steps_done: int, processes: Ranks) -> None:
        self._lines = None
        if processes.rank == 0:
            self._lines = JsonLines(path)
            # The steps after the checkpoint are about to be repeated. The rows that stay become
            # another file, by which a follower tells that it must read from the beginning.
            self._lines.rewrite(row for row in read_rows(path) if row["step"] <= steps_done)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row, so that a reader sees it at once."""
        if self._lines is not None:
            self._lines.append(row)

    def sync(self) -> None:
        """Force the rows to the disk: no checkpoint may be ahead of them."""
        if self._lines is not None:
            self._lines.sync()


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
    """Return the complete rows of a record that may be being written.

    Raises:
        DataError: The file is something else.
    """
    try:
        rows = JsonLines(path).read()
        for row in rows:
            int(row["step"])
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise DataError(
            f"{path}: not a record of training steps ({in_words(error)}). Move it away: the same "
            "command continues from the last checkpoint and begins a new record."
        ) from error
    return rows
