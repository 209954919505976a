"""What a comparison of two judges finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A number and its 95 % interval by bootstrap over answers; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Agreement:
    """What one judge says beside another; in the benchmark's own points."""

    bias: Interval
    """Mean of the judge's grade less the other's."""
    error: Interval
    """Mean absolute difference of the grades of one answer."""
    rank: Interval
    """Spearman's correlation of the grades."""
    verdicts: Interval
    """Share of the answers that both call hallucinated, or neither; of what has such a verdict."""
