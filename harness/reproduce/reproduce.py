"""The main job in its order: ask, check, train and evaluate, compare; what is done is skipped."""

from collections.abc import Sequence
from pathlib import Path

from harness.console import messages
from harness.evaluation.held import is_finished, of_base, of_run
from harness.evaluation.judging.ask_first import ask_first
from harness.files.faults import require_folder
from harness.identity.run import Run
from harness.launchers.choose import launcher_of, submit_request, submits, with_devices
from harness.launchers.launcher import Launcher
from harness.planning import preflight
from harness.planning.plan import Plan
from harness.planning.show import print_plan
from harness.planning.without_method import require_inputs
from harness.reporting.collect import print_ablation, print_comparison
from harness.reproduce.again import set_aside
from harness.reproduce.one_run import evaluate_base, run_one
from harness.settings.ablation import ablation_rows
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.settings.spec import RunSpec
from harness.tracking.trackers import require_installed
from harness.world.places import are_built


def reproduce(request: Request) -> None:
    """Train, generate, score and compare for every seed of a request.

    Everything is resolved and checked before the first folder is made. Results go to stdout.

    Raises:
        HarnessError: Something in the request, the data or a step needs the user.
    """
    require_folder(request.out, "--out")
    require_installed(request.track)
    launcher = launcher_of(request)
    request = with_devices(request, launcher)
    if request.dry_run:
        print_plan(request, here=True)
        return
    require_inputs(request)
    rows = ablation_rows(request) if request.ablate else ()
    specs = [spec for row in rows for spec in row.specs] or specs_of(request)
    runs = _asked(specs, request, launcher)
    if runs is None:
        return
    _run_all(runs, request, launcher)
    if rows:
        print_ablation(request, rows, runs)
        return
    if request.crosscheck:
        _crosscheck(runs, request)
    print_comparison(request, runs)


def _asked(
    specs: Sequence[RunSpec], request: Request, launcher: Launcher
) -> tuple[Run, ...] | None:
    """Ask the machines before anything is built; return the runs, None if SLURM has the call."""
    runs = _runs(specs, request.out) if are_built(specs) else None
    if runs is not None and request.again is None and _is_done(runs):
        return runs
    preflight.require_places(request.out)
    if submits(request):
        _check(specs, request)
        messages.print(submit_request(request).told(), markup=False)
        return None
    launcher.check(specs[0].training.devices)
    if runs is None:
        _check(specs, request)  # building the tiny world takes minutes
        runs = _runs(specs, request.out)
    return runs


def _runs(specs: Sequence[RunSpec], out: Path) -> tuple[Run, ...]:
    """Return the runs of specifications; parts of the tiny world that are missing are built."""
    return tuple(Run.of(spec, out) for spec in specs)


def _is_done(runs: Sequence[Run]) -> bool:
    """Say whether nothing is left to train, answer or judge, of the base models neither."""
    return all(is_finished(run) and of_base(run).is_finished for run in runs)


def _is_judged(run: Run) -> bool:
    """Say whether a run and its base model are answered and judged, so that no judge is asked."""
    held = of_run(run)
    return held is not None and held.is_judged and of_base(run).is_judged


def _check(specs: Sequence[RunSpec], request: Request, *, ask_method: bool = True) -> Plan:
    here = request.launcher == "local"
    return preflight.check(
        specs, request.out, request.judging, one_machine=here, ask_method=ask_method
    )


def _run_all(runs: Sequence[Run], request: Request, launcher: Launcher) -> None:
    """Check, then run whatever is not finished."""
    if request.again is not None:
        set_aside(runs, request.again, request.judging)
    if _is_done(runs):
        return
    trains = any(of_run(run) is None for run in runs)  # else another judge would wait for torch
    plan = _check([run.located for run in runs], request, ask_method=trains)
    for note in plan.notes:
        messages.print(note, markup=False)
    if not all(_is_judged(run) for run in runs):
        ask_first(runs[0].located.evaluation, request.judging)
    for run in {run.base: run for run in runs}.values():
        evaluate_base(run, request.judging)
    for run in runs:
        if not is_finished(run):
            run_one(run, request.judging, launcher, request.track)


def _crosscheck(runs: Sequence[Run], request: Request) -> None:
    """Score the answers with lmms-eval's own tasks too.

    Raises:
        ConfigError: There is no key for their judge.
    """
    from harness.evaluation.crosscheck.crosscheck import crosscheck
    from harness.evaluation.judging.annotators import open_service

    open_service("openai", request.judging)
    bases = {run.base: of_base(run) for run in runs}.values()
    for held in (*bases, *filter(None, map(of_run, runs))):
        folder, evaluation = held.folder.path, held.asked
        messages.print(f"cross-check with lmms-eval: {folder}", markup=False)
        crosscheck(
            folder,
            evaluation.benchmarks,
            Path(evaluation.data),
            settings=request.judging,
            files={name: held.answers_name(name) for name in evaluation.benchmarks},
        )
