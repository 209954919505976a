"""The runs of an output folder, the cells of its matrix and the jobs that were submitted."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.files.faults import require_folder
from harness.files.locks import in_use
from harness.launchers.choose import FOLDER as JOBS
from harness.registry import hint
from harness.runs.rundir import RUNS, RunDir
from harness.watching.read import Look, look_at

MATRIX = "matrix"
"""Below the output folder: a note and a lock of every cell."""
QUEUED = "in the queue"
"""A job that has written nothing yet."""
_JOB_LOG = re.compile(r"(?P<name>.+)-(?P<job>\d+)\.log")


@dataclass(frozen=True)
class All:
    """What goes on in an output folder."""

    looks: tuple[Look, ...]
    others: tuple[tuple[str, str], ...]
    """Name and state of cells and jobs."""
    goes_on: bool


def places(names: list[str], out: Path) -> list[Path]:
    """Return the folders of the runs that are named.

    Raises:
        ConfigError: There is no such run.
    """
    require_folder(out, "--out")
    return [_place(name, out) for name in names]


def _place(name: str, out: Path) -> Path:
    for path in (out / RUNS / name, Path(name)):
        if path.is_dir():
            return path.resolve()
    known = [path.name for path in (out / RUNS).glob("*") if not path.name.startswith(".")]
    raise ConfigError(f"Unknown run {name!r} in {out / RUNS}. {hint(name, known)}")


def is_output(folder: Path) -> bool:
    """Say whether a folder holds runs, and is none."""
    return (folder / RUNS).is_dir() or (folder / MATRIX).is_dir() or (folder / JOBS).is_dir()


def all_in(out: Path) -> All:
    """Return everything that an output folder says of its runs."""
    folders = sorted(path.parent for path in (out / RUNS).glob("*/run.yaml"))
    looks = tuple(look_at(RunDir(folder)) for folder in folders)
    cells, jobs = list(_cells(out / MATRIX)), list(_jobs(out / JOBS))
    goes_on = (
        any(look.goes_on for look in looks)
        or any(in_use(lock) for lock in (out / MATRIX).glob("*.lock"))
        or any(state == QUEUED for _, state in jobs)
    )
    return All(looks, (*cells, *jobs), goes_on)


def _cells(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield how the cells of a matrix ended last, and which are being worked on."""
    for file in sorted({*folder.glob("*.json"), *folder.glob("*.lock")}):
        lock, note = file.with_suffix(".lock"), file.with_suffix(".json")
        if file == lock and note.exists():
            continue
        if in_use(lock):
            yield f"cell {file.stem}", "running"
        elif note.exists():
            yield f"cell {file.stem}", _noted(note)


def _noted(file: Path) -> str:
    try:
        note = json.loads(file.read_text("utf-8"))
        job = f", job {note['job']}" if note.get("job") else ""
        return f"{note['state']}{job}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "its note is being written"


def _jobs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the jobs that were submitted, with the last line that each wrote."""
    logs = {
        found["job"]: file
        for file in folder.glob("*.log")
        if (found := _JOB_LOG.fullmatch(file.name))
    }
    for note in sorted(folder.glob("*.job")):
        try:
            job = note.read_text("utf-8").strip()
        except OSError:
            continue
        name = note.stem.rpartition("-")[0]
        yield f"job {job} {name}", _last_line(logs[job]) if job in logs else QUEUED


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - 4096))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "begun"
    return next((line.strip() for line in reversed(lines) if line.strip()), "begun")[:40]
