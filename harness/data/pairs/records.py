"""Rows of files of any kind, one batch after another and never all at once."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.data.containers.compressed import DAMAGED, opened
from harness.data.containers.csv_rows import csv_rows, delimiter
from harness.data.containers.record import Kind, Record
from harness.data.containers.tables import ARROW_FILE, arrow_rows, parquet_rows
from harness.data.containers.tar_rows import tar_rows
from harness.errors import DataError

_MAGIC = b"PAR1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_TAR, _TAR_AT = b"ustar", 257
_BETWEEN = re.compile(r"[\s,]*")
_HEAD = 4096
_CHUNK = 1 << 20

_MOST_BYTES = 1 << 28
"""Of a row of JSON, which is held in memory while it is read."""


def kind_of(file: Path) -> Kind:
    """Recognise a file by its content; one that is compressed by what is in it.

    Raises:
        DataError: It is empty or none of these kinds.
    """
    head = _head(file)
    if not head:
        raise DataError(f"{file}: the file is empty. Fetch or write it again.")
    if head.startswith(_MAGIC):
        return "parquet"
    if head.startswith((ARROW_FILE, _ARROW_STREAM)):
        return "arrow"
    if head[_TAR_AT:].startswith(_TAR):
        return "tar"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if file.suffix == ".parquet" or start not in (b"[", b"{"):
        if file.suffix != ".parquet" and _names_fields(file, head):
            return "csv"
        raise DataError(
            f"{file}: cannot be read as preference data: it begins with {head[:8]!r}, which is "
            "neither parquet (PAR1) nor JSON, and no Arrow, tar or CSV. Fetch or write it again."
        )
    if start == b"[":
        return "json"
    if ".json" in file.suffixes and not _is_object(head.partition(b"\n")[0]):
        raise DataError(f"{file}: holds one JSON object. Pairs are a list, or one object per line.")
    return "jsonl"


def records_of(file: Path, kind: Kind) -> Iterator[Record]:
    """Read the rows of a file in order.

    Raises:
        DataError: The file is cut off or damaged. A JSONL line that is no JSON object is a fault of
            its row.
    """
    return _READERS[kind](file)


def _head(file: Path) -> bytes:
    try:
        with opened(file) as stream:
            return stream.read(_HEAD)
    except DAMAGED as error:
        if reason := getattr(error, "strerror", None):
            raise DataError(f"{file}: cannot be read ({reason}).") from error
        raise DataError(
            f"{file}: cannot be read as preference data: it is compressed, and cut off or damaged "
            f"({error}). Fetch or write it again."
        ) from error


def _names_fields(file: Path, head: bytes) -> bool:
    """Say whether a text file begins with a line that names several fields."""
    if not {".csv", ".tsv"} & set(file.suffixes):
        return False
    return delimiter(file) in head.partition(b"\n")[0].decode(errors="replace")


def _jsonl(file: Path) -> Iterator[Record]:
    row = 0
    with opened(file) as stream:
        try:
            while line := stream.readline(_MOST_BYTES):
                if len(line) == _MOST_BYTES and not line.endswith(b"\n"):
                    while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                        pass
                    yield Record(row, fault=f"longer than {_MOST_BYTES:,} bytes")
                elif line.strip():
                    yield _parsed(row, line)
                row += 1
        except DAMAGED as error:
            raise DataError(
                f"{file}: cut off or damaged after row {row} ({error}). Fetch or write it again."
            ) from error


def _parsed(row: int, line: bytes) -> Record:
    try:
        return _record(row, json.loads(line.removeprefix(b"\xef\xbb\xbf")))
    except (ValueError, RecursionError) as error:
        return Record(row, fault=f"invalid JSON ({error})")


def _json(file: Path) -> Iterator[Record]:
    """Read one object after the other of a list that may be larger than the memory."""
    decoder = json.JSONDecoder()
    with (
        opened(file) as unpacked,
        io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape") as stream,
    ):
        text, wanted, row = _more(stream, _CHUNK), _CHUNK, 0
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
                more = _more(stream, wanted) if unfinished and len(text) < _MOST_BYTES else ""
                if not more:
                    raise DataError(
                        f"{file}: the JSON list is cut off or damaged after {row} rows ({error}). "
                        "Fetch or write it again."
                    ) from error
                text, at, wanted = text[at:] + more, 0, 2 * wanted
                continue
            yield _record(row, values)
            wanted, row = _CHUNK, row + 1


def _more(stream: io.TextIOWrapper, wanted: int) -> str:
    """Read on; nothing where a compressed file is cut off."""
    try:
        return stream.read(wanted)
    except DAMAGED:
        return ""


def _record(row: int, values: Any) -> Record:
    if isinstance(values, dict):
        return Record(row, values)
    return Record(row, fault=f"{type(values).__name__} instead of an object with fields")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


_READERS = {
    "parquet": parquet_rows,
    "arrow": arrow_rows,
    "jsonl": _jsonl,
    "json": _json,
    "csv": csv_rows,
    "tar": tar_rows,
}
