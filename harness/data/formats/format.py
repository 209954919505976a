"""A format of preference data, and what is known of a data set when its format is looked for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.data.formats.pair import RawPair

TABLES = ("parquet", "arrow")
"""Kinds of files that name their columns."""


@dataclass(frozen=True)
class Fields:
    """The fields of a data set."""

    kinds: Mapping[str, frozenset[str]]
    """What values a field has in any row: `number`, `text`, `list`, `object` or `other`."""
    file: str
    """The kind of the files: parquet, arrow, json, jsonl, csv or tar."""

    def have(self, *names: str) -> bool:
        """Say whether there are all of these fields."""
        return all(name in self.kinds for name in names)

    def any(self, *names: str) -> bool:
        """Say whether there is one of these fields."""
        return any(name in self.kinds for name in names)

    def hold(self, kind: str, *names: str) -> bool:
        """Say whether all of these fields have values of a kind."""
        return all(kind in self.kinds.get(name, ()) for name in names)


@dataclass(frozen=True)
class Format:
    """How pairs stand in rows."""

    name: str
    told: str
    """What it is, in a few words."""
    fits: Callable[[Fields], bool]
    pairs: Callable[[Mapping[str, Any]], Iterable[RawPair]]
    """Makes the pairs of a row; raises `RowFault` where it has none that can be used."""
    consumed: frozenset[str] = frozenset()
    """Fields that are not kept as columns, besides those of every format."""
    identity: str = "idx"
    """The field that is the pair's id."""
