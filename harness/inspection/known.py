"""What is known of the hardness of pairs without computing anything."""

from dataclasses import dataclass

import pyarrow.parquet as pq

from harness.data.columns.catalog import GAP
from harness.data.columns.columns import column_file, columns_of, summary_file
from harness.data.columns.score_shards import ScoredPair, Shards
from harness.data.columns.summary import Summary, data_factor
from harness.data.pairs.preferences import Preferences
from harness.files.cache import cache_dir
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

_NEEDED = frozenset({GAP})


@dataclass(frozen=True)
class Known:
    """clip_gap of all pairs, and its summary."""

    gaps: list[float]
    summary: Summary

    def factor(self, row: int) -> float:
        """Return alpha_D of a pair."""
        return data_factor(self.gaps[row], self.summary.mean)


def known_hardness(pairs: Preferences, hardness: HardnessSpec) -> Known | None:
    """Return the column from the data or the cache; None if it must be computed first."""
    file = column_file(pairs, _NEEDED, hardness, cache_dir())
    if GAP in pairs.columns:
        columns_of(pairs, _NEEDED, hardness, cache_dir(), lambda rows: None, ChatSettings())
    if not file.exists():
        return None
    gaps = pq.read_table(file, columns=[GAP])[GAP].to_pylist()
    return Known(gaps, Summary.read(summary_file(file)))


def known_scores(pairs: Preferences, hardness: HardnessSpec, row: int) -> ScoredPair | None:
    """Return a pair's sub-sentences with their cosines, or None if they are not computed."""
    if GAP in pairs.columns:
        return None
    return Shards.of(pairs.digest, len(pairs), hardness, cache_dir()).pair(row)
