"""The numbers that others are held against: rows of tables as `reproduce` and `compare` write."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from harness.console import visible
from harness.errors import ConfigError, DataError, in_words
from harness.reporting.writers.records import Record

MEASURED = ("official", "careful")
"""Kinds of rows that are a number of one run."""
SETTING = ("judge", "protocol", "data")
"""Columns that two numbers must share to be compared."""
_COLUMNS = [field.name for field in fields(Record)]


class RunName(NamedTuple):
    """What names a run in a table."""

    method: str
    variant: str
    size: str
    seed: str
    world: str

    def __str__(self) -> str:
        """Return such as `dama released, tiny, seed 0, world 1`."""
        words = " ".join(filter(None, (self.method, self.variant)))
        return f"{words}, {self.size}, seed {self.seed}, world {self.world}"


class Number(NamedTuple):
    """What names a number in a table."""

    run: RunName
    benchmark: str
    metric: str
    kind: str


@dataclass(frozen=True)
class Reference:
    """The numbers of one table, or of a folder of tables."""

    place: Path
    records: Mapping[Number, tuple[Record, ...]]
    """Of one number, the rows of several judges, protocols or data."""

    @property
    def runs(self) -> dict[RunName, None]:
        """The runs that are in it, in its order."""
        return dict.fromkeys(number.run for number in self.records)

    def like(self, record: Record) -> Record | None:
        """Return the row of a number, of the same setting if there is one; None where none is."""
        rows = self.records.get(number_of(record), ())
        same = [row for row in rows if setting_of(row) == setting_of(record)]
        return next(iter(same or rows), None)


def number_of(record: Record) -> Number:
    """Return what names the number of a row."""
    run = RunName(record.method, record.variant, record.size, record.seed, record.world)
    return Number(run, record.benchmark, record.metric, record.kind)


def setting_of(record: Record) -> tuple[str, ...]:
    """Return under what the number of a row was measured."""
    return tuple(getattr(record, name) for name in SETTING)


def read_reference(place: Path) -> Reference:
    """Read a CSV of numbers, or all that a folder holds.

    Raises:
        ConfigError: There is no table.
        DataError: One is damaged, or two give one number two values.
    """
    found: dict[Number, dict[tuple[str, ...], Record]] = {}
    for file in files_of(place):
        for record in map(of_own_world, read_table(file)):
            if record.kind not in MEASURED:
                continue
            number = number_of(record)
            kept = found.setdefault(number, {}).setdefault(setting_of(record), record)
            if kept.value != record.value:
                raise DataError(
                    f"{place}: {visible(str(number.run))}: {number.benchmark} {number.metric} is "
                    f"{kept.value} in one table and {record.value} in {file.name}. Take the one "
                    "away that is out of date, or name a single file."
                )
            if record.low and not kept.low:
                found[number][setting_of(record)] = record
    return Reference(place, {number: tuple(rows.values()) for number, rows in found.items()})


def files_of(place: Path) -> list[Path]:
    """Return the tables of a place.

    Raises:
        ConfigError: There is none.
    """
    files = sorted(place.glob("*.csv")) if place.is_dir() else [place]
    if not files or not files[0].is_file():
        raise ConfigError(
            f"{place}: no table to hold numbers against. Name a CSV or a folder of them with "
            "--against; `compare RUN... --format csv --to FILE` writes one."
        )
    return files


def read_table(file: Path) -> list[Record]:
    """Read the rows of a CSV.

    Raises:
        DataError: It is not such a table.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return [_record(row) for row in csv.DictReader(stream)]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"{file} is not a table of numbers as `reproduce` and `compare --format csv` write "
            f"it ({in_words(error)})."
        ) from error


def _record(row: Mapping[str, str]) -> Record:
    """Return a row; one of an older version may lack columns that say nothing of a number."""
    record = Record(**{name: row[name] for name in _COLUMNS if row.get(name) is not None})
    for name in ("value", "low", "high"):
        float(getattr(record, name) or 0)
    return record


def of_own_world(record: Record) -> Record:
    """Return the row with the data of its own world, where a table over several names all."""
    found = re.search(rf"(?:^|, )(\S+) \(world {re.escape(record.world)}\)", record.data)
    return record if found is None else replace(record, data=found[1])


def runs_in(records: Iterable[Record]) -> dict[RunName, None]:
    """Return the runs of rows, in their order."""
    return dict.fromkeys(number_of(record).run for record in records)
