"""Set aside what is to be made again; nothing is thrown away."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.console import messages
from harness.evaluation.guard.records import journal_path, record_path
from harness.evaluation.held import Held, of_base, of_run
from harness.evaluation.judged import forget_replies
from harness.evaluation.scorecards import IDENTITY
from harness.files.atomic import commit
from harness.identity.run import Run
from harness.llm.messages import ChatSettings
from harness.settings.request import Again

_GUARD = (record_path, journal_path)
HISTORY = "history"
"""Below the output folder: what was set aside, each with its time."""


def set_aside(runs: Sequence[Run], what: Again, judging: ChatSettings) -> None:
    """Set aside the trainings, answers or judgements of runs that are finished.

    What is unfinished goes on: a call that was killed after this can be called again.
    """
    known = [run for run in runs if run.is_known]
    if what == "training":
        for run in known:
            if run.folder.model.exists():
                with run.folder.locked():
                    _move(run.out, run.folder.path.parent, [run.folder.path])
        return
    held = [one for run in known for one in (of_run(run), of_base(run)) if one is not None]
    for one in {one.folder.path: one for one in held}.values():
        set_aside_of(one, known[0].out, what, judging)


def set_aside_of(held: Held, out: Path, what: Again, judging: ChatSettings) -> None:
    """Set aside the finished answers, or only the judgements, of one model.

    The replies that the judge gave about them are forgotten, so that it is really asked again.
    """
    with held.folder.locked():
        for name in held.asked.benchmarks:
            if what == "answers":
                aside = [
                    held.responses(name),
                    held.responses(name).with_name(f"{held.answers_name(name)}.{IDENTITY}"),
                    *sorted(held.folder.judgements.glob(f"{name}-*")),
                ]
                aside = aside if aside[0].exists() else []
            else:
                forget_replies(held, name, judging)
                aside = held.judged_alike(name)
            if there := [path for path in aside if path.exists()]:
                _move(out, held.folder.path.parent, there)
        if what == "answers" and (numbers := held.guarded()):
            names = [held.guard_name(one.task) for one in numbers]
            files = [place(held.folder.path, name) for name in names for place in _GUARD]
            _move(out, held.folder.path.parent, [file for file in files if file.exists()])


def _move(out: Path, runs: Path, paths: Iterable[Path]) -> None:
    """Move files and folders out of `runs/`, keeping their places among each other."""
    to = out / HISTORY / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    for path in paths:
        target = to / path.relative_to(runs)
        target.parent.mkdir(parents=True, exist_ok=True)
        commit(path, target)
        messages.print(f"set aside: {target}", markup=False)
