"""Rows compared run by run, same world and same seed, where their items cannot be."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.reporting.compare import Column, Comparison, Row, Setting, by_world
from harness.reporting.over_items.differences import AGAINST
from harness.reporting.statistics import CONFIDENCE, Estimate, estimate_of

BASE = AGAINST[0]


@dataclass(frozen=True)
class Difference:
    """A row minus a reference in one column."""

    row: str
    column: Column
    estimate: Estimate

    @property
    def is_told_apart(self) -> bool:
        """Whether its 95 % interval leaves out zero."""
        p_value = self.estimate.p_value
        return p_value is not None and p_value < 1 - CONFIDENCE


def differences(comparison: Comparison, reference: str) -> Iterator[Difference]:
    """Yield how the other rows differ from the row of that label, where two runs or more say so.

    What seed and world do to both cancels out. The base model has no seed: every run of a world is
    compared with it.
    """
    other = next((row for row in comparison.rows if row.label == reference), None)
    if other is None:
        return
    for row in comparison.rows:
        if row.label in (reference, BASE):
            continue
        for column in comparison.columns:
            estimate = _paired(row, other, column)
            if estimate is not None and estimate.half_width is not None:
                yield Difference(row.label, column, estimate)


def _paired(row: Row, other: Row, column: Column) -> Estimate | None:
    own, theirs = _values(row, column), _values(other, column)
    if other.label == BASE:
        of_world = {world: value for (world, _), value in theirs.items()}
        theirs = {draw: of_world[draw[0]] for draw in own if draw[0] in of_world}
    paired = {draw: own[draw] - theirs[draw] for draw in own if draw in theirs}
    return estimate_of(by_world(paired)) if paired else None


def _values(row: Row, column: Column) -> dict[tuple[int, int], float]:
    cell = row.cells.get(column)
    if cell is None or cell.is_withheld:
        return {}
    return {
        run.draw: card.official[column.metric.name]
        for run in row.runs
        if (card := run.scorecards.get(column.benchmark))
        and Setting.of(card) == column.setting
        and column.metric.name in card.official
    }
