"""Replies on disk: JSONL, one row per response, appended as they come.

A row is {"id", "key", "replies"}; the key is a hash of everything that decides the replies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.types import SampleId
from harness.errors import DataError
from harness.files.jsonlines import JsonLines


def read_journal(path: Path) -> dict[str, list[str]]:
    """Return the replies by key; a line that was cut off by a kill is dropped.

    Raises:
        DataError: The file is something else.
    """
    try:
        return {row["key"]: row["replies"] for row in JsonLines(path).read()}
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of replies ({error!r}). Delete it to ask again."
        ) from error


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Make the file, or mend it after a kill, and yield what adds a row to it."""
    lines = JsonLines(path)
    lines.append()
    yield lines.append


def row(sample_id: SampleId, key: str, replies: Sequence[str]) -> dict[str, Any]:
    """Return the row about one response."""
    return {"id": sample_id, "key": key, "replies": list(replies)}


def keep_only(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows."""
    JsonLines(path).rewrite(rows)
