"""The folders that a report is asked about: runs, models that were only evaluated, and others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, DataError, HarnessError
from harness.files.faults import require_folder
from harness.registry import hint
from harness.reporting.neighbours import Neighbour, left_out, read
from harness.runs.rundir import RUNS, RunDir


@dataclass(frozen=True)
class Found:
    """What lies in the folders."""

    runs: tuple[Neighbour, ...]
    evaluated: tuple[RunDir, ...]
    """Models that were evaluated as they are, base models among them."""

    @property
    def sizes(self) -> list[str]:
        """Sizes of the runs; where nothing was trained, those in the names of base models."""
        trained = {run.spec.size for run in self.runs}
        names = (one.path.name.split("-") for one in self.evaluated)
        return sorted(trained or {parts[1] for parts in names if parts[0] == "base" and parts[1:]})

    def trained(self, size: str) -> list[Neighbour]:
        """Return the runs of a size."""
        return [run for run in self.runs if run.spec.size == size]


def asked_for(names: Sequence[str], out: Path) -> list[Path]:
    """Return the folders that a command names, or all that an output folder holds.

    Beside named runs stand the base models of their folders.

    Raises:
        ConfigError: There is no such run.
    """
    require_folder(out, "--out")
    if not names:
        return _all_in(out / RUNS)
    chosen = [place_of_run(name, out) for name in names]
    bases = [
        base
        for place in dict.fromkeys(one.parent for one in chosen)
        for base in _all_in(place)
        if base.name.startswith("base-")
    ]
    return list(dict.fromkeys([*bases, *chosen]))


def _all_in(folder: Path) -> list[Path]:
    # A hidden file is nobody's run: locks, and folders that are being written.
    return sorted(one for one in folder.glob("*") if not one.name.startswith("."))


def place_of_run(name: str, out: Path) -> Path:
    """Return the folder of a run, by its name in an output folder or by its path.

    Raises:
        ConfigError: There is no such run.
    """
    for path in (out / RUNS / name, Path(name)):
        if path.is_dir():
            return path.resolve()
    names = [path.name for path in _all_in(out / RUNS)]
    raise ConfigError(f"Unknown run {name!r} in {out / RUNS}. {hint(name, names)}")


def found_in(folders: Iterable[Path], faults: list[str]) -> Found:
    """Sort folders into runs and evaluated models; the faults get a line for each other thing."""
    runs: list[Neighbour] = []
    evaluated: list[RunDir] = []
    for path in folders:
        folder = RunDir(path)
        try:
            if folder.spec_file.exists():
                runs.append(_run(folder))
            elif folder.judgements.is_dir():
                evaluated.append(folder)
            else:
                raise DataError("it holds neither a run nor a judged model.")
        except HarnessError as error:
            faults.append(left_out(folder, error))
    return Found(tuple(runs), tuple(evaluated))


def _run(folder: RunDir) -> Neighbour:
    """Read a run, and what it starts from.

    Raises:
        HarnessError: It is damaged, or of a version that wrote other things down.
    """
    run = read(folder)
    if run.record is None:
        raise DataError("it was made by a version that did not write down what decides a run.")
    return run
