"""The command `matrix`: check all cells, work on them, and tell how they ended."""

import os
from collections.abc import Mapping, Sequence

from harness.console import print_table
from harness.costs.devices import gpus
from harness.errors import ConfigError, HarnessError, PreflightError
from harness.evaluation.judging.ask_first import ask_first
from harness.files.faults import require_folder
from harness.identity.run import Run
from harness.launchers.choose import launcher_of, submits, with_devices
from harness.launchers.launcher import Launcher
from harness.launchers.local import thread_settings
from harness.matrix.cells import (
    Cell,
    MatrixRequest,
    check,
    located,
    reproduce_command,
    resolved,
    there,
)
from harness.matrix.state import Standing, State
from harness.matrix.view import shown
from harness.matrix.work import Work
from harness.planning import preflight
from harness.reporting.collect import print_joint_comparison
from harness.settings.request import Request
from harness.tracking.trackers import require_installed
from harness.world.places import are_built

VISIBLE = "CUDA_VISIBLE_DEVICES"


def run_matrix(request: MatrixRequest) -> None:
    """Run or submit all cells that are not finished; print how they stand and the comparisons.

    Raises:
        HarnessError: Names or values are wrong, something would stop the cells, or cells failed.
    """
    require_installed(request.shared.track)
    to_queue = submits(request.shared)
    launcher = launcher_of(request.shared)
    shared = with_devices(request.shared, launcher)
    cells = resolved(request.model_copy(update={"shared": shared}))
    here = shared.launcher == "local"
    if request.jobs > 1 and not here:
        raise ConfigError("--jobs is for --launcher local alone: it shares out this machine.")
    require_folder(shared.out, "--out")
    if not shared.dry_run:
        preflight.require_places(shared.out)
    cells = there(cells)
    if not to_queue and not shared.dry_run:
        if not are_built([cell.spec for cell in cells]):
            check(cells, one_machine=here)  # building the tiny world takes minutes
        cells = located(cells)
    work = Work(
        cells,
        lambda cell: reproduce_command(cell, request.words),
        seats(request.jobs, cells),
        submits=to_queue,
    )
    if shared.dry_run:
        work.survey()
        _print_standings(work.standings)
        check(cells, one_machine=here)
        return
    check(cells, one_machine=here)
    if not to_queue:
        _ask_judges(work.standings)
    _run(work, None if to_queue else launcher)


def _ask_judges(standings: Sequence[Standing]) -> None:
    """Ask the judge of the cells that are left, once for all cells that ask alike."""
    left = [one.cell for one in standings if one.state is not State.DONE]
    for cell in {cell.run.located.evaluation: cell for cell in left}.values():
        ask_first(cell.run.located.evaluation, cell.request.judging)


def _run(work: Work, launcher: Launcher | None) -> None:
    """Do the work and tell how it ended; where there is a launcher, it is asked beforehand."""
    left = [one.cell.spec for one in work.standings if one.state is not State.DONE]
    if left and launcher is not None:
        launcher.check(left[0].training.devices)
    with shown() as show:
        work.run(show)
    _print_standings(work.standings)
    _print_comparisons(work.standings)
    if failed := [one for one in work.standings if one.state is State.FAILED]:
        raise HarnessError(_failures(failed, len(work.standings)))


def seats(jobs: int, cells: Sequence[Cell]) -> list[Mapping[str, str]]:
    """Return the environments of `jobs` cells at the same time.

    Each has GPUs of its own; where this machine computes without any, its cores are shared out.

    Raises:
        PreflightError: There are too few GPUs for so many cells.
    """
    chosen = os.environ.get(VISIBLE)
    devices = chosen.split(",") if chosen else [str(place) for place in range(len(gpus()))]
    if jobs == 1:
        return [{}]
    share = max(cell.spec.training.devices for cell in cells)
    if not devices:
        threads = thread_settings(jobs * share)["OMP_NUM_THREADS"]
        return [{"OMP_NUM_THREADS": threads} for _ in range(jobs)]
    if jobs * share > len(devices):
        raise PreflightError(
            f"{jobs} cells at the same time, each on {share} GPUs, need {jobs * share} GPUs; "
            f"{len(devices)} are there. Lower --jobs or --devices."
        )
    parts = (devices[seat * share : (seat + 1) * share] for seat in range(jobs))
    return [{VISIBLE: ",".join(part)} for part in parts]


def _print_standings(standings: Sequence[Standing]) -> None:
    rows = [(one.cell.label, str(one.state), _outcome(one)) for one in standings]
    print_table("matrix", ("cell", "state", "where it stands"), rows)


def _outcome(standing: Standing) -> str:
    log = f"; log: {standing.cell.log}" if standing.state is State.FAILED else ""
    return f"{standing.told}{log}"


def _print_comparisons(standings: Sequence[Standing]) -> None:
    """Print the comparison of every size that has finished cells, over all its methods."""
    sizes: dict[str, list[tuple[Request, Run]]] = {}
    for standing in standings:
        if standing.state is State.DONE:
            cell = standing.cell
            sizes.setdefault(cell.spec.size, []).append((cell.request, cell.run))
    for finished in sizes.values():
        print_joint_comparison(finished)


def _failures(failed: Sequence[Standing], of: int) -> str:
    listed = "".join(f"\n- {one.cell.label}: {_outcome(one)}" for one in failed)
    return f"{len(failed)} of {of} cells failed:{listed}\nThe same command tries them again."
