"""Parquet in RLAIF-V's layout, or the data's own parquet with a column more."""

from pathlib import Path

from harness.data.pairs.export import write_pairs
from harness.data.pairs.preferences import Preferences
from harness.data.writers.columns import Columns


def write_parquet(pairs: Preferences, computed: Columns, target: Path) -> None:
    """Write `question`, `chosen`, `rejected`, `image` and the columns to a parquet file.

    Raises:
        DataError: A pair has earlier turns, for which there is no column.
    """
    write_pairs(pairs, computed, target)
