"""A quantity made of one row or several, with the interval that items and seeds leave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.clusters import Floats
from harness.statistics.student import quantile

CONFIDENCE = 0.95
POWER = 0.80
MOST_UNDEFINED = 0.05
"""Share of draws without a number; if more have none, there is no interval."""

Quantity = Callable[..., Floats]
"""From the numbers of one row or several to one number, place by place."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """One metric of one row: its value for each seed, and for draws of the same items."""

    values: Floats
    """Of shape [seeds]."""
    draws: Floats
    """Of shape [seeds, draws]."""


@dataclass(frozen=True)
class Measured:
    """A number, and how far it may be off."""

    value: float
    low: float | None
    """Of the 95 % interval; None where no draw differs from another, or too few have a number."""
    high: float | None
    items_variance: float
    """Of the value, over draws of clusters."""
    seeds_variance: float
    """Of the value, over trainings; 0 where every row has one."""
    degrees: float
    """Of freedom, of the standard error."""

    @property
    def error(self) -> float:
        """Standard error over items and seeds together."""
        return float(np.sqrt(self.items_variance + self.seeds_variance))

    @property
    def smallest(self) -> float:
        """The smallest change that is shown in 80 of 100 cases, at 5 % and with this error."""
        return (_quantile(self.degrees) + quantile(self.degrees, POWER)) * self.error


def measure(quantity: Quantity, clusters: int, *rows: Sampled) -> Measured:
    """Measure a quantity over the seeds of its rows and draws of their items.

    One training to a row: the middle 95 % of the draws, which says nothing about other trainings.
    With several, Student's interval from both variances. What seeds and items do together is in
    both, so that the interval is a little too wide rather than too narrow.

    Args:
        quantity: Of the mean over the seeds of each row.
        clusters: How many were drawn.
        rows: In the order in which `quantity` takes them, with draws of the same clusters.
    """
    means = [row.values.mean() for row in rows]
    value = float(quantity(*means))
    draws = np.asarray(quantity(*(row.draws.mean(axis=0) for row in rows)))
    draws = draws[np.isfinite(draws)]
    asked = rows[0].draws.shape[-1]
    if not draws.size or draws.size < (1 - MOST_UNDEFINED) * asked or not np.ptp(draws) > 0:
        return Measured(value, None, None, 0.0, 0.0, float(max(clusters - 1, 1)))
    items = float(draws.var(ddof=1))
    seeds, seed_degrees = _over_seeds(quantity, means, rows)
    degrees = _degrees(items, clusters - 1, seeds, seed_degrees)
    if any(row.values.size > 1 for row in rows):
        half = _quantile(degrees) * np.sqrt(items + seeds)
        low, high = value - half, value + half
    else:
        low, high = np.quantile(draws, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Measured(value, float(low), float(high), items, seeds, degrees)


def _over_seeds(
    quantity: Quantity, means: list[float], rows: tuple[Sampled, ...]
) -> tuple[float, float]:
    """Return the variance of the quantity over trainings, and its degrees of freedom."""
    total = weighted = 0.0
    for place, row in enumerate(rows):
        if row.values.size < 2:
            continue
        moved = [quantity(*means[:place], one, *means[place + 1 :]) for one in row.values]
        part = float(np.var(moved, ddof=1)) / row.values.size
        total += part
        weighted += part**2 / (row.values.size - 1)
    return total, total**2 / weighted if weighted else 1.0


def _degrees(items: float, item_degrees: float, seeds: float, seed_degrees: float) -> float:
    """Return Satterthwaite's degrees of freedom of the two variances together."""
    parts = items**2 / max(item_degrees, 1) + seeds**2 / max(seed_degrees, 1)
    return (items + seeds) ** 2 / parts


def _quantile(degrees: float) -> float:
    return quantile(degrees, (1 + CONFIDENCE) / 2)


def moved(
    before: float,
    after: float,
    intervals: Sequence[tuple[float, float]],
    items: int,
    trainings: Sequence[float] = (),
) -> Measured:
    """Measure how far a number moved from one run to another.

    The two count as independent. Where they were asked the same items their errors partly cancel
    out, so that less is told apart, never more.

    Args:
        before: The number of the first.
        after: The number of the second.
        intervals: The 95 % interval over items of each.
        items: How many there are at least.
        trainings: Numbers of trainings that differ by their seed alone; fewer than two say nothing.
    """
    width = 2 * _quantile(float("inf"))
    errors = ((high - low) / width for low, high in intervals)
    over_items = sum(error**2 for error in errors)
    of_each = float(np.var(trainings, ddof=1)) if len(trainings) > 1 else 0.0
    over_seeds = len(intervals) * of_each
    degrees = 1.0
    if over_items or over_seeds:
        degrees = _degrees(over_items, max(items - 1, 1), over_seeds, max(len(trainings) - 1, 1))
    return Measured(after - before, None, None, over_items, over_seeds, degrees)
