"""Which rows can be told apart: over their items, else run by run."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.reporting.alike import AGAINST
from harness.reporting.compare import Column, Comparison
from harness.reporting.over_items.differences import OverItems, over_items
from harness.reporting.over_runs import Difference, over_runs


@dataclass(frozen=True)
class Apart:
    """A row less another in one column."""

    value: float
    low: float | None
    """Of the 95 % interval; None where nothing says how far the value may be off."""
    high: float | None
    is_shown: bool
    """Whether the two rows can be told apart."""


Differences = Mapping[str, Mapping[tuple[str, Column], Apart]]
"""By label of the row that the others are compared with, and by their labels and columns."""


def differences_of(comparison: Comparison) -> tuple[Differences, OverItems]:
    """Return all differences, and what the items of the runs say besides."""
    items = over_items(comparison)
    by_runs = over_runs(comparison)
    found = {
        against: {
            (one.row, one.column): Apart(
                one.measured.value, one.measured.low, one.measured.high, one.is_shown
            )
            for one in items.differences
            if one.against == against
        }
        or dict(map(_over_runs, (one for one in by_runs if one.against == against)))
        for against in AGAINST
    }
    return found, items


def _over_runs(one: Difference) -> tuple[tuple[str, Column], Apart]:
    value, half = one.estimate.mean, one.estimate.half_width
    low, high = (None, None) if half is None else (value - half, value + half)
    return (one.row, one.column), Apart(value, low, high, one.is_told_apart)
