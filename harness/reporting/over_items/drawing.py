"""The items of runs, drawn again together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.types import Benchmark
from harness.errors import HarnessError
from harness.evaluation.item_sums import ItemSums, read_item_sums, statistic
from harness.evaluation.scorecards import SCORECARD, read_scorecard
from harness.registry import load_benchmark
from harness.reporting.compare import Draw
from harness.reporting.over_items.run_items import RunItems, keep, kept_at, made_by, read_kept
from harness.statistics.bootstrap import bootstrap
from harness.statistics.clusters import Statistic
from harness.statistics.measure import Sampled

_SHOWN_PARTS = 4
"""Of a file's path in a message: run, `judgements`, judgement and file."""


class File(NamedTuple):
    """A file of items, its scorecard beside it, and when it was written."""

    path: Path
    stamp: int


@dataclass(frozen=True, eq=False)
class RowItems:
    """The same for a row of a table: its seeds together."""

    runs: Mapping[Draw, RunItems]
    """By world and seed; there is one at least."""

    @property
    def first(self) -> RunItems:
        """Its first run."""
        return next(iter(self.runs.values()))

    def of(self, draws: Iterable[Draw]) -> "RowItems":
        """Return the row over some of its worlds and seeds."""
        return RowItems({draw: self.runs[draw] for draw in draws})

    @property
    def clusters(self) -> int:
        """How many pictures there are."""
        return len(self.first.table.clusters)

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.first.ids)

    def metric(self, name: str) -> Sampled | None:
        """Return a metric over the seeds; None where one of them does not have it."""
        found = [run.metrics.get(name) for run in self.runs.values()]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        values = np.concatenate([one.values for one in known])
        return Sampled(values, np.concatenate([one.draws for one in known]))

    def is_over_the_items_of(self, other: "RowItems") -> bool:
        """Whether the same items were asked, of the same pictures."""
        return _asked(self.first) == _asked(other.first)


def row_items(
    benchmark: str, metrics: Sequence[str], rows: Mapping[str, Mapping[Draw, Path]]
) -> tuple[dict[str, RowItems], list[str]]:
    """Return the items of rows, and what is wrong with the files that have none.

    Args:
        benchmark: Its name.
        metrics: Which of its metrics are asked for.
        rows: By label, the files of items by world and seed.
    """
    files = tuple(_file(path) for paths in rows.values() for path in paths.values())
    found, faults = _drawn(benchmark, tuple(metrics), files)
    kept: dict[str, RowItems] = {}
    for label, paths in rows.items():
        runs = {draw: found[path] for draw, path in paths.items() if path in found}
        if runs and len(runs) == len(paths) and len(set(map(_asked, runs.values()))) == 1:
            kept[label] = RowItems(runs)
    return kept, list(faults)


def statistics_of(benchmark: str, metrics: Iterable[str]) -> list[Statistic]:
    """Return metrics of a benchmark as functions of sums."""
    loaded = load_benchmark(benchmark)
    return [statistic(loaded, name) for name in metrics]


def _file(path: Path) -> File:
    return File(path, path.stat().st_mtime_ns if path.is_file() else 0)


def _asked(run: RunItems) -> tuple[frozenset[str], tuple[str, ...]]:
    return run.ids, run.table.clusters


@lru_cache(maxsize=16)
def _drawn(
    benchmark: str, metrics: tuple[str, ...], files: tuple[File, ...]
) -> tuple[dict[Path, RunItems], tuple[str, ...]]:
    """Read and draw files of items, once while none of them changes: a call asks twice.

    What was made of a file before, by any call, is taken from the cache.
    """
    found: dict[Path, RunItems] = {}
    places: dict[Path, Path | None] = {}
    read: dict[Path, ItemSums] = {}
    faults: list[str] = []
    loaded, made = load_benchmark(benchmark), made_by(benchmark, metrics)
    for file in files:
        places[file.path] = kept_at(file.path, made)
        if (kept := read_kept(places[file.path])) is not None:
            found[file.path] = kept
            continue
        try:
            read[file.path] = _read(file.path, loaded)
        except HarnessError as error:
            short = "/".join(file.path.parts[-_SHOWN_PARTS:])
            faults.append(" ".join(str(error).split()).replace(str(file.path), short))
    together: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Path]] = {}
    for path, sums in read.items():
        named = tuple(name for name in metrics if name in sums.metrics)
        together.setdefault((sums.table.clusters, named), []).append(path)
    for (_, named), paths in together.items():
        drawn = _draw(loaded, named, {path: read[path] for path in paths})
        for path, items in drawn.items():
            keep(places[path], items)
        found |= drawn
    return found, tuple(dict.fromkeys(faults))


def _read(path: Path, benchmark: Benchmark[Any]) -> ItemSums:
    return read_item_sums(path, benchmark, read_scorecard(path.with_name(SCORECARD)))


def _draw(
    benchmark: Benchmark[Any], metrics: Sequence[str], read: Mapping[Path, ItemSums]
) -> dict[Path, RunItems]:
    """Draw runs over the same pictures, all with these metrics.

    The seed is always the same, and so are the pictures drawn: draws of all runs can be compared.
    """
    formulas = [statistic(benchmark, name) for name in metrics]
    tables = [sums.table for sums in read.values()]
    draws = bootstrap(tables, formulas)
    return {
        path: RunItems(
            sums.ids,
            sums.table,
            {
                name: Sampled(np.array([sums.table.value(formula)]), draws[line, place][np.newaxis])
                for line, (name, formula) in enumerate(zip(metrics, formulas, strict=True))
            },
        )
        for place, (path, sums) in enumerate(read.items())
    }
