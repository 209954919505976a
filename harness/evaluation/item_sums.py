"""What the stored items of a judgement add up to: the numbers of its scorecard, made anew."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Scorecard, Sums, unrounded
from harness.errors import DataError, in_words
from harness.files.jsonlines import JsonLines, Row
from harness.statistics.clusters import Clustered, Statistic, clustered

PICTURE = "picture"
"""Key of a stored item: what tells its picture from others."""


@dataclass(frozen=True, eq=False)
class ItemSums:
    """The items of one judgement, as sums."""

    ids: frozenset[str]
    pictures: tuple[str, ...]
    """Of each item."""
    added: tuple[Mapping[str, float], ...]
    """What each item adds."""
    metrics: frozenset[str]
    """Numbers of the scorecard that come out of these sums to the last digit."""

    @cached_property
    def table(self) -> Clustered:
        """The sums of each picture."""
        return clustered(self.added, self.pictures)


def read_item_sums(file: Path, benchmark: Benchmark[Any], card: Scorecard) -> ItemSums:
    """Read the stored items of a judgement as the published script counts them.

    Raises:
        DataError: There are none, one is damaged or names no picture, or the benchmark does not say
            what its metrics are made of.
    """
    if benchmark.sums is None:
        raise DataError(
            f"benchmark '{benchmark.name}' does not say of which sums its metrics are made (`sums`)"
        )
    if not file.is_file():
        raise DataError(f"{file}: no such file. `judge` scores the answers anew.")
    try:
        rows = JsonLines(file).read()
        scores = [_counted(benchmark, benchmark.sums, row) for row in rows]
        added = tuple(map(benchmark.sums.of, scores))
        ids = frozenset(str(row["id"]) for row in rows)
        pictures = tuple(str(row.get(PICTURE) or "") for row in rows)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} cannot be read as items ({in_words(error)})") from error
    if not rows or not all(pictures):
        raise DataError(f"{file} does not say which picture each item has")
    return ItemSums(ids, pictures, added, _equal(benchmark.sums, scores, card))


def statistic(benchmark: Benchmark[Any], metric: str) -> Statistic:
    """Return a metric as a function of sums, without the rounding of the published script.

    Raises:
        ValueError: The benchmark does not say what its metrics are made of.
    """
    if benchmark.sums is None:
        raise ValueError(f"{benchmark.name} has no sums")
    return partial(_metric, benchmark.sums, metric)


def _metric(sums: Sums[Any], metric: str, totals: Mapping[str, Any]) -> Any:
    return sums.metric(metric, totals, unrounded)


def _counted(benchmark: Benchmark[Any], sums: Sums[Any], row: Row) -> Any:
    """Return the score of an item; of an unscored one what the published script counts."""
    kept = row["score"] if "score" in row else row.get("counted_as")
    return benchmark.fallback if kept is None else sums.stored(kept)


def _equal(sums: Sums[Any], scores: Sequence[Any], card: Scorecard) -> frozenset[str]:
    """Return the finite numbers of a scorecard that the sums give exactly."""
    totals = sums.added(scores)
    names = [
        name
        for name, value in card.official.items()
        if name not in sums.without and math.isfinite(value)
    ]
    return frozenset(
        name for name in names if _made(sums, name, totals) == float(card.official[name])
    )


def _made(sums: Sums[Any], name: str, totals: Mapping[str, float]) -> float | None:
    try:
        return float(sums.metric(name, totals, round))
    except (LookupError, ZeroDivisionError):
        return None
