"""Which rows of a data set are meant: those whose `origin_split` has certain values."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from harness.data.pairs.store import StoredPairs
from harness.errors import DataError, MissingColumn

FIELD = "origin_split"
_SHOWN = 8
_DISTINCT = 1 << 16

RowNumbers = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """The rows that were selected, and how that went."""

    rows: Sequence[int]
    said: str
    """`22,013 of 83,132 rows have origin_split model='a'`, and which values there are."""


def select(source: str, stored: StoredPairs, where: Mapping[str, str]) -> Selection:
    """Return the rows whose JSON object in `origin_split` has all the values, in their order.

    Values are compared as text.

    Raises:
        MissingColumn: There is no `origin_split`.
        DataError: No row has the values.
    """
    if not where:
        return Selection(range(len(stored)), f"{len(stored):,} rows")
    if FIELD not in stored.schema.names:
        raise MissingColumn(f"{source}: no column {FIELD!r}, which data.where selects rows by.")
    parsed = lru_cache(maxsize=_DISTINCT)(_fields)
    occurring: dict[str, Counter[str]] = {name: Counter() for name in where}
    chosen = np.zeros(len(stored), dtype=bool)
    for row, text in enumerate(stored.values(FIELD)):
        fields = parsed(text)
        for name in where:
            occurring[name][fields.get(name, "")] += 1
        chosen[row] = all(fields.get(name) == value for name, value in where.items())
    rows = np.flatnonzero(chosen)
    wanted = ", ".join(f"{name}={value!r}" for name, value in where.items())
    said = f"{len(rows):,} of {len(stored):,} rows have {FIELD} {wanted}"
    if not len(rows):
        raise DataError(f"{source}: {said}. {_listed(occurring)}. Correct data.where.")
    return Selection(Rows(rows), f"{said}. {_listed(occurring)}")


def check_count(source: str, selection: Selection, expected: int | None) -> None:
    """Compare the number of selected rows with the expected one.

    Raises:
        DataError: They differ.
    """
    found = len(selection.rows)
    if expected is not None and found != expected:
        raise DataError(
            f"{source}: {found:,} rows instead of the {expected:,} that data.expected_pairs says: "
            f"{selection.said}. Correct data.where or data.expected_pairs, or get the version of "
            "the data that has them."
        )


class Rows(Sequence[int]):
    """Row numbers in eight bytes each."""

    def __init__(self, rows: RowNumbers) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> "Rows": ...
    def __getitem__(self, at: int | slice) -> "int | Rows":
        return Rows(self._rows[at]) if isinstance(at, slice) else int(self._rows[at])


def rows_without(rows: Sequence[int], places: Sequence[int]) -> Rows:
    """Return row numbers without those at some places."""
    return Rows(np.delete(np.fromiter(rows, dtype=np.int64, count=len(rows)), places))


def _fields(text: str | None) -> Mapping[str, str]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _listed(occurring: Mapping[str, Counter[str]]) -> str:
    return "; ".join(
        f"values of {name} are "
        + ", ".join(f"{value!r} ({count:,})" for value, count in counts.most_common(_SHOWN))
        + (f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else "")
        for name, counts in occurring.items()
    )
