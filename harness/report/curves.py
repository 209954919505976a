"""What was measured in training, step by step, thinned for a chart."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.errors import in_words
from harness.files.jsonlines import JsonLines, Row
from harness.report.gather import Model
from harness.runs.rundir import RunDir

FIRST = (
    *("loss", "reward_gap", "accuracy", "logps/chosen", "logps/rejected"),
    *("beta", "alpha_d", "alpha_m", "kept", "gradient_norm", "pairs_per_second"),
)
"""Drawn in this order; what else a method measures follows."""
_NOT_DRAWN = frozenset(
    {
        *("step", "epoch", "seconds", "tokens_per_second", "data_wait_share"),
        *("memory_peak_bytes", "learning_rate", "stop", "weights of the batch"),
    }
)
_MOST = 1e30
"""What is greater, or no number, is not drawn."""
POINTS = 120
"""Most points of a curve: each is the mean over as many steps."""


@dataclass(frozen=True)
class Curve:
    """One quantity of one method."""

    label: str
    steps: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Least and greatest of the runs; equal to the mean where there is one."""
    runs: int


def curves(models: Iterable[Model], faults: list[str]) -> dict[str, list[Curve]]:
    """Return the curves of every quantity, the methods in their order."""
    rows: dict[str, list[list[Row]]] = {}
    for model in models:
        if found := _rows(model.folder, faults):
            rows.setdefault(model.result.label, []).append(found)
    measured = {key for runs in rows.values() for run in runs for row in run for key in row}
    keys = [*FIRST, *sorted(measured - {*FIRST} - _NOT_DRAWN)]
    drawn: dict[str, list[Curve]] = {}
    for key in keys:
        for label, runs in rows.items():
            if curve := _curve(label, runs, key):
                drawn.setdefault(key, []).append(curve)
    return drawn


def _rows(folder: RunDir, faults: list[str]) -> list[Row]:
    """Read the record of a training; a row that is being written is not there yet."""
    try:
        rows = JsonLines(folder.metrics).read()
        for row in rows:
            int(row["step"])
    except (OSError, ValueError, OverflowError, RecursionError, LookupError, TypeError) as error:
        faults.append(f"{folder.path.name}: its curves are not drawn: {in_words(error)}.")
        return []
    return rows


def _curve(label: str, runs: Sequence[Sequence[Row]], key: str) -> Curve | None:
    last = max(int(row["step"]) for run in runs for row in run)
    width = max(1, math.ceil(last / POINTS))
    binned = [found for run in runs if (found := _binned(run, key, width))]
    places = sorted(set().union(*binned))
    if not places:
        return None
    values = [[one[place] for one in binned if place in one] for place in places]
    return Curve(
        label,
        tuple((place + 0.5) * width for place in places),
        tuple(map(fmean, values)),
        tuple(map(min, values)),
        tuple(map(max, values)),
        len(binned),
    )


def _binned(rows: Sequence[Row], key: str, width: int) -> Mapping[int, float]:
    bins: dict[int, list[float]] = {}
    for row in rows:
        value = row.get(key)
        if isinstance(value, int | float) and abs(value) <= _MOST:
            bins.setdefault((int(row["step"]) - 1) // width, []).append(value)
    return {place: fmean(values) for place, values in bins.items()}
