"""Clusters drawn again with replacement, and a statistic of every draw."""

from collections.abc import Sequence

import numpy as np

from harness.statistics.clusters import Clustered, Floats, Statistic

DRAWS = 10_000
BLOCK = 1000
"""Draws whose weights are in memory together: 8 MB for a thousand clusters."""


def bootstrap(
    tables: Sequence[Clustered],
    statistics: Sequence[Statistic],
    draws: int = DRAWS,
    seed: int = 0,
) -> Floats:
    """Return every statistic of every table for draws of clusters.

    The same clusters are drawn for all tables, so that their numbers can be compared draw by draw.
    Where a draw has nothing to divide by, its number is nan.

    Args:
        tables: Sums over the same clusters.
        statistics: What is computed of them.
        draws: How often clusters are drawn.
        seed: Of the draws.

    Returns:
        Of shape [statistics, tables, draws].

    Raises:
        ValueError: The tables have other clusters than one another, or there is none.
    """
    if len({table.clusters for table in tables}) != 1:
        raise ValueError("only tables of the same clusters can be drawn together")
    count = len(tables[0].clusters)
    rng = np.random.default_rng(seed)
    found = np.empty((len(statistics), len(tables), draws))
    for start in range(0, draws, BLOCK):
        size = min(BLOCK, draws - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size).astype(np.float64)
        for place, table in enumerate(tables):
            totals = table.columns(weights @ table.sums)
            for line, statistic in enumerate(statistics):
                with np.errstate(divide="ignore", invalid="ignore"):
                    found[line, place, start : start + size] = statistic(totals)
    return found
