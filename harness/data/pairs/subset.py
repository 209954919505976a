"""Which rows of a data set are meant: those whose `origin_split` has certain values."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from harness.data.pairs.store import StoredPairs
from harness.errors import DataError, MissingColumn
from harness.settings.counts import bounds

FIELD = "origin_split"
ANY = "*"
"""In a value: any text, also none. A value that holds it is compared without letter case."""
_ALL = "--set 'data.where={}' --set data.expected_pairs=null (or no --where)"
_SHOWN = 8
_DISTINCT = 1 << 16

RowNumbers = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """The rows that were selected, and how that went."""

    rows: Sequence[int]
    said: str
    """`22,013 of 83,132 rows have origin_split model='a'`, and which values there are."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What selects the same rows without a pattern; several values of a name parted by a zero."""


def select(source: str, stored: StoredPairs, where: Mapping[str, str]) -> Selection:
    """Return the rows whose JSON object in `origin_split` has all the values, in their order.

    Values are compared as text, and one that holds `*` is a pattern.

    Raises:
        MissingColumn: There is no `origin_split`.
        DataError: No row has the values.
    """
    if not where:
        return Selection(range(len(stored)), f"{len(stored):,} rows")
    if FIELD not in stored.schema.names:
        raise MissingColumn(
            f"{source}: no column {FIELD!r}, which data.where selects rows by. Take all rows with "
            f"{_ALL}, or add the column."
        )
    found = _find(stored, where)
    rows, occurring = np.flatnonzero(found.chosen), found.occurring
    wanted = ", ".join(f"{name}={value!r}" for name, value in where.items())
    said = f"{len(rows):,} of {len(stored):,} rows have {FIELD} {wanted}"
    if not len(rows):
        raise DataError(
            f"{source}: {said}. {_listed(occurring)}.{_other_names(stored, occurring)} Name what "
            f"marks your rows with --set 'data.where={{NAME: VALUE}}' or --where NAME=VALUE ({ANY} "
            f"stands for any text), or take all rows with {_ALL}."
        )
    values = {name: "\0".join(sorted(texts)) for name, texts in found.matched.items()}
    return Selection(Rows(rows), f"{said}. {_listed(occurring)}", values)


@dataclass(frozen=True)
class _Found:
    chosen: NDArray[np.bool_]
    occurring: Mapping[str, Counter[str]]
    """Values of all rows by name; empty where a row lacks the name."""
    matched: Mapping[str, set[str]]
    """Values of the chosen rows by name."""


def _find(stored: StoredPairs, where: Mapping[str, str]) -> _Found:
    parsed = lru_cache(maxsize=_DISTINCT)(origin_fields)
    fits = {name: _matcher(value) for name, value in where.items()}
    found = _Found(
        np.zeros(len(stored), dtype=bool),
        {name: Counter() for name in where},
        {name: set() for name in where},
    )
    for row, text in enumerate(stored.values(FIELD)):
        fields = parsed(text)
        for name in where:
            found.occurring[name][fields.get(name, "")] += 1
        if all(name in fields and fit(fields[name]) for name, fit in fits.items()):
            found.chosen[row] = True
            for name in where:
                found.matched[name].add(fields[name])
    return found


def check_count(source: str, selection: Selection, expected: int | str | None) -> None:
    """Compare the number of selected rows with the expected one.

    Raises:
        DataError: It is another, or outside the range.
    """
    if expected is None:
        return
    found, (least, most) = len(selection.rows), bounds(expected)
    if not least <= found <= most:
        wanted = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise DataError(
            f"{source}: {found:,} rows instead of the {wanted} that data.expected_pairs says: "
            f"{selection.said}. Correct data.where or data.expected_pairs (null: any number), or "
            "get the version of the data that has them."
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


def origin_fields(text: str | None) -> Mapping[str, str]:
    """Return what the JSON object of an `origin_split` says, as texts; nothing where it is none."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _matcher(value: str) -> Callable[[str], object]:
    """Return what tells whether a text is the value, or fits the pattern that the value is."""
    if ANY not in value:
        return value.__eq__
    pattern = ".*".join(map(re.escape, value.split(ANY)))
    return re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch


def _listed(occurring: Mapping[str, Counter[str]]) -> str:
    return "; ".join(f"values of {name} are {_counted(found)}" for name, found in occurring.items())


def _counted(found: Counter[str]) -> str:
    shown = ", ".join(f"{value!r} ({count:,})" for value, count in found.most_common(_SHOWN))
    return shown + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _other_names(stored: StoredPairs, occurring: Mapping[str, Counter[str]]) -> str:
    """Say what stands in the column instead, where a name that was asked for is in no row."""
    absent = [name for name, found in occurring.items() if found.keys() == {""}]
    if not absent:
        return ""
    texts = Counter(text or "" for text in stored.values(FIELD))
    others: dict[str, Counter[str]] = {}
    for text, count in texts.items():
        for name, value in origin_fields(text).items():
            others.setdefault(name, Counter())[value] += count
    said = f" No row has a name {', '.join(map(repr, absent))} there: "
    return said + (f"{_listed(others)}." if others else f"its texts are {_counted(texts)}.")
