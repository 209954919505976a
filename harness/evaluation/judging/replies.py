"""What judge and tagger said about a response, and how it lies on disk.

A file of replies is JSONL, one row per response, appended as they come: {"id", "key", "replies"},
and "tagged" where there is a tagger. The key is a hash of everything that decides the replies.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.types import SampleId
from harness.errors import DataError
from harness.files.atomic import write_text


@dataclass(frozen=True)
class Replies:
    """What was said about one response."""

    judge: tuple[str, ...] = ()
    """In call order, of all runs one after the other."""
    tagged: str | None = None
    """The tagger's reply, as JSON; None where nobody tagged anything."""

    def flat(self) -> list[str]:
        """Return all replies as a benchmark's `score` takes them, the tagger's last."""
        return [*self.judge, *(() if self.tagged is None else (self.tagged,))]

    @classmethod
    def of_row(cls, row: Mapping[str, Any], *, with_tagger: bool) -> "Replies":
        """Return the replies of a row; in an older one the tagger's stands behind the judge's."""
        replies = tuple(row["replies"])
        if with_tagger and "tagged" not in row:
            return cls(replies[:-1], replies[-1])
        return cls(replies, row.get("tagged"))


def read_journal(path: Path, *, with_tagger: bool) -> dict[str, Replies]:
    """Return the replies by key; a line that was cut off by a kill is dropped.

    Args:
        path: File of replies, or of none yet.
        with_tagger: Whether the benchmark has one.

    Raises:
        DataError: The file is something else.
    """
    if not path.exists():
        return {}
    try:
        # What follows the last newline was not written to its end.
        complete, _, _ = path.read_bytes().rpartition(b"\n")
        rows = [json.loads(line) for line in complete.decode().split("\n") if line]
        return {row["key"]: Replies.of_row(row, with_tagger=with_tagger) for row in rows}
    except (ValueError, RecursionError, LookupError, TypeError) as error:
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


def row(sample_id: SampleId, key: str, replies: Replies) -> dict[str, Any]:
    """Return the row about one response."""
    tagged = {} if replies.tagged is None else {"tagged": replies.tagged}
    return {"id": sample_id, "key": key, "replies": list(replies.judge), **tagged}


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _cut_torn_line(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, 2)


def keep_only(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows."""
    write_text(path, "".join(map(_line, rows)))
