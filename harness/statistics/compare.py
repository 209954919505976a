"""Whether two rows differ: on the same items, and over a whole table."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from harness.statistics.bootstrap import BLOCK, DRAWS
from harness.statistics.clusters import Clustered, Floats, Statistic
from harness.statistics.measure import Measured
from harness.statistics.student import two_sided

LEVEL = 0.05
"""A difference with a smaller p-value is shown."""
_TIE = 1e-9
"""Differences that rounding alone tells apart count as equal."""


def permutation(
    first: Clustered, second: Clustered, statistics: Sequence[Statistic], seed: int = 0
) -> list[float]:
    """Return the two-sided p-value of the difference of every statistic, paired by cluster.

    Whatever the two rows said about a picture changes sides together. All ways to do so are tried
    where there are no more than `DRAWS`; else so many by chance, and what was seen counts as one.

    Raises:
        ValueError: The two have other clusters or names.
    """
    if first.clusters != second.clusters:
        raise ValueError("only rows of the same clusters can be paired")
    names = tuple(dict.fromkeys((*first.names, *second.names)))
    left, right = _named(first, names), _named(second, names)
    table = Clustered(first.clusters, names, left)
    count = len(first.clusters)
    exact = 2**count <= DRAWS
    moved = left - right
    as_extreme = np.zeros(len(statistics))
    tried = 0
    seen = [_gap(table, left.sum(axis=0), right.sum(axis=0), one) for one in statistics]
    ways = _ways(count, exact, seed)
    for start in range(0, len(ways), BLOCK):
        swapped = ways[start : start + BLOCK]
        change = swapped.astype(np.float64) @ moved
        tried += len(swapped)
        for place, statistic in enumerate(statistics):
            gaps = _gap(table, left.sum(axis=0) - change, right.sum(axis=0) + change, statistic)
            # A way without a number counts as one that differs as much: never in favour.
            extreme = ~(np.abs(gaps) < np.abs(seen[place]) - _TIE)
            as_extreme[place] += extreme.sum()
    extra = 0 if exact else 1
    return [float((hits + extra) / (tried + extra)) for hits in as_extreme]


def _named(table: Clustered, names: Sequence[str]) -> Floats:
    """Return sums with a column for each of the names."""
    columns = table.columns(table.sums)
    nothing = np.zeros(len(table.clusters))
    return np.stack([columns.get(name, nothing) for name in names], axis=1)


@lru_cache(maxsize=4)
def _ways(count: int, exact: bool, seed: int) -> NDArray[np.bool_]:
    """Return which clusters change sides, of shape [ways, clusters]; tables ask again."""
    if exact:
        return np.array(list(product((False, True), repeat=count)))
    rng = np.random.default_rng(seed)
    blocks = [rng.integers(0, 2, (BLOCK, count)) == 1 for _ in range(DRAWS // BLOCK)]
    return np.concatenate(blocks)


def _gap(table: Clustered, left: Floats, right: Floats, statistic: Statistic) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(statistic(table.columns(left)) - statistic(table.columns(right)))


def student(measured: Measured) -> float:
    """Return the two-sided p-value of a difference by its standard error over items and seeds."""
    if not measured.error:
        return 1.0 if measured.value == 0 else 0.0
    return two_sided(measured.degrees, measured.value / measured.error)


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all of them together (Holm, 1979), in the same order."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted
