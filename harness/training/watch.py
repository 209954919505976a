"""What a run says about itself while it trains: speed, memory, waiting, and that it diverges."""

import json
import math
import resource
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from harness.data.rows.batch import PairTokens
from harness.files.atomic import write_text
from harness.runs.rundir import RunDir
from harness.training.process import Progress
from harness.training.step.protocols import Processes, StepReport
from harness.training.step.schedule import DataOrder

DIVERGENCE_FILE = "divergence.json"
"""In the run folder: the step that ended a run, and the pairs of its batch."""

MEASURED = frozenset(
    {
        *("pairs_per_second", "tokens_per_second", "seconds", "data_wait_share"),
        *("memory_peak_bytes", "utilisation"),
    }
)
"""What depends on the machine and the moment; everything else of a row on the run alone."""

_WINDOW = 50
_STARVING = 0.2
"""Share of the time that steps may wait for data before the user is told."""


class Watch:
    """Looks at every step.

    Args:
        order: Which pairs form a batch.
        pair_id: The id of a row in the data.
        limit: Gradient norm that counts as divergence; None for any finite one.
        patience: Steps in a row above it that end the run.
        flops: Useful operations per second that all devices together could do, and those that a
            pair takes; None where the devices are not known.
        run: The run.
        progress: Where warnings go.
        processes: All devices.
    """

    def __init__(
        self,
        order: DataOrder,
        pair_id: Callable[[int], str],
        limit: float | None,
        patience: int,
        flops: tuple[float, float] | None,
        run: RunDir,
        progress: Progress,
        processes: Processes,
    ) -> None:
        self._order, self._pair_id = order, pair_id
        self._limit, self._patience = limit, patience
        self._flops = flops
        self._run, self._progress, self._processes = run, progress, processes
        self._above = 0
        self._shares: deque[float] = deque(maxlen=_WINDOW)
        self._told = False

    def fault(self, row: Mapping[str, Any], report: StepReport) -> str | None:
        """Say why the run must end after this step, and write down its pairs; or None."""
        high = self._limit is not None and report.gradient_norm > self._limit
        self._above = self._above + 1 if high else 0
        finite = math.isfinite(row["loss"]) and math.isfinite(report.gradient_norm)
        if finite and self._above < self._patience:
            return None
        rows = self._order.rows(row["step"] - 1, 0, 1)
        ids = [self._pair_id(one) for one in rows]
        what = f"Step {row['step']}: loss {row['loss']}, gradient norm {report.gradient_norm}"
        if self._above >= self._patience:
            what += f", above {self._limit} for {self._above} steps"
        if self._processes.rank == 0:
            said = {**row, "rows": rows, "pairs": ids}
            write_text(self._run.path / DIVERGENCE_FILE, json.dumps(said, indent=2) + "\n")
        when = "after" if report.applied else "before"
        return (
            f"{what}. The run diverged: lower training.learning_rate or set "
            f"training.max_grad_norm. The pairs of this step: {', '.join(ids)} (all in "
            f"{self._run.path / DIVERGENCE_FILE}); the state {when} it is saved in "
            f"{self._run.checkpoints}."
        )

    def speed(
        self, passes: Sequence[PairTokens], seconds: float, waited: float
    ) -> dict[str, float]:
        """Return what is recorded of a step's speed; warn when the data are too slow for it."""
        whole = seconds + waited
        found = {
            "pairs_per_second": self._order.batch_pairs / whole,
            "tokens_per_second": sum(one.packed.positions for one in passes)
            * self._processes.count
            / whole,
            "seconds": whole,
            "data_wait_share": waited / whole,
            "memory_peak_bytes": float(_memory_peak(self._processes.device)),
        }
        if self._flops is not None:
            peak, pair = self._flops
            found["utilisation"] = pair * self._order.batch_pairs / whole / peak
        self._warn_of_waiting(waited / whole)
        return found

    def _warn_of_waiting(self, share: float) -> None:
        self._shares.append(share)
        mean = sum(self._shares) / len(self._shares)
        if len(self._shares) == _WINDOW and mean > _STARVING and not self._told:
            self._told = True
            self._progress.warn(
                f"The steps wait for their data {mean:.0%} of the time: images are read and "
                "decoded more slowly than the model trains. Put data and cache on a faster disk, "
                "or give each process more CPU cores."
            )


def _memory_peak(device: torch.device) -> int:
    """Return the most bytes this process has held, on its GPU or, without one, at all."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
