"""Replies on disk: JSONL, one row per response, appended as they come.

A row is {"id", "key", "replies"}; the key is a hash of everything that decides the replies.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.types import SampleId
from harness.errors import DataError
from harness.files.atomic import write_text


def read_journal(path: Path) -> dict[str, list[str]]:
    """Return the replies by key; a line that was cut off by a kill is dropped.

    Raises:
        DataError: The file is something else.
    """
    if not path.exists():
        return {}
    try:
        # What follows the last newline was not written to its end.
        complete, _, _ = path.read_bytes().rpartition(b"\n")
        rows = [json.loads(line) for line in complete.decode().split("\n") if line]
        return {row["key"]: row["replies"] for row in rows}
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of replies ({error!r}). Delete it to ask again."
        ) from error


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Open the file and yield what adds a row to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        _cut_torn_line(file)

        def write(values: Mapping[str, Any]) -> None:
            file.write(_line(values).encode())
            file.flush()

        yield write


def row(sample_id: SampleId, key: str, replies: Sequence[str]) -> dict[str, Any]:
    """Return the row about one response."""
    return {"id": sample_id, "key": key, "replies": list(replies)}


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _cut_torn_line(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, 2)


def keep_only(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows."""
    write_text(path, "".join(map(_line, rows)))
