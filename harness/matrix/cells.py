"""From words to cells: which runs a matrix has, and what would stop them."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from harness.errors import ConfigError, HarnessError, PreflightError
from harness.evaluation.held import is_finished
from harness.files.digests import digest_of
from harness.identity.run import Run
from harness.planning import preflight
from harness.runs.rundir import run_name
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.settings.spec import RunSpec, Strict
from harness.world.places import are_built

FOLDER = "matrix"
"""Below the output folder: a log, a note and a lock of every cell."""


class MatrixRequest(Strict):
    """One call of `matrix`."""

    methods: tuple[str, ...] = Field(min_length=1, description="As METHOD or METHOD:VARIANT.")
    sizes: tuple[str, ...] = Field(min_length=1)
    shared: Request = Field(description="What every cell has; its method and size are not read.")
    words: tuple[str, ...] = Field(
        default=(), description="Options that every call of `reproduce` gets as they are."
    )
    jobs: int = Field(default=1, gt=0, description="Cells at the same time.")

    @property
    def out(self) -> Path:
        """The folder that holds runs/, tables/ and matrix/."""
        return self.shared.out

    def parts(self) -> Iterator[Request]:
        """Yield what each method and size is asked for, with all seeds."""
        for size in self.sizes:
            for words in self.methods:
                method, _, variant = words.partition(":")
                asked = {"method": method, "variant": variant or None, "size": size}
                yield self.shared.model_copy(update=asked)


@dataclass(frozen=True)
class Cell:
    """One run of a matrix. It is named by the words that asked for it."""

    request: Request
    """Of its method and size, with all seeds."""
    run: Run

    @property
    def spec(self) -> RunSpec:
        """The run's specification, its places as far located as those of `run`."""
        return self.run.located

    @property
    def label(self) -> str:
        """Method, variant, size, world and seed, as shown."""
        return f"{self.spec.label} {self.spec.size} {self.spec.drawn}"

    @property
    def log(self) -> Path:
        """Everything that the processes of the cell wrote, one call after the other."""
        return self._file("log")

    @property
    def note(self) -> Path:
        """How the cell ended last, JSON."""
        return self._file("json")

    @property
    def claim(self) -> Path:
        """Locked by the matrix command that has taken the cell up."""
        return self._file("lock")

    def _file(self, ending: str) -> Path:
        return self.request.out / FOLDER / f"{run_name(self.run.spec)}.{ending}"


def resolved(request: MatrixRequest) -> list[Cell]:
    """Return all cells, their places not located.

    Raises:
        ConfigError: Names or values are wrong, or a run is asked for twice; all of it is listed.
    """
    cells: dict[str, Cell] = {}
    problems = []
    for part in request.parts():
        try:
            specs = specs_of(part)
        except HarnessError as error:
            named = f"{part.method}:{part.variant}: " if part.variant else ""
            problems.append(f"{named}{error}")
            continue
        for spec in specs:
            if run_name(spec) in cells:
                problems.append(f"{spec.label} {spec.size} is asked for twice.")
            cells[run_name(spec)] = Cell(part, Run(spec, spec, part.out))
    if problems:
        raise ConfigError(_listed(dict.fromkeys(problems)))
    return list(cells.values())


def located(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with every place of their runs located; this builds the tiny world."""
    return [replace(cell, run=Run.of(cell.run.spec, cell.run.out)) for cell in cells]


def there(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with their places located where nothing has to be built for it."""
    return [located([cell])[0] if are_built([cell.spec]) else cell for cell in cells]


def check(cells: Sequence[Cell], *, one_machine: bool = True) -> None:
    """Look for problems in the cells that are not finished.

    Args:
        cells: All cells.
        one_machine: Whether they run on this machine alone.

    Raises:
        PreflightError: There are problems; those of all sizes are listed.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if not is_finished(cell.run):
            groups.setdefault(_shared_parts(cell.spec), []).append(cell)
    problems = []
    for group in groups.values():
        asked = group[0].request
        try:
            preflight.check(
                [cell.spec for cell in group], asked.out, asked.judging, one_machine=one_machine
            )
        except HarnessError as error:
            problems.append(str(error))
    if problems:
        raise PreflightError(_listed(problems))


def reproduce_command(cell: Cell, words: Sequence[str] = ()) -> list[str]:
    """Return the command line that runs a cell: `reproduce` with its one seed.

    `words` are the options that all cells share.
    """
    request = cell.request
    command = [sys.executable, "-m", "harness", "reproduce"]
    command += ["--method", request.method, "--size", request.size]
    command += ["--variant", request.variant] if request.variant else []
    command += ["--worlds", str(cell.spec.world)] if cell.spec.world else []
    command += ["--seeds", str(cell.spec.seed), *words]
    return [*command, "--out", str(request.out)]


def _listed(problems: Iterable[str]) -> str:
    return "The matrix cannot start:" + "".join(f"\n- {problem}" for problem in problems)


def _shared_parts(spec: RunSpec) -> str:
    """Return what runs that are checked together share."""
    identity = spec.identity()
    parts = {name: identity[name] for name in ("size", "model", "data", "evaluation")}
    return digest_of(parts, 12)
