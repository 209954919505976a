"""Answers on disk while they are generated, so that a killed run loses one batch at most.

A journal is JSONL: a first line that says whose answers these are, then one answer a line. With
several processes every process appends to a file of its own and reads those of all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Response, SampleId
from harness.errors import DataError, in_words
from harness.files.jsonlines import JsonLines


def responses_path(out: Path, benchmark: str) -> Path:
    """Return the file of the finished answers."""
    return out / f"{benchmark}.jsonl"


def journal_path(out: Path, benchmark: str, rank: int = 0) -> Path:
    """Return the file that process `rank` appends to."""
    return out / (f"{benchmark}.journal-{rank}.jsonl" if rank else f"{benchmark}.journal.jsonl")


def journal_paths(out: Path, benchmark: str) -> list[Path]:
    """Return the journals of all processes that ever worked on the benchmark."""
    return sorted(out.glob(f"{benchmark}.journal*.jsonl"))


class Journal:
    """Answers to one benchmark: those that are on disk, and a way to add more.

    Args:
        out: Folder of the journals.
        benchmark: Name of the benchmark.
        identity: Everything that decides the answers: checkpoint, prompt, decoding, questions.
        samples: How many answers make the benchmark complete.
        rank: This process among those that share the work.

    Raises:
        DataError: A journal belongs to another model or setting, or is damaged in the middle.
    """

    def __init__(
        self, out: Path, benchmark: str, identity: Mapping[str, Any], samples: int, rank: int = 0
    ) -> None:
        self.path = journal_path(out, benchmark, rank)
        self.samples = samples
        self._header = {"identity": dict(identity), "samples": samples}
        self._lines = JsonLines(self.path)
        self._lines.cut()
        self.answers: dict[SampleId, str] = {}
        for path in journal_paths(out, benchmark):
            self.answers |= self._read(path)
        if self._lines.first() is None:
            self._lines.append(self._header)
            self._lines.sync()

    @property
    def complete(self) -> bool:
        """Whether every sample has an answer."""
        return len(self.answers) >= self.samples

    def append(self, responses: Sequence[Response]) -> None:
        """Add answers; they are on disk when this returns."""
        self._lines.append(*({"id": one.id, "response": one.text} for one in responses))
        self._lines.sync()
        self.answers |= {response.id: response.text for response in responses}

    def _read(self, path: Path) -> dict[SampleId, str]:
        try:
            rows = JsonLines(path).read()
            answers = {row["id"]: row["response"] for row in rows[1:]}
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: not a journal of answers ({in_words(error)}). Delete it to "
                "generate again."
            ) from error
        if rows and rows[0] != self._header:
            raise DataError(
                f"{path}: holds answers of another checkpoint, prompt, decoding or question list. "
                "Delete it to generate again, or choose another output folder."
            )
        return answers


def progress_of(out: Path, benchmarks: Sequence[str]) -> tuple[int, int]:
    """Return how many answers are on disk and how many there will be.

    Zero of zero before the journals are opened; what is wrong with one, who opens it tells.
    """
    done = total = 0
    for benchmark in benchmarks:
        finished = responses_path(out, benchmark)
        if finished.exists():
            answers = JsonLines(finished).count()
            done, total = done + answers, total + answers
            continue
        for path in journal_paths(out, benchmark):
            done += max(JsonLines(path).count() - 1, 0)
        total += _samples(journal_path(out, benchmark))
    return done, total


def _samples(journal: Path) -> int:
    """Return how many answers a journal will hold; 0 where it does not say."""
    try:
        header = JsonLines(journal).first()
        return 0 if header is None else int(header["samples"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return 0
