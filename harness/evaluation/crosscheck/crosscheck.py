"""Scores of lmms-eval's own tasks for answers that are already there, as a check of our scorers.

lmms-eval judges with another model and reads replies in its own way, so its numbers stand beside
ours and never among them. It makes a number out of failed judging, even 100.0; here such a score
is dropped, with the reason.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.console import track
from harness.errors import DataError, in_words
from harness.files.atomic import write_text
from harness.launchers.interpreter import safe_paths
from harness.launchers.logged import run_logged
from harness.llm.messages import ChatSettings

LMMS_TASKS = {"mm_vet": "mmvet", "llava_bench": "llava_in_the_wild"}
"""Names of the benchmarks and of lmms-eval's tasks."""
JUDGE = "gpt-4o-2024-11-20"
"""lmms-eval's own choice for both."""
DEFAULTS = ChatSettings()


@dataclass(frozen=True)
class CrossCheck:
    """What lmms-eval's own task says about a run's answers to one benchmark."""

    benchmark: str
    task: str
    values: Mapping[str, float]
    """By the names of our metrics, 0 to 100, in lmms-eval's rounding; empty if dropped."""
    judge: str
    lmms_eval: str
    """Version."""
    samples: int
    dropped: str | None = None
    """Why there are no values."""


def crosscheck(
    run: Path,
    names: Sequence[str],
    data: Path,
    model: str = JUDGE,
    settings: ChatSettings = DEFAULTS,
    files: Mapping[str, str] | None = None,
) -> dict[str, CrossCheck]:
    """Score a run's answers with lmms-eval's tasks, and keep the result in `crosscheck/`.

    Benchmarks that lmms-eval has no such task for are left out. A check that was dropped is tried
    again; replies that were paid for are not asked again.

    Args:
        run: Folder of the run.
        names: Benchmarks.
        data: Folder that holds the data folder of each benchmark.
        model: The judge, by its exact name.
        settings: How the judge is reached, and what may be spent.
        files: Benchmark -> name of the file of its answers, without the ending; by default the
            benchmark's. The result has the same.
    """
    wanted = {name: (files or {}).get(name, name) for name in names if name in LMMS_TASKS}
    known = {name: read_crosscheck(run, file) for name, file in wanted.items()}
    stale = {name: wanted[name] for name, check in known.items() if not _holds(check, model)}
    if stale:
        _check(run, stale, data, model, settings)
    found = {name: read_crosscheck(run, file) for name, file in wanted.items()}
    return {name: check for name, check in found.items() if check is not None}


def _holds(check: CrossCheck | None, model: str) -> bool:
    return check is not None and check.dropped is None and check.judge == model


def read_crosscheck(run: Path, file: str) -> CrossCheck | None:
    """Return what an earlier check of answers found, if there was one.

    Raises:
        DataError: It is damaged.
    """
    path = crosscheck_path(run, file)
    if not path.exists():
        return None
    try:
        check = CrossCheck(**json.loads(path.read_text("utf-8")))
        _require_types(check)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is not a cross-check ({in_words(error)}). Remove it; "
            "--crosscheck makes it again."
        ) from error
    return check


def _require_types(check: CrossCheck) -> None:
    """Refuse what no table could show.

    Raises:
        TypeError: There is such a value.
    """
    if not isinstance(check.values, dict):
        raise TypeError("values are an object")
    if not all(isinstance(one, int | float) for one in (*check.values.values(), check.samples)):
        raise TypeError("values and samples are numbers")


def crosscheck_path(run: Path, file: str) -> Path:
    """Return the file of a result, which is named as that of the answers."""
    return run / "crosscheck" / f"{file}.json"


def write_crosscheck(run: Path, file: str, check: CrossCheck) -> None:
    """Write a result into the folder of its run."""
    path = crosscheck_path(run, file)
    write_text(path, json.dumps(asdict(check), indent=2, ensure_ascii=False) + "\n")


def _check(
    run: Path, files: Mapping[str, str], data: Path, model: str, settings: ChatSettings
) -> None:
    """Run lmms-eval in a process of its own, which it may patch as it likes."""
    log = run / "logs" / "crosscheck.log"
    for file in files.values():
        crosscheck_path(run, file).unlink(missing_ok=True)
    arguments = {
        "--run": run,
        "--benchmarks": ",".join(files),
        "--files": ",".join(files.values()),
        "--data": data,
        "--model": model,
        "--judging": settings.model_dump_json(),
    }
    stated = [f"{flag}={value}" for flag, value in arguments.items()]
    command = [sys.executable, "-m", "harness.evaluation.crosscheck.worker", *stated]
    with track("cross-check", len(files)) as tracker:
        checked: set[str] = set()

        def look() -> None:
            written = {file for file in files.values() if crosscheck_path(run, file).exists()}
            tracker.advance(len(written - checked))
            checked.update(written)

        code = run_logged(command, log, _environment(model), look)
    reason = f"lmms-eval ended with exit code {code}; see {log.name}"
    for name, file in files.items():
        if read_crosscheck(run, file) is None:
            dropped = CrossCheck(name, LMMS_TASKS[name], {}, model, "", 0, reason)
            write_crosscheck(run, file, dropped)


def _environment(model: str) -> dict[str, str]:
    """Return what the tasks read when they are imported."""
    # The client that they make at import is never used, but wants a key.
    unused = {"OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY") or "unused"}
    stated = {"MODEL_VERSION": model, "HF_HUB_OFFLINE": "1"}
    return os.environ | safe_paths() | stated | unused
