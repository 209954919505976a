"""Rows of parquet, JSONL and JSON files, one batch after another and never all at once."""

import json
import re
from collections import Counter
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

_MOST_BYTES = 1 << 28
"""Of a row of JSON, which is held in memory while it is read."""

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
    """Return names and types of the columns.

    Raises:
        DataError: The file is damaged, or two columns have one name.
    """
    with _opened(file) as parquet:
        schema = parquet.schema_arrow
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise DataError(f"{file}: the column {twice[0]!r} stands there twice. Remove one.")
    return schema


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
    except (ValueError, OverflowError):
        columns = [[_value(value) for value in column] for column in batch.columns]
        return [
            dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)
        ]


def _value(cell: Any) -> Any:
    """Return the value of a cell that may be none of Python's.

    Bytes which are no UTF-8 are decoded so that they are found later, in their row; a time beyond
    the calendar, which nothing here reads, is missing.
    """
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        if isinstance(cell, pa.StructScalar):
            return {name: _value(cell[name]) for name in cell}
        if isinstance(cell, pa.ListScalar):
            return [_value(one) for one in cell]
        return cell.as_buffer().to_pybytes().decode(errors="surrogateescape")
    except (ValueError, OverflowError):
        return None


def _jsonl(file: Path) -> Iterator[Record]:
    row = 0
    with file.open("rb") as stream:
        while line := stream.readline(_MOST_BYTES):
            if len(line) == _MOST_BYTES and not line.endswith(b"\n"):
                while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                    pass
                yield Record(row, fault=f"longer than {_MOST_BYTES:,} bytes")
            elif line.strip():
                yield _parsed(row, line)
            row += 1


def _parsed(row: int, line: bytes) -> Record:
    try:
        return _record(row, json.loads(line.removeprefix(b"\xef\xbb\xbf")))
    except (ValueError, RecursionError) as error:
        return Record(row, fault=f"invalid JSON ({error})")


def _json(file: Path) -> Iterator[Record]:
    """Read one object after the other of a list that may be larger than the memory."""
    decoder = json.JSONDecoder()
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
        text, wanted, row = stream.read(_CHUNK), _CHUNK, 0
        at = text.index("[") + 1
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            if text.startswith("]", at):
                if (text[at + 1 :] + stream.read(_CHUNK)).strip():
                    raise DataError(
                        f"{file}: something follows the JSON list, after {row} rows. Fetch or "
                        "write it again, as one list."
                    )
                return
            try:
                values, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                # Only what ends too soon gets better when more of it is there.
                unfinished = isinstance(error, json.JSONDecodeError)
                more = stream.read(wanted) if unfinished and len(text) < _MOST_BYTES else ""
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
    except (ValueError, RecursionError):
        return False


_READERS = {"parquet": _parquet, "jsonl": _jsonl, "json": _json}
