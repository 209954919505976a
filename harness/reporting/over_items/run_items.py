"""The items of one run as sums and draws of them, kept in the cache while nothing of them changes.

To read the items of sixty runs and to draw them anew takes a minute, and to read what is kept one
or two seconds.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.evaluation.scorecards import SCORECARD
from harness.files.atomic import written
from harness.files.cache import cache_dir
from harness.files.digests import digest_of, file_digest
from harness.files.sources import source_digest
from harness.registry import benchmark_module
from harness.statistics.bootstrap import DRAWS
from harness.statistics.clusters import Clustered
from harness.statistics.measure import Sampled

_CODE = (
    "harness.evaluation.item_sums",
    "harness.statistics.bootstrap",
    "harness.statistics.clusters",
    __name__,
)
"""What makes the sums and the draws, besides the benchmark."""
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class RunItems:
    """The items of one run, and its metrics over draws of them."""

    ids: frozenset[str]
    table: Clustered
    metrics: Mapping[str, Sampled]
    """Those that the items give exactly; of one seed."""


def made_by(benchmark: str, metrics: Sequence[str]) -> str:
    """Return what decides sums and draws besides the items: metrics and code, as a hash."""
    code = [source_digest(one) for one in (benchmark_module(benchmark), *_CODE)]
    return digest_of([benchmark, list(metrics), code, DRAWS])


def kept_at(items: Path, made: str) -> Path | None:
    """Return where what is made of a file of items is kept, by the content of all that decides it.

    None where there is no such file, or no cache. `made` is of `made_by`.
    """
    try:
        contents = [file_digest(one) for one in (items, items.with_name(SCORECARD))]
        folder = cache_dir() / "items"
    except (OSError, ConfigError):
        return None
    return folder / f"{digest_of([*contents, made])[:32]}.npz"


def read_kept(file: Path | None) -> RunItems | None:
    """Return what is kept in a file; None where it is not there or damaged."""
    if file is None or not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as kept:
            words = json.loads(kept["words"].tobytes())
            table = Clustered(tuple(words["clusters"]), tuple(words["names"]), kept["sums"])
            values, draws = kept["values"], kept["draws"]
        metrics = {
            name: Sampled(values[place : place + 1], draws[place : place + 1])
            for place, name in enumerate(words["metrics"])
        }
        return RunItems(frozenset(words["ids"]), table, metrics)
    except _UNREADABLE:
        return None


def keep(file: Path | None, items: RunItems) -> None:
    """Keep what was made of a file of items; without room for it, it is made again next time."""
    if file is None:
        return
    words = {
        "ids": sorted(items.ids),
        "clusters": items.table.clusters,
        "names": items.table.names,
        "metrics": list(items.metrics),
    }
    arrays = {
        "words": np.frombuffer(json.dumps(words).encode(), np.uint8),
        "sums": items.table.sums,
        "values": _joined([one.values for one in items.metrics.values()], (0,)),
        "draws": _joined([one.draws for one in items.metrics.values()], (0, DRAWS)),
    }
    with suppress(OSError), written(file) as part, part.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # arrays by name


def _joined(parts: Sequence[NDArray[Any]], empty: tuple[int, ...]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(empty)
