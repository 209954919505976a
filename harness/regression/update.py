"""Write what moved into the tables that others are held against."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.files.atomic import write_text
from harness.regression.reference import (
    MEASURED,
    Number,
    files_of,
    number_of,
    of_own_world,
    read_table,
    setting_of,
)
from harness.reporting.writers.records import DIFFERENCE, Record, csv_text


def update(place: Path, records: Sequence[Record]) -> list[Path]:
    """Replace the rows of runs in every table that holds them; return the files that changed.

    What a table says of differences from a row that changed is taken out of it: it would need the
    items of both.
    """
    new = {number_of(record): record for record in records}
    written = []
    for file in files_of(place):
        rows = read_table(file)
        kept = _updated(rows, new)
        if kept != rows:
            write_text(file, csv_text(kept))
            written.append(file)
    return written


def _updated(rows: Sequence[Record], new: Mapping[Number, Record]) -> list[Record]:
    """Return the rows of one table with those of its runs replaced."""
    held = {number_of(row).run for row in rows if row.kind in MEASURED}
    kept: list[Record] = []
    changed: set[tuple[str, str]] = set()
    seen: set[Number] = set()
    runs = {number.run for number in new}
    for row in rows:
        number = number_of(row)
        if row.kind not in MEASURED or number.run not in runs:
            kept.append(row)
            continue
        seen.add(number)
        own = new.get(number)
        if own is not None and _says(own) == _says(row):
            kept.append(row)
            continue
        changed.add((row.method, row.variant))
        if own is not None:
            kept.append(_in_the_words_of(row, own))
    added = [one for number, one in new.items() if number.run in held and number not in seen]
    changed |= {(one.method, one.variant) for one in added}
    kept += added
    rests = {method for method, _ in changed}
    return [
        row
        for row in kept
        if row.kind != DIFFERENCE
        or ((row.method, row.variant) not in changed and row.against.split()[0] not in rests)
    ]


def _says(record: Record) -> tuple[str, ...]:
    """Return what a row says of its number; an interval is not part of it."""
    own = of_own_world(record)
    counts = (own.samples, own.scored, own.unscored, own.empty)
    return (str(float(own.value)), *setting_of(own), *counts)


def _in_the_words_of(row: Record, own: Record) -> Record:
    """Return the new row; in a table over several worlds its data stands among those of others."""
    before = of_own_world(row).data
    return replace(own, data=row.data.replace(before, own.data))
