"""Pairs of any format as one Arrow file in the cache, mapped into memory and read row by row."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.data.containers.record import BATCH_ROWS, Kind
from harness.data.containers.tables import schema_of
from harness.data.formats import catalog, llama_factory
from harness.data.formats.format import TABLES, Fields, Format
from harness.data.pairs.layout import (
    IMAGES,
    VERSION,
    Layout,
    fields_of_records,
    fields_of_schema,
    layout_of,
)
from harness.data.pairs.records import kind_of, records_of
from harness.data.pairs.source import Source
from harness.errors import DataError
from harness.files.arrow import ArrowFile
from harness.files.atomic import left_behind, written
from harness.files.cache import cache_dir
from harness.files.digests import content_digest, digest_of
from harness.files.locks import FileLock, in_use

Advance = Callable[[int], object]
"""Told how many more rows are done."""

_FORMAT, _READ_AS = b"format", b"read_as"


class StoredPairs(ArrowFile):
    """The rows of the Arrow file."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, BATCH_ROWS)

    @property
    def format(self) -> str:
        """The format that the rows came from."""
        return self.schema.metadata[_FORMAT].decode()  # type: ignore[no-any-return]

    @property
    def read_as(self) -> str:
        """What besides the files' contents decides the pairs; empty for the formats of old.

        So a data set that was read before there were others keeps its digest.
        """
        return self.schema.metadata[_READ_AS].decode()  # type: ignore[no-any-return]

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


def store_pairs(
    source: Source, advance: Advance = lambda rows: None, forced: str | None = None
) -> tuple[StoredPairs, str]:
    """Return the stored rows of a source and the digest of its files; convert them if need be.

    A conversion that was interrupted leaves nothing that counts: the next one starts again.

    Args:
        source: The files.
        advance: Told how many more rows are done.
        forced: The format; None to find it by the rows.

    Raises:
        DataError: A file is damaged, the files do not fit together, or there is no row.
        MissingColumn: They lack a column.
    """
    digest = content_digest(lambda: source.files)
    decisive = [forced, source.described, catalog.added()]
    key = digest_of([digest, *decisive]) if any(decisive) else digest
    file = cache_dir() / "preferences" / f"{key[:24]}-v{VERSION}.arrow"
    if not file.exists():  # no lock without need: where all is there, the cache may be read-only
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            if not file.exists():
                _sweep(file.parent)
                with written(file, one_writer=True) as partial:
                    _convert(source, partial, advance, forced)
    return StoredPairs(file), digest


def _sweep(folder: Path) -> None:
    """Remove what killed conversions of any data left."""
    for part, target in left_behind(folder, ".arrow"):
        if not in_use(Path(f"{target}.lock")):
            part.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Found:
    """How the rows of files are read."""

    layout: Layout
    read_as: str


def _convert(source: Source, target: Path, advance: Advance, forced: str | None) -> None:
    kinds = [kind_of(file) for file in source.files]
    found = _common(source, kinds, forced)
    layout = found.layout
    schema = layout.schema.with_metadata(
        {_FORMAT: layout.format.name.encode(), _READ_AS: found.read_as.encode()}
    )
    rows = (
        (file, record)
        for file, kind in enumerate(kinds)
        for record in records_of(source.files[file], kind)
    )
    stored = (
        pair
        for number, (file, record) in enumerate(rows)
        for pair in layout.stored(record, file, number)
    )
    count = 0
    with ExitStack() as stack:
        stream = stack.enter_context(pa.OSFile(str(target), "wb"))
        writer = stack.enter_context(pa.ipc.new_file(stream, schema))
        while part := list(itertools.islice(stored, BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(part, schema))
            count += len(part)
            advance(len(part))
    if not count:
        raise DataError(f"{source.name}: no rows. Name a file that holds preference pairs.")


def _common(source: Source, kinds: Sequence[Kind], forced: str | None) -> _Found:
    """Return the layout of all files, which must agree where files name their columns."""
    kind = kinds[0]
    if other := next((i for i, each in enumerate(kinds) if each != kind), None):
        raise DataError(
            f"{source.name}: {source.file_name(0)} is {kind} and {source.file_name(other)} is "
            f"{kinds[other]}. Put files of one kind into the folder."
        )
    if kind in TABLES:
        fields = fields_of_schema(_common_schema(source, kind), kind)
    else:
        records = itertools.chain.from_iterable(records_of(file, kind) for file in source.files)
        fields = fields_of_records(records, kind)
        if not fields.kinds:
            raise DataError(f"{_named(source)}: {_nothing_in(source, kind)}")
    return _read_as(source, fields, forced)


def _read_as(source: Source, fields: Fields, forced: str | None) -> _Found:
    """Return how rows with these fields are read."""
    format_ = _format(source, fields, forced)
    otherwise = forced is not None and catalog.found(fields) is not format_
    read_as = format_.name if otherwise or format_.name not in catalog.ORIGINAL else ""
    if source.described and format_.name == llama_factory.FORMAT.name:
        read_as += f" {digest_of(source.described, 16)}"
    return _Found(layout_of(_named(source), format_, fields), read_as)


def _format(source: Source, fields: Fields, forced: str | None) -> Format:
    name = forced or (llama_factory.FORMAT.name if source.described else None)
    if name is None:
        return catalog.recognised(_named(source), fields)
    if name == llama_factory.FORMAT.name and source.described:
        return llama_factory.described_by(source.described)
    return catalog.named(name)


def _nothing_in(source: Source, kind: Kind) -> str:
    """Say why no row has a field."""
    rows = (
        f"{source.file_name(number)} row {record.row}: {record.fault or 'an object without fields'}"
        for number, file in enumerate(source.files)
        for record in records_of(file, kind)
    )
    if first := next(rows, None):
        return f"it has no row that can be read, the first is {first}. Fetch or write it again."
    return "it has no rows. Name a file that holds preference pairs."


def _common_schema(source: Source, kind: Kind) -> pa.Schema:
    first = schema_of(source.files[0], kind)
    for number, file in enumerate(source.files):
        schema = schema_of(file, kind)
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
