"""Rows of parquet, JSONL and JSON files, one batch after another and never all at once."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import DataError

BATCH_ROWS = 64
"""Few, since a row holds an image."""

_MAGIC = b"PAR1"
_BETWEEN = re.compile(r"[\s,]*")
_HEAD = 4096
_CHUNK = 1 << 20

Kind = Literal["parquet", "jsonl", "json"]


@dataclass(frozen=True)
class Record:
    """One row as it stands in its file."""

    row: int
    """In its file, from zero; of a JSONL file the line."""
    values: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None
    """Why it could not be read at all."""


def kind_of(file: Path) -> Kind:
    """Recognise a file by its content.

    Raises:
        DataError: It is empty or none of these kinds.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    if not head:
        raise DataError(f"{file}: the file is empty. Fetch or write it again.")
    if head.startswith(_MAGIC):
        return "parquet"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if file.suffix == ".parquet" or start not in (b"[", b"{"):
        raise DataError(
            f"{file}: cannot be read as preference data: it begins with {head[:8]!r}, which is "
            "neither parquet (PAR1) nor JSON. Fetch or write it again."
        )
    if start == b"[":
        return "json"
    if file.suffix == ".json" and not _is_object(head.partition(b"\n")[0]):
        raise DataError(f"{file}: holds one JSON object. Pairs are a list, or one object per line.")
    return "jsonl"


def records_of(file: Path, kind: Kind) -> Iterator[Record]:
    """Read the rows of a file in order.

    Raises:
        DataError: The file is cut off or damaged. A JSONL line that is no JSON object is a fault of
            its row.
    """
    return _READERS[kind](file)


def parquet_schema(file: Path) -> pa.Schema:
    """Return names and types of the columns."""
    with _opened(file) as parquet:
        return parquet.schema_arrow


def _opened(file: Path) -> Any:
    try:
        # Read in small pieces: a row group may hold gigabytes of images.
        return pq.ParquetFile(file, buffer_size=_CHUNK, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{file}: cannot be read as preference data: the parquet file is cut off or damaged "
            f"({error}). Fetch or write it again."
        ) from error


def _parquet(file: Path) -> Iterator[Record]:
    row = 0
    with _opened(file) as parquet:
        try:
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for values in _values(batch):
                    yield Record(row, values)
                    row += 1
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{file}: damaged after row {row} ({error}). Fetch or write it again."
            ) from error


def _values(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        columns = {
            name: [_text(value) for value in column.cast(pa.large_binary()).to_pylist()]
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            else column.to_pylist()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(value: bytes | None) -> str | None:
    """Decode so that bytes which are no UTF-8 are found later, in their row."""
    return None if value is None else value.decode(errors="surrogateescape")


def _jsonl(file: Path) -> Iterator[Record]:
    with file.open("rb") as stream:
        for row, line in enumerate(stream):
            if not line.strip():
                continue
            try:
                values = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError) as error:
                yield Record(row, fault=f"invalid JSON ({error})")
                continue
            yield _record(row, values)


def _json(file: Path) -> Iterator[Record]:
    """Read one object after the other of a list that may be larger than the memory."""
    decoder = json.JSONDecoder()
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
        text, wanted, row = stream.read(_CHUNK), _CHUNK, 0
        at = text.index("[") + 1
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            if text.startswith("]", at):
                return
            try:
                values, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                more = stream.read(wanted)
                if not more:
                    raise DataError(
                        f"{file}: the JSON list is cut off or damaged after {row} rows ({error}). "
                        "Fetch or write it again."
                    ) from error
                text, at, wanted = text[at:] + more, 0, 2 * wanted
                continue
            yield _record(row, values)
            wanted, row = _CHUNK, row + 1


def _record(row: int, values: Any) -> Record:
    if isinstance(values, dict):
        return Record(row, values)
    return Record(row, fault=f"{type(values).__name__} instead of an object with fields")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


_READERS = {"parquet": _parquet, "jsonl": _jsonl, "json": _json}
