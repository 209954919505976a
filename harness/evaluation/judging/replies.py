"""What judge and tagger said about a response, and how it lies on disk.

A file of replies is JSONL, one row per response, appended as they come: {"id", "key", "replies"},
"tagged" where there is a tagger, and "judge" where the one who answered has a name of its own. The
key is a hash of everything that decides the replies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.types import SampleId
from harness.errors import DataError, in_words
from harness.files.jsonlines import JsonLines, Row


@dataclass(frozen=True)
class Replies:
    """What was said about one response."""

    judge: tuple[str, ...] = ()
    """In call order, of all runs one after the other."""
    tagged: str | None = None
    """The tagger's reply, as JSON; None where nobody tagged anything."""
    by: str = ""
    """Who judged, where that is known only since it answered."""

    def flat(self) -> list[str]:
        """Return all replies as a benchmark's `score` takes them, the tagger's last."""
        return [*self.judge, *(() if self.tagged is None else (self.tagged,))]

    @classmethod
    def of_row(cls, row: Mapping[str, Any], *, with_tagger: bool) -> "Replies":
        """Return the replies of a row; in an older one the tagger's stands behind the judge's."""
        replies = tuple(row["replies"])
        if with_tagger and "tagged" not in row:
            return cls(replies[:-1], replies[-1])
        return cls(replies, row.get("tagged"), row.get("judge", ""))


def read_journal(path: Path, *, with_tagger: bool) -> dict[str, Replies]:
    """Return the replies by key; a line that was cut off by a kill is dropped.

    Args:
        path: File of replies, or of none yet.
        with_tagger: Whether the benchmark has one.

    Raises:
        DataError: The file is something else.
    """
    return {row["key"]: Replies.of_row(row, with_tagger=with_tagger) for row in read_rows(path)}


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of replies, or of none yet.

    Raises:
        DataError: The file is something else.
    """
    try:
        rows = JsonLines(path).read()
        for row in rows:
            _require_types(row)
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of replies ({in_words(error)}). Move it away: what it held "
            "is asked again."
        ) from error
    return rows


def _require_types(row: Row) -> None:
    """Refuse what no judge or tagger said.

    Raises:
        LookupError: Something is missing.
        TypeError: Something is of another type.
    """
    key, replies = row["key"], row["replies"]
    others = (row.get("tagged") or "", row.get("judge", ""))
    if not isinstance(key, str) or not isinstance(replies, list):
        raise TypeError("a key is a text, and replies are a list")
    if not all(isinstance(one, str) for one in (*replies, *others)):
        raise TypeError("replies and who gave them are texts")


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Make the file, or mend it after a kill, and yield what adds a row to it."""
    lines = JsonLines(path)
    lines.append()
    yield lines.append


def row(sample_id: SampleId, key: str, replies: Replies) -> dict[str, Any]:
    """Return the row about one response."""
    tagged = {} if replies.tagged is None else {"tagged": replies.tagged}
    by = {"judge": replies.by} if replies.by else {}
    return {"id": sample_id, "key": key, "replies": list(replies.judge), **tagged, **by}


def keep_only(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows."""
    JsonLines(path).rewrite(rows)
