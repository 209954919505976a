"""Rows in a file, one JSON object a line, that outlive a writer killed at any moment.

A row is there when its newline is: what follows the last newline was not written to its end. It is
not read, and the next row takes its place.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from harness.files.atomic import named, sync, written

Row = dict[str, Any]

_TAIL_BYTES = 4096
"""More than most rows have."""
_SHOWN = 60
"""Characters of a line in a message."""


class JsonLines:
    """The rows of one file, which one process at a time adds to and any number read.

    A file that is not there has no rows. Whatever reads rows raises ValueError, or RecursionError,
    where a complete line is no JSON object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Add rows, so that a reader sees them at once; the file is made if need be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with named(self.path), self.path.open("a+b") as stream:
            _cut(stream)
            stream.write(_lines(rows))

    def cut(self) -> None:
        """Remove what a killed writer left of its last row."""
        if self.path.exists():
            self.append()

    def sync(self) -> None:
        """Force the rows to the disk."""
        with named(self.path):
            sync(self.path)

    def rewrite(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Let these rows take the place of all; a reader sees the old file or the new one."""
        with written(self.path) as part:
            part.write_bytes(_lines(rows))

    def read(self) -> list[Row]:
        """Return all rows."""
        return _rows(self.path.read_bytes()) if self.path.exists() else []

    def count(self) -> int:
        """Return the number of rows without reading what is in them."""
        return self.path.read_bytes().count(b"\n") if self.path.exists() else 0

    def first(self) -> Row | None:
        """Return the first row, reading no other."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as stream:
            return next(iter(_rows(stream.readline())), None)

    def last(self) -> Row | None:
        """Return the last row, reading little more."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as stream:
            start = size = stream.seek(0, os.SEEK_END)
            block = _TAIL_BYTES
            while start:
                start = max(0, size - block)
                stream.seek(start)
                complete = stream.read(size - start).rpartition(b"\n")[0]
                _, newline, line = complete.rpartition(b"\n")
                if newline or not start:
                    return next(iter(_rows(line + b"\n")), None)
                block *= 4
        return None

    def follow(self) -> Iterator[list[Row]]:
        """Yield the rows that were added since the last time, for ever.

        A file that was replaced is another one, and is read from its beginning.
        """
        file, seen = -1, 0
        while True:
            added = b""
            if self.path.exists():
                with self.path.open("rb") as stream:
                    # Not the size: a few quick rows make the new file the longer one.
                    if (now := os.fstat(stream.fileno()).st_ino) != file:
                        file, seen = now, 0
                    stream.seek(seen)
                    added = stream.read()
                seen += added.rfind(b"\n") + 1
            yield _rows(added)


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    # Half of a surrogate pair, as in a file's name that is no UTF-8, has no bytes of its own; its
    # backslash escape is that of JSON.
    return text.encode(errors="backslashreplace")


def _rows(content: bytes) -> list[Row]:
    """Return the rows of complete lines."""
    # Not splitlines(): a JSON string may hold U+2028 and other separators as they are.
    lines = content.rpartition(b"\n")[0].decode().split("\n")
    return [_row(line) for line in lines if line]


def _row(line: str) -> Row:
    found = json.loads(line)
    if isinstance(found, dict):
        return found
    raise ValueError(f"a line is no JSON object: {line[:_SHOWN]}")


def _cut(stream: IO[bytes]) -> None:
    """Remove what follows the last newline of an open file."""
    end = stream.seek(0, os.SEEK_END)
    if not end:
        return
    stream.seek(end - 1)
    if stream.read() != b"\n":
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
        stream.seek(0, os.SEEK_END)
