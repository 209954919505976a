"""What is measured for a claim: numbers that are larger where the method is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.types import Metric
from harness.settings.claims import Claim


@dataclass(frozen=True)
class Asked:
    """A quantity of one row or two, and what it is held against."""

    measure: Callable[..., Any]
    """Of the row, and of `than` where the claim names one."""
    threshold: float | None
    """Of a direction: what the quantity must exceed."""
    number: float | None
    """What the paper states, on the scale of the quantity."""
    sign: int
    """-1 where the quantity is a number of which less is better, so that it is turned round."""


def asked_of(claim: Claim, metric: Metric, name: str) -> Asked:
    """Return what a claim asks of one metric, `name` as it stands in the claim."""
    sign = 1 if metric.higher_is_better else -1
    number = claim.numbers.get(name)
    if claim.quantity == "better":
        return Asked(lambda row, than: sign * (row - than), -claim.margin, None, 1)
    if claim.quantity == "reduction":
        return Asked(lambda row, than: 100 * sign * (row - than) / than, None, number, 1)
    if claim.quantity == "free":
        return Asked(lambda row: 100 - row, None, number, 1)
    if claim.quantity == "beyond":
        return Asked(lambda row: sign * (row - (number or 0.0)), 0.0, None, 1)
    return Asked(lambda row: sign * row, None, None if number is None else sign * number, sign)
