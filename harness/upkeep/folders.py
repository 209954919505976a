"""The folder of a run that a command names, and where what becomes one is put together."""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError, PreflightError
from harness.evaluation.scorecards import IDENTITY
from harness.files.locks import in_use
from harness.report.folders import place_of_run
from harness.runs.rundir import RUNS, RunDir


def run_folder(name: str, out: Path) -> Path:
    """Return the folder of a run or of an evaluated model.

    Raises:
        ConfigError: There is no such folder.
        DataError: It holds something else.
    """
    folder = place_of_run(name, out)
    if not is_run(RunDir(folder)):
        raise DataError(
            f"{folder} is no run: it holds neither run.yaml nor judgements. See: list runs"
        )
    return folder


def is_run(run: RunDir) -> bool:
    """Tell whether a folder is that of a run, or of a model that was asked or judged."""
    answered = run.manifest.is_file() and run.responses.is_dir()
    judged = any(run.judgements.glob(f"*/{IDENTITY}"))
    return run.spec_file.is_file() or answered or judged


def require_idle(run: RunDir) -> None:
    """Refuse a run that a process is working on.

    Raises:
        PreflightError: One is.
    """
    if in_use(run.lock):
        raise PreflightError(f"Another process is working on {run.path}. Wait for it, or stop it.")


def aside(folder: Path, mark: str) -> Path:
    """Return a hidden place on the same disk where no command looks for runs."""
    above = folder.parent.parent if folder.parent.name == RUNS else folder.parent
    return above / f".{folder.name}.{mark}"


def members(folder: Path) -> Iterator[Path]:
    """Yield the files of a run in the order of their names, but for its lock.

    Raises:
        DataError: A link or a device lies in it, which is nothing of a run.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise DataError(
                f"{path} is a link or no plain file. Put the file itself there, or remove it."
            )
        if path.is_file() and path != RunDir(folder).lock:
            yield path
