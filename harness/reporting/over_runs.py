"""Rows compared run by run, same world and same seed, where their items cannot be."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.reporting.alike import AGAINST, BASE, paired
from harness.reporting.compare import Column, Comparison, Row, by_world
from harness.reporting.statistics import Estimate, estimate_of
from harness.statistics.compare import LEVEL, holm


@dataclass(frozen=True)
class Difference:
    """A row minus a reference in one column."""

    row: str
    against: str
    column: Column
    estimate: Estimate
    p: float
    """By Student's t of the mean of the paired differences: over worlds, of one over its seeds."""
    adjusted: float = 1.0
    """Holm's, over all differences of the table."""

    @property
    def is_told_apart(self) -> bool:
        """Whether the two rows can be told apart, all differences of the table together."""
        return self.adjusted < LEVEL


def over_runs(comparison: Comparison) -> list[Difference]:
    """Return how rows differ from base and from DPO, where two runs or more say so.

    What seed and world do to both cancels out. The base model has no seed: every run of a world is
    compared with it.
    """
    found = [one for reference in AGAINST for one in _differences(comparison, reference)]
    adjusted = holm([one.p for one in found])
    return [replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def _differences(comparison: Comparison, reference: str) -> Iterator[Difference]:
    """Yield those from the row of that label."""
    other = next((row for row in comparison.rows if row.label == reference), None)
    if other is None:
        return
    for row in comparison.rows:
        if row.label in (reference, BASE):
            continue
        for column in comparison.columns:
            estimate = _paired(row, other, column)
            if estimate is not None and estimate.p_value is not None:
                yield Difference(row.label, reference, column, estimate, estimate.p_value)


def _paired(row: Row, other: Row, column: Column) -> Estimate | None:
    found = paired(row, other, column)
    differences = {draw: ours - theirs for draw, (ours, theirs) in found.items()}
    return estimate_of(by_world(differences)) if differences else None
