"""Start the process that runs a guard's tasks, and show how far it is."""

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.console import messages, track
from harness.evaluation.guard.journal import progress
from harness.evaluation.guard.records import journal_path, read_record, record_path
from harness.evaluation.guard.tasks import environment
from harness.evaluation.held import Held
from harness.launchers.logged import run_logged
from harness.settings.spec import EvaluationSpec


def guard(held: Held, model: str | Path) -> None:
    """Run the tasks that have no numbers yet; what is answered is not asked again.

    One that fails is named, and the same command tries it again.

    Args:
        held: What is there of the model.
        model: Its folder, or its name on the hub.
    """
    left = held.unguarded()
    if not left:
        return
    run = held.folder.path
    names = {name: held.guard_name(name) for name in left}
    for name in names.values():
        record_path(run, name).unlink(missing_ok=True)
    log = held.folder.logs / "guard.log"
    messages.print(f"general ability: {', '.join(left)}", markup=False)
    code = _work(held, str(model), names, log)
    for task, name in names.items():
        file = record_path(run, name)
        failed = read_record(file).failed if file.exists() else f"exit code {code}, see {log}"
        if failed:
            messages.print(f"guard task {task} has no number: {failed}", markup=False)


def _work(held: Held, model: str, names: dict[str, str], log: Path) -> int:
    from harness.evaluation.guard.worker import Request

    request = Request(
        run=held.folder.path.resolve(),
        model=str(Path(model).resolve()) if Path(model).is_dir() else model,
        revision=None if Path(model).is_dir() else held.model.revision,
        template=held.model.template,
        transform=held.model.image_transform,
        asked=_absolute(held.asked),
        names=names,
        identities={name: held.guarding(name) for name in names},
    )
    command = [sys.executable, "-m", "harness.evaluation.guard.worker"]
    command += [f"--request={request.model_dump_json()}"]
    journals = [journal_path(held.folder.path, name) for name in names.values()]
    with track("general ability") as tracker:
        done = _answered(journals)

        def look() -> None:
            nonlocal done
            now = _answered(journals)
            tracker.advance(now - done)
            done = now

        return run_logged(command, log, environment(), look)


def _absolute(asked: EvaluationSpec) -> EvaluationSpec:
    """Return the same with absolute places: tasks are run in a folder of their own."""
    places = {"data": asked.data, "guard_tasks": asked.guard_tasks}
    return asked.model_copy(
        update={key: str(Path(one).resolve()) for key, one in places.items() if one is not None}
    )


def _answered(journals: Sequence[Path]) -> int:
    return sum(progress(journal)[0] for journal in journals)
