"""How far a run is, read from the files of its folder while another process works on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.evaluation.generation.journal import progress_of
from harness.evaluation.held import Held, of_base, of_run
from harness.files.jsonlines import JsonLines
from harness.matrix.cells import Cell
from harness.settings.spec import RunSpec
from harness.training.process import PROGRESS_FILE


@dataclass(frozen=True)
class Stage:
    """What is being done, and how much of it."""

    name: str
    amount: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.amount}".rstrip()


def stage_of(cell: Cell) -> Stage:
    """Return what the process of a cell is at."""
    if not cell.run.is_known:
        return Stage("preparing")
    run, spec = cell.run.folder, cell.spec
    if held := of_run(cell.run):
        return _evaluation(held)
    base = of_base(cell.run)
    if base.unjudged() and not run.metrics.exists():
        stage = _evaluation(base)
        return Stage(f"base model: {stage.name}", stage.amount)
    told = run.logs / PROGRESS_FILE
    row = JsonLines(told).last()
    if row and "stage" in row and _changed(told) > _changed(run.metrics):
        return Stage(row["stage"], f"{row['done']:,}/{row['total']:,}")
    if row := JsonLines(run.metrics).last():
        return Stage("training", f"{row['step']:,}/{_total_steps(row, spec):,}")
    return Stage("preparing")


def _evaluation(held: Held) -> Stage:
    names = held.asked.benchmarks
    if held.unanswered():
        files = [held.answers_name(name) for name in names]
        done, total = progress_of(held.folder.responses, files)
        return Stage("answers", f"{done:,}/{total:,}" if total else "")
    if held.is_judged:
        return Stage("general ability")
    scored = len(names) - len(held.unjudged())
    return Stage("scores", f"{scored}/{len(names)} benchmarks")


def _total_steps(row: dict[str, Any], spec: RunSpec) -> int:
    """Return the steps of the whole run: a row says how many of them are how many epochs."""
    steps_per_epoch: int = round(row["step"] / row["epoch"])
    return max(1, round(spec.training.epochs * steps_per_epoch))


def _changed(file: Path) -> float:
    return file.stat().st_mtime if file.exists() else 0.0
