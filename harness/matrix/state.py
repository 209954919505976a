"""How the cells of a matrix stand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.errors import DataError, in_words
from harness.files.atomic import write_text
from harness.matrix.cells import Cell
from harness.matrix.stage import Stage


class State(StrEnum):
    """What is known of a cell."""

    QUEUED = "queued"
    RUNNING = "running"
    ELSEWHERE = "running elsewhere"
    SUBMITTED = "submitted"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass
class Standing:
    """One cell and how it stands now."""

    cell: Cell
    state: State = State.QUEUED
    told: str = ""
    """Where it is, how long it took, or why it failed; one line."""
    stage: str = ""
    """What is being done, without how much of it."""
    job: str = ""
    """Id of the scheduler's job that has the cell."""

    def become(self, state: State, told: str = "") -> None:
        """Enter a state."""
        self.state, self.told, self.stage, self.job = state, told, "", ""

    def submit(self, job: str, state: str) -> None:
        """Say that a scheduler has the cell."""
        self.become(State.SUBMITTED, f"job {job} {state}")
        self.job = job

    def at(self, stage: Stage) -> None:
        """Say how far a running cell is."""
        self.told, self.stage = str(stage), stage.name


def read_note(cell: Cell) -> Mapping[str, Any]:
    """Return how a process of the cell ended last: `state`, `told` and `job`; `{}` before."""
    if not cell.note.exists():
        return {}
    try:
        note: dict[str, Any] = dict(json.loads(cell.note.read_text("utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{cell.note} is not the note of a cell ({in_words(error)}). Remove it; the same "
            "command looks anew how the cell stands."
        ) from error
    return note


def write_note(standing: Standing) -> None:
    """Keep how a cell ended, for later calls and for others that wait for it."""
    note = {"state": standing.state, "told": standing.told, "job": standing.job}
    write_text(standing.cell.note, json.dumps(note) + "\n")


def reason(log: str) -> str:
    """Return in one line why a process failed that wrote this.

    The error that it reported last; of one that goes on over several lines its end as well.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    starts = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    if not starts:
        return lines[-1] if lines else "it ended without a word"
    first, *rest = lines[starts[-1] :]
    rest = [line for line in rest if not line.startswith("The same command")]
    told = first.removeprefix("error: ")
    if not rest or not told.endswith(":"):
        return told
    before, _, _ = told.rpartition(". ")  # what is left out says where the lines after it are from
    return f"{before}. {rest[-1]}" if before else f"{told} {rest[-1]}"
