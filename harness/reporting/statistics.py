"""A mean over seeds and worlds, and how far it may be off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from harness.statistics.student import quantile, two_sided

CONFIDENCE = 0.95

ByWorld = Mapping[int, Sequence[float]]
"""World -> the values of its seeds."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` values from `worlds` worlds."""

    mean: float
    half_width: float | None
    """Of the 95 % interval of the mean; None for a single value, which says nothing of spread."""
    count: int
    worlds: int = 1
    p_value: float | None = None
    """Of the mean being zero, two-sided; for differences."""


def estimate_of(values: ByWorld) -> Estimate:
    """Return the mean and Student's interval around it.

    Of one world: over its n seeds, t(n-1) * s / sqrt(n). It says nothing of other worlds. Of W
    worlds: the mean of their means, t(W-1) * s / sqrt(W) with s over these means. Seeds are nested
    in worlds, so a world's mean already varies by both, (var_world + var_seed / n) / W, and that is
    what s estimates; it is exact where every world has as many seeds.

    Raises:
        ValueError: There is no value.
    """
    worlds = [list(one) for one in values.values() if one]
    if not worlds:
        raise ValueError("no values to average")
    draws = worlds[0] if len(worlds) == 1 else [fmean(one) for one in worlds]
    total, mean = sum(map(len, worlds)), fmean(draws)
    if len(draws) == 1:
        return Estimate(mean, None, total, len(worlds))
    freedom, error = len(draws) - 1, stdev(draws) / len(draws) ** 0.5
    half_width = quantile(freedom, (1 + CONFIDENCE) / 2) * error
    return Estimate(mean, half_width, total, len(worlds), _p_value(mean, error, freedom))


def _p_value(mean: float, error: float, freedom: int) -> float:
    if not error:
        return 0.0 if mean else 1.0
    return two_sided(freedom, mean / error)
