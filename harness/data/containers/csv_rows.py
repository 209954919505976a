"""Files of comma- or tab-separated values, whose first line names the fields."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.data.containers.compressed import DAMAGED, opened
from harness.data.containers.record import Record
from harness.errors import DataError

_MOST_CHARACTERS = 1 << 28
"""Of a cell, which may hold an image in base64."""


def csv_rows(file: Path) -> Iterator[Record]:
    """Yield the rows of a file.

    A cell without text is missing; one that is a JSON list or object is read as such.
    """
    csv.field_size_limit(_MOST_CHARACTERS)
    row = 0
    with (
        opened(file) as stream,
        io.TextIOWrapper(
            stream, encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as lines,
    ):
        try:
            reader = csv.DictReader(lines, delimiter=delimiter(file), strict=True)
            for values in reader:
                yield _record(row, values)
                row += 1
        except (*DAMAGED, csv.Error) as error:
            raise DataError(
                f"{file}: cut off or damaged after row {row} ({error}). Fetch or write it again."
            ) from error


def delimiter(file: Path) -> str:
    """Return what parts the values of a file."""
    return "\t" if ".tsv" in file.suffixes else ","


def _record(row: int, values: dict[Any, Any]) -> Record:
    if None in values:
        return Record(row, fault=f"{len(values[None])} more values than the first line has names")
    return Record(row, {name: _value(text) for name, text in values.items()})


def _value(text: str | None) -> Any:
    if not text:
        return None
    if text[0] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
