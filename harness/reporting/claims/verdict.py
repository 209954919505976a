"""From an interval to a verdict, and what it would take where there is none."""

import math
from statistics import NormalDist
from typing import Literal

from harness.reporting.claims.quantities import Asked
from harness.reporting.over_items.drawing import RowItems
from harness.settings.claims import Claim
from harness.statistics.measure import CONFIDENCE, POWER, Measured

Verdict = Literal["supported", "not supported", "cannot be told", "not comparable"]
SUPPORTED: Verdict = "supported"
NOT_SUPPORTED: Verdict = "not supported"
CANNOT_BE_TOLD: Verdict = "cannot be told"
NOT_COMPARABLE: Verdict = "not comparable"

_SURE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_FOUND = NormalDist().inv_cdf(POWER)


def verdict_of(claim: Claim, asked: Asked, found: Measured) -> Verdict:
    """Return what an interval says of a claim.

    A direction is supported if the whole interval lies above what must be exceeded, and not
    supported if the whole lies below. A number is not supported if the interval lies on its worse
    side; it is supported if the interval holds it and is as narrow as the claim asks, or lies on
    its better side.
    """
    if found.low is None or found.high is None:
        return CANNOT_BE_TOLD
    if asked.threshold is not None:
        if found.low > asked.threshold:
            return SUPPORTED
        return NOT_SUPPORTED if found.high < asked.threshold else CANNOT_BE_TOLD
    number = asked.number or 0.0
    if found.high < number:
        return NOT_SUPPORTED
    narrow = (found.high - found.low) / 2 <= (claim.within or math.inf)
    return SUPPORTED if found.low > number or narrow else CANNOT_BE_TOLD


def enough(claim: Claim, asked: Asked, found: Measured, row: RowItems) -> str:
    """Say how many pictures or seeds would do, if what was measured is the truth."""
    if not found.error:
        return "no item tells the rows apart"
    if asked.threshold is not None:
        allowed = abs(found.value - asked.threshold) / (_SURE + _FOUND)
    else:
        allowed = (claim.within or math.inf) / _SURE
    variance, seeds = allowed**2, len(row.runs)
    if found.items_variance < variance and found.seeds_variance:
        count = math.ceil(seeds * found.seeds_variance / (variance - found.items_variance))
        return f"the interval is too wide; about {max(count, seeds + 1)} seeds would do"
    if found.seeds_variance < variance and _pictures(found, variance, row) < 1e6:
        count = _pictures(found, variance, row)
        return (
            f"the interval is too wide; about {count:,} pictures like these {row.clusters:,} would "
            "do"
        )
    return "the interval is too wide, and no number of seeds or pictures alone would do"


def _pictures(found: Measured, variance: float, row: RowItems) -> int:
    """Return how many pictures bring the error down to a variance, in two digits."""
    if variance <= found.seeds_variance:
        return int(1e9)
    count = row.clusters * found.items_variance / (variance - found.seeds_variance)
    digits: int = 10 ** max(0, int(math.log10(max(count, 1))) - 1)
    return max(math.ceil(count / digits) * digits, row.clusters + 1)
