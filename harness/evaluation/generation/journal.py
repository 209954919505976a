"""Answers on disk while they are generated, so that a killed run loses one batch at most.

A journal is JSONL: a first line that says whose answers these are, then one answer a line. With
several processes every process appends to a file of its own and reads those of all.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Response, SampleId
from harness.errors import DataError


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
        out.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(self.path)
        self.answers: dict[SampleId, str] = {}
        for path in journal_paths(out, benchmark):
            self.answers |= self._read(path)
        if not self.path.exists() or self.path.stat().st_size == 0:
            self._write([self._header])

    @property
    def complete(self) -> bool:
        """Whether every sample has an answer."""
        return len(self.answers) >= self.samples

    def append(self, responses: Sequence[Response]) -> None:
        """Add answers; they are on disk when this returns."""
        self._write({"id": response.id, "response": response.text} for response in responses)
        self.answers |= {response.id: response.text for response in responses}

    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path) -> dict[SampleId, str]:
        # The part after the last newline is a row that another process is writing just now.
        complete, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        if not complete:
            return {}
        try:
            header, *rows = (json.loads(line) for line in complete.split("\n"))
            answers = {row["id"]: row["response"] for row in rows}
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: not a journal of answers ({error!r}). Delete it to generate again."
            ) from error
        if header != self._header:
            raise DataError(
                f"{path}: holds answers of another checkpoint, prompt, decoding or question list. "
                "Delete it to generate again, or choose another output folder."
            )
        return answers


def progress_of(out: Path, benchmarks: Sequence[str]) -> tuple[int, int]:
    """Return how many answers are on disk and how many there will be.

    Zero of zero before the journals are opened.
    """
    done = total = 0
    for benchmark in benchmarks:
        finished = responses_path(out, benchmark)
        if finished.exists():
            rows = _complete_lines(finished)
            done, total = done + rows, total + rows
            continue
        for path in journal_paths(out, benchmark):
            done += max(_complete_lines(path) - 1, 0)
        total += _stated_samples(journal_path(out, benchmark))
    return done, total


def _complete_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _stated_samples(path: Path) -> int:
    """Return the number of samples in the first line of a journal, zero when it has none yet."""
    if not path.exists():
        return 0
    with path.open(encoding="utf-8") as file:
        line = file.readline()
    return int(json.loads(line)["samples"]) if line.endswith("\n") else 0


def _cut_torn_line(path: Path) -> None:
    """Remove what a killed process wrote of its last row."""
    if not path.exists():
        return
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
