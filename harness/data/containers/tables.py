"""Parquet files, and the Arrow files that `datasets.save_to_disk` writes."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.containers.record import BATCH_ROWS, Kind, Record
from harness.errors import DataError

ARROW_FILE = b"ARROW1"
_CHUNK = 1 << 20


def parquet_rows(file: Path) -> Iterator[Record]:
    """Yield the rows of a parquet file."""
    row = 0
    with _parquet(file) as parquet:
        try:
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for values in _values(batch):
                    yield Record(row, values)
                    row += 1
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{file}: damaged after row {row} ({error}). Fetch or write it again."
            ) from error


def arrow_rows(file: Path) -> Iterator[Record]:
    """Yield the rows of an Arrow file."""
    row = 0
    with file.open("rb") as stream:
        try:
            for batch in _batches(stream):
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    for values in _values(batch.slice(start, BATCH_ROWS)):
                        yield Record(row, values)
                        row += 1
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{file}: the Arrow file is cut off or damaged after row {row} ({error}). Fetch or "
                "write it again."
            ) from error


def schema_of(file: Path, kind: Kind) -> pa.Schema:
    """Return names and types of the columns of a table.

    Raises:
        DataError: The file is damaged, or two columns have one name.
    """
    schema = _parquet_schema(file) if kind == "parquet" else _arrow_schema(file)
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise DataError(f"{file}: the column {twice[0]!r} stands there twice. Remove one.")
    return schema


def _parquet_schema(file: Path) -> pa.Schema:
    with _parquet(file) as parquet:
        return parquet.schema_arrow


def _arrow_schema(file: Path) -> pa.Schema:
    try:
        with file.open("rb") as stream:
            return _reader(stream).schema
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{file}: the Arrow file is cut off or damaged ({error}). Fetch or write it again."
        ) from error


def _reader(stream: Any) -> Any:
    head = stream.read(len(ARROW_FILE))
    stream.seek(0)
    return (pa.ipc.open_file if head == ARROW_FILE else pa.ipc.open_stream)(stream)


def _batches(stream: Any) -> Iterator[Any]:
    reader = _reader(stream)
    if hasattr(reader, "num_record_batches"):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader


def _parquet(file: Path) -> Any:
    try:
        # Read in small pieces: a row group may hold gigabytes of images.
        return pq.ParquetFile(file, buffer_size=_CHUNK, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{file}: cannot be read as preference data: the parquet file is cut off or damaged "
            f"({error}). Fetch or write it again."
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
