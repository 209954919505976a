"""Answers to a guard's task on disk while they are given: a killed run loses one batch at most."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import DataError, in_words
from harness.files.jsonlines import JsonLines


class GuardJournal:
    """Answers by what was asked: picture, words and decoding.

    Its name holds what decides the answers, and its first row how many there will be.

    Args:
        path: The file, JSONL.

    Raises:
        DataError: It is damaged in the middle.
    """

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        self._lines.cut()
        try:
            rows = self._lines.read()
            self.answers: dict[str, Any] = {
                row["request"]: row["answer"] for row in rows if "request" in row
            }
        except (ValueError, RecursionError, LookupError, TypeError) as error:
            raise DataError(
                f"{path}: not a journal of answers ({in_words(error)}). Delete it to ask again."
            ) from error

    def expect(self, requests: int) -> None:
        """Say how many requests there are, before the first is answered."""
        if self._lines.first() is None:
            self._lines.append({"requests": requests})

    def append(self, answers: Mapping[str, Any]) -> None:
        """Add answers; they are on disk when this returns."""
        rows = [{"request": key, "answer": answer} for key, answer in answers.items()]
        self._lines.append(*rows)
        self._lines.sync()
        self.answers |= answers


def progress(path: Path) -> tuple[int, int]:
    """Return how many requests are answered and how many there are; 0 of 0 before the first."""
    try:
        first = JsonLines(path).first()
        total = 0 if first is None else int(first["requests"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return 0, 0
    return max(JsonLines(path).count() - 1, 0), total
