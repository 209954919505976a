"""Pairs of any format as one Arrow file in the cache, mapped into memory and read row by row."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.data.pairs.formats import (
    IMAGES,
    VERSION,
    Layout,
    fields_of_records,
    fields_of_schema,
    layout_of,
)
from harness.data.pairs.records import BATCH_ROWS, Kind, kind_of, parquet_schema, records_of
from harness.data.pairs.source import Source
from harness.errors import DataError
from harness.files.arrow import ArrowFile
from harness.files.atomic import written
from harness.files.cache import cache_dir
from harness.files.digests import content_digest
from harness.files.locks import FileLock

Advance = Callable[[int], object]
"""Told how many more rows are done."""

_FORMAT = b"format"


class StoredPairs(ArrowFile):
    """The rows of the Arrow file."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, BATCH_ROWS)

    @property
    def format(self) -> str:
        """The format that the rows came from."""
        return self.schema.metadata[_FORMAT].decode()  # type: ignore[no-any-return]

    def row(self, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Return some values of a row."""
        batch = self.batch(row // BATCH_ROWS)
        values = {name: batch.column(name)[row % BATCH_ROWS].as_py() for name in names}
        self.release(sum(len(value) for value in values.values() if isinstance(value, bytes | str)))
        return values

    def values(self, name: str) -> Iterator[Any]:
        """Yield one column, reading no other."""
        for number in range(self.batches):
            column = self.batch(number).column(name)
            yield from column.to_pylist()
            self.release(column.nbytes)

    def paths_without_bytes(self) -> Iterator[str]:
        """Yield the paths of the images whose bytes are in files of their own."""
        for number in range(self.batches):
            batch = self.batch(number)
            for image, path in IMAGES:
                if batch.column(image).null_count:
                    without = batch.filter(batch.column(image).is_null()).column(path)
                    yield from (name for name in without.to_pylist() if name)
                    self.release(without.nbytes)


def store_pairs(source: Source, advance: Advance = lambda rows: None) -> tuple[StoredPairs, str]:
    """Return the stored rows of a source and the digest of its files; convert them if need be.

    A conversion that was interrupted leaves nothing that counts: the next one starts again.

    Raises:
        DataError: A file is damaged, the files do not fit together, or there is no row.
        MissingColumn: They lack a column.
    """
    digest = content_digest(lambda: source.files)
    file = cache_dir() / "preferences" / f"{digest[:24]}-v{VERSION}.arrow"
    if not file.exists():  # no lock without need: where all is there, the cache may be read-only
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            if not file.exists():
                with written(file, one_writer=True) as partial:
                    _convert(source, partial, advance)
    return StoredPairs(file), digest


def _convert(source: Source, target: Path, advance: Advance) -> None:
    kinds = [kind_of(file) for file in source.files]
    layout = _common_layout(source, kinds)
    schema = layout.schema.with_metadata({_FORMAT: layout.format.encode()})
    rows = (
        (file, record)
        for file, kind in enumerate(kinds)
        for record in records_of(source.files[file], kind)
    )
    number = 0
    with ExitStack() as stack:
        stream = stack.enter_context(pa.OSFile(str(target), "wb"))
        writer = stack.enter_context(pa.ipc.new_file(stream, schema))
        while part := list(itertools.islice(rows, BATCH_ROWS)):
            stored = [
                layout.stored(record, file, number + i) for i, (file, record) in enumerate(part)
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(stored, schema))
            number += len(part)
            advance(len(part))
    if not number:
        raise DataError(f"{source.name}: no rows. Name a file that holds preference pairs.")


def _common_layout(source: Source, kinds: Sequence[Kind]) -> Layout:
    """Return the layout of all files, which must agree where files name their columns."""
    kind = kinds[0]
    if other := next((i for i, each in enumerate(kinds) if each != kind), None):
        raise DataError(
            f"{source.name}: {source.file_name(0)} is {kind} and {source.file_name(other)} is "
            f"{kinds[other]}. Put files of one kind into the folder."
        )
    if kind == "parquet":
        return layout_of(_named(source), kind, fields_of_schema(_common_schema(source)))
    records = itertools.chain.from_iterable(records_of(file, kind) for file in source.files)
    fields = fields_of_records(records)
    if not fields:
        raise DataError(f"{_named(source)}: {_nothing_in(source, kind)}")
    return layout_of(_named(source), kind, fields)


def _nothing_in(source: Source, kind: Kind) -> str:
    """Say why no row of JSON files has a field."""
    rows = (
        f"{source.file_name(number)} row {record.row}: {record.fault or 'an object without fields'}"
        for number, file in enumerate(source.files)
        for record in records_of(file, kind)
    )
    if first := next(rows, None):
        return f"it has no row that can be read, the first is {first}. Fetch or write it again."
    return "it has no rows. Name a file that holds preference pairs."


def _common_schema(source: Source) -> pa.Schema:
    first = parquet_schema(source.files[0])
    for number, file in enumerate(source.files):
        schema = parquet_schema(file)
        if different := [
            name
            for name in dict.fromkeys([*first.names, *schema.names])
            if _type(first, name) != _type(schema, name)
        ]:
            name = different[0]
            raise DataError(
                f"{source.name}: the files have different columns: {name!r} is "
                f"{_type(first, name)} in {source.file_name(0)} and {_type(schema, name)} in "
                f"{source.file_name(number)}. Put files of one data set into the folder."
            )
    return first


def _type(schema: pa.Schema, name: str) -> str:
    return str(schema.field(name).type) if name in schema.names else "missing"


def _named(source: Source) -> str:
    return str(source.files[0]) if len(source.files) == 1 else source.name
