"""Remove a run: say what is lost, then take away its folder and nothing else."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError, HarnessError
from harness.evaluation.scorecards import REPLIES, SCORECARD
from harness.files.atomic import commit
from harness.files.jsonlines import JsonLines
from harness.reporting.neighbours import Neighbour, neighbours
from harness.runs.rundir import RUNS, RunDir, size_of
from harness.upkeep.folders import aside, require_idle, run_folder

_HOUR_S = 3600
_MARK = "removed"


def removable(name: str, out: Path) -> RunDir:
    """Return a run that may be removed.

    Raises:
        HarnessError: There is no such run, the name is that of a link, or a process works on it.
    """
    for place in (out / RUNS / name, Path(name)):
        if place.is_symlink():
            raise DataError(
                f"{place} is a link to {os.readlink(place)}. Name that folder, or remove the link."
            )
    run = RunDir(run_folder(name, out))
    require_idle(run)
    return run


def losses(run: RunDir) -> Iterator[str]:
    """Yield in a line each what is lost with a run, and who else uses it."""
    steps, seconds = _trained(run)
    if run.spec_file.exists():
        checkpoint = "with its model" if run.model.exists() else "without a model"
        yield f"{steps} trained steps ({seconds / _HOUR_S:.2f} hours), {checkpoint}"
    answers = [one for one in run.responses.glob("*.jsonl") if ".journal" not in one.name]
    rows = sum(map(_count, answers))
    yield f"{rows} answers to {len(answers)} benchmarks"
    replies = sum(map(_count, run.judgements.glob(f"*/{REPLIES}")))
    cards = len(list(run.judgements.glob(f"*/{SCORECARD}")))
    yield f"{cards} judgements with {replies} replies"
    yield f"{size_of(run.path):,} bytes"
    yield from _used_by(run)


def remove(run: RunDir) -> None:
    """Take a run's folder away: from one moment to the next it is no run any more.

    What a call that was killed left of it goes with the next one.

    Raises:
        PreflightError: A process works on it.
    """
    hidden = aside(run.path, _MARK)
    with run.locked():
        _delete(hidden)
        commit(run.path, hidden)
    _delete(hidden)


def finish_removal(name: str, out: Path) -> bool:
    """Go on with a removal that was killed; tell whether there was one."""
    hidden = aside(out / RUNS / name, _MARK)
    if Path(name).name != name or not hidden.is_dir() or (out / RUNS / name).exists():
        return False
    _delete(hidden)
    return True


def _delete(folder: Path) -> None:
    """Delete a folder; of a link in it, the link alone goes."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _trained(run: RunDir) -> tuple[int, float]:
    """Return the steps that were trained, and their seconds."""
    try:
        rows = JsonLines(run.metrics).read()
    except (ValueError, RecursionError):
        return JsonLines(run.metrics).count(), 0.0  # damaged, and lost all the same
    return len(rows), sum(float(row.get("seconds") or 0) for row in rows)


def _count(file: Path) -> int:
    return JsonLines(file).count()


def _used_by(run: RunDir) -> Iterator[str]:
    """Yield which tables name the run, and which runs start from it."""
    out = run.path.parent.parent
    named = [
        file.name
        for file in sorted((out / "tables").glob("*.csv"))
        if run.path.name in file.read_text("utf-8", "replace")
    ]
    if named:
        yield f"named in the tables {', '.join(named)}, which stay as they are"
    kind, _, content = run.path.name.rpartition("-")
    if run.path.parent.name == RUNS and kind.startswith("base-"):
        runs = [one for one in neighbours(out)[0] if _starts_from(one, content)]
        if runs:
            yield f"the base row beside {len(runs)} runs, answered and judged anew when needed"


def _starts_from(run: Neighbour, content: str) -> bool:
    try:
        return (run.model_content or "").startswith(content)
    except HarnessError:
        return False  # what it starts from is not known, so this base is not said to be its own
