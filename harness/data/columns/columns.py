"""Columns: numbers per pair that a method needs and that are computed once, before training."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from harness.data.columns.catalog import (
    GAP,
    column_named,
    computable,
    is_per_token,
    require_columns,
)
from harness.data.columns.column import Advance
from harness.data.columns.computing import compute, decided_by
from harness.data.columns.summary import Summary
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError
from harness.files.atomic import write_text, written
from harness.files.digests import digest_of
from harness.files.locks import FileLock
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

Columns = Mapping[str, Float[Tensor, " all_rows"]]


def ensure_columns(
    preferences: Preferences | Path | str,
    needed: frozenset[str],
    hardness: HardnessSpec,
    cache: Path,
    advance: Advance = lambda pairs: None,
    chat: ChatSettings | None = None,
) -> Path | None:
    """Return a parquet file of the needed columns, one row per pair, or None if there are none.

    A column in the preference data is taken as it is; others are computed. Beside the file stands
    `<name>.json`, the summary of clip_gap.

    Args:
        preferences: The pairs.
        needed: Names of columns.
        hardness: How clip_gap is computed.
        cache: Folder of everything that was computed.
        advance: Told how many more pairs are done; not called for a column that is there.
        chat: How to reach a language model that splits; None takes the environment's settings.

    Raises:
        MissingColumn: A column is neither there nor computable.
        DataError: Values given are no finite numbers, or pairs have no score.
    """
    if not needed:
        return None
    pairs = preferences if isinstance(preferences, Preferences) else Preferences(preferences)
    settings = ChatSettings() if chat is None else chat
    return columns_of(pairs, needed, hardness, cache, advance, settings)


def columns_of(
    pairs: Preferences,
    needed: frozenset[str],
    hardness: HardnessSpec,
    cache: Path,
    advance: Advance,
    chat: ChatSettings,
) -> Path:
    """Return the file of `ensure_columns` for one column at least."""
    require_columns(pairs, needed, "the method")
    given = needed & set(pairs.columns)
    file = column_file(pairs, needed, hardness, cache)
    if file.exists():
        return file

    def alone(name: str) -> tuple[list[float], Summary]:
        """Return a column that is kept in a file of its own, whatever it is needed beside."""
        if len(needed) == 1:
            return compute(name, pairs, hardness, cache, chat, advance)
        kept = columns_of(pairs, frozenset({name}), hardness, cache, advance, chat)
        values = pq.read_table(kept, columns=[name])[name].to_pylist()
        return values, summary_of(kept, name, values, {})

    computed = {name: alone(name) for name in sorted(needed - given)}
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            _write(file, pairs, sorted(given), computed)
    return file


def read_columns(file: Path, names: frozenset[str]) -> Columns:
    """Read columns in row order, float32, with the means that belong to them."""
    table = pq.read_table(file, columns=sorted(names))
    return with_means(
        {
            name: torch.tensor(table[name].to_numpy(), dtype=torch.float32)
            for name in table.column_names
        }
    )


def with_means(columns: Columns) -> Columns:
    """Add the constant columns that come with some: their means over the data set."""
    named = {
        name: mean
        for name in columns.keys() & computable().keys()
        if not is_per_token(name) and (mean := column_named(name).mean) is not None
    }
    means = {
        mean: columns[name].double().mean().float().expand(len(columns[name]))
        for name, mean in named.items()
    }
    return {**columns, **means}


def column_file(
    pairs: Preferences, needed: frozenset[str], hardness: HardnessSpec, cache: Path
) -> Path:
    """Return where columns of these pairs are kept, whether they are there or not."""
    given = needed & set(pairs.columns)
    parts: dict[str, Any] = {"data": pairs.digest, "needed": sorted(needed), "given": sorted(given)}
    for name in sorted(needed - given):
        parts |= decided_by(name, pairs.digest, hardness)
    return cache / "columns" / f"{digest_of(parts, 16)}.parquet"


def summary_file(column: Path) -> Path:
    """Return where the summary of the clip_gap in a file of columns is kept."""
    return column.with_suffix(".json")


def summary_of(
    file: Path, name: str, values: Sequence[float], origin: Mapping[str, str]
) -> Summary:
    """Return the summary of a column in a file of columns: clip_gap's is kept, others are made.

    Args:
        file: The file of columns.
        name: The column.
        values: Its numbers.
        origin: What decided them, where no summary is kept.
    """
    return Summary.read(summary_file(file)) if name == GAP else Summary.of(values, dict(origin))


def _write(
    file: Path,
    pairs: Preferences,
    given: list[str],
    computed: Mapping[str, tuple[list[float], Summary]],
) -> None:
    values = {name: _given(pairs, name) for name in given}
    values |= {name: numbers for name, (numbers, _) in computed.items()}
    if GAP in computed:
        _, summary = computed[GAP]
    elif GAP in values:
        summary = Summary.of(values[GAP], {"column of": str(pairs.source)})
    else:
        summary = None
    if summary is not None:
        write_text(summary_file(file), summary.model_dump_json(indent=2) + "\n")
    with written(file, one_writer=True) as partial:
        pq.write_table(pa.table(values), partial)


def _given(pairs: Preferences, name: str) -> list[float]:
    values: list[float] = []
    for row, value in enumerate(pairs.values(name)):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(
                f"{pairs.source}: column {name!r} must hold one number in every row, and row {row} "
                f"holds {value!r}. Repair it, or remove the column to have it computed."
            )
        values.append(number)
    return values
