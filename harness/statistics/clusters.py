"""What items add up to, cluster by cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Mapping[str, Floats]], Floats]
"""From sums by name to a number; of arrays, one number for each place."""


@dataclass(frozen=True, eq=False)
class Clustered:
    """The sums of the items of each cluster."""

    clusters: tuple[str, ...]
    """Sorted, so that two of the same clusters lie alike."""
    names: tuple[str, ...]
    sums: Floats
    """Of shape [clusters, names]."""

    def columns(self, totals: Floats) -> dict[str, Floats]:
        """Return totals of shape [..., names] by name."""
        return {name: totals[..., place] for place, name in enumerate(self.names)}

    def value(self, statistic: Statistic) -> float:
        """Return a statistic of all clusters, each once."""
        return float(statistic(self.columns(self.sums.sum(axis=0))))


def clustered(items: Sequence[Mapping[str, float]], clusters: Sequence[str]) -> Clustered:
    """Add up items by cluster.

    Args:
        items: What each adds, by name; a name that an item lacks gets nothing from it.
        clusters: The cluster of each.

    Raises:
        ValueError: There is no item.
    """
    if not items:
        raise ValueError("no items to add up")
    names = tuple(dict.fromkeys(name for item in items for name in item))
    order = tuple(sorted(set(clusters)))
    columns = {name: place for place, name in enumerate(names)}
    rows = {cluster: place for place, cluster in enumerate(order)}
    sums = np.zeros((len(order), len(names)))
    for item, cluster in zip(items, clusters, strict=True):
        row = sums[rows[cluster]]
        for name, value in item.items():
            row[columns[name]] += value
    return Clustered(order, names, sums)
