"""How one run stands, read from files that another process may be writing."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.errors import HarnessError
from harness.evaluation.scorecards import SCORECARD
from harness.files.jsonlines import JsonLines, Row
from harness.files.locks import in_use
from harness.runs.rundir import RunDir
from harness.training.process import ERROR_FILE, PROGRESS_FILE

_RECENT = 50
"""Steps over whose mean the speed is told."""
_WARNINGS = 3
Value = TypeVar("Value")
_UNREADABLE = (
    *(HarnessError, OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError),
)


@dataclass(frozen=True)
class Look:
    """A run as it stood at one moment."""

    name: str
    state: str
    """running, waiting, stopped, failed, trained or done."""
    stage: str
    """What was done last, and how much of it; empty before the first step."""
    rows: Sequence[Row]
    """All steps that are recorded."""
    total: int | None
    """Steps of the whole run; None before the first."""
    warnings: Sequence[str]
    """The last ones, the oldest first; the error that ended it is the last."""

    @property
    def done(self) -> int:
        """Steps that are behind."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def seconds_per_step(self) -> float | None:
        """Mean over the last steps."""
        found = [value for row in self.rows[-_RECENT:] if (value := number(row, "seconds"))]
        return sum(found) / len(found) if found else None

    @property
    def seconds_left(self) -> float | None:
        """Of the training, at the speed of the last steps."""
        if self.total is None or self.seconds_per_step is None:
            return None
        return max(0, self.total - self.done) * self.seconds_per_step

    @property
    def goes_on(self) -> bool:
        """Whether a process works on it."""
        return self.state == "running"


def number(row: Row, key: str) -> float | None:
    """Return a number of a row; None where there is none."""
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else None


def look_at(run: RunDir) -> Look:
    """Return how a run stands now; files that are half written or damaged count as not there."""
    rows = [row for row in _rows(run.metrics) if isinstance(row.get("step"), int)]
    told = _rows(run.logs / PROGRESS_FILE)
    stages = [row for row in told if {"stage", "done", "total"} <= row.keys()]
    warnings = list(dict.fromkeys(str(row["warning"]) for row in told if "warning" in row))
    error = _read(lambda: _error(run), None)
    stage = "answers and scores" if run.model.exists() else ""
    if stages and not rows:
        last = stages[-1]
        stage = f"{last['stage']} {last['done']:,}/{last['total']:,}"
    return Look(
        run.path.name,
        _state(run, bool(rows), failed=error is not None),
        stage,
        rows,
        _total(run, rows),
        [*warnings, *([error] if error is not None else [])][-_WARNINGS:],
    )


def _error(run: RunDir) -> str | None:
    """Return what ended the last training."""
    return str(json.loads((run.logs / ERROR_FILE).read_text("utf-8"))["message"])


def _state(run: RunDir, begun: bool, failed: bool) -> str:
    if in_use(run.lock):
        return "running"
    if any(run.judgements.glob(f"*/{SCORECARD}")):
        return "done"
    if run.model.exists():
        return "trained"
    if failed:
        return "failed"
    return "stopped" if begun else "waiting"


def _total(run: RunDir, rows: Sequence[Row]) -> int | None:
    """Return the steps of the whole run: a row says how many of them are how many epochs."""
    if not rows:
        return None
    last = rows[-1]

    def steps() -> int | None:
        epochs = float(last["epoch"]) / int(last["step"])
        return max(1, round(run.read_spec().training.epochs / epochs))

    return _read(steps, None)


def _rows(file: Path) -> list[Row]:
    """Return the rows up to the first that is none."""
    return _read(JsonLines(file).read, [])


def _read(how: Callable[[], Value], otherwise: Value) -> Value:
    """Read what another process writes just now, or may have damaged: then it is not there."""
    try:
        return how()
    except _UNREADABLE:
        return otherwise
