"""A mean over seeds, and how far it may be off."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` seeds."""

    mean: float
    half_width: float | None
    """Of the 95 % interval of the mean; None for a single seed, which says nothing about spread."""
    count: int


def over_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean and Student's interval around it, t(n-1) * s / sqrt(n).

    Raises:
        ValueError: There is no value.
    """
    if not values:
        raise ValueError("no values to average")
    count = len(values)
    if count == 1:
        return Estimate(values[0], None, 1)
    t = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return Estimate(fmean(values), t * stdev(values) / count**0.5, count)
