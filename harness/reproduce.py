"""The main job: from preference data to the comparison table, skipping whatever is done."""

from collections.abc import Sequence
from pathlib import Path

from harness.console import messages
from harness.costs.devices import gpus
from harness.data.templates import TEMPLATES
from harness.launchers.choose import launcher_of, submit_request, submits, with_devices
from harness.launchers.launcher import Launcher
from harness.llm.messages import ChatSettings
from harness.planning import preflight
from harness.planning.show import print_plan
from harness.reporting.collect import print_ablation, print_comparison
from harness.runs.manifest import Manifest
from harness.runs.rundir import RunDir
from harness.runs.state import base_folder, finished, unfinished_benchmarks
from harness.settings.ablation import ablation_rows
from harness.settings.request import Request
from harness.settings.resolve import resolve
from harness.settings.spec import RunSpec
from harness.world.places import locate_spec


def reproduce(request: Request) -> None:
    """Train, generate, score and compare for every seed of a request.

    Everything is resolved and checked before the first folder is made. Results go to stdout.

    Raises:
        HarnessError: Something in the request, the data or a step needs the user.
    """
    launcher = launcher_of(request)
    request = with_devices(request, launcher)
    if request.dry_run:
        print_plan(request)
        return
    if request.ablate:
        _ablate(request, launcher)
        return
    specs = [
        resolve(
            request.method,
            request.size,
            request.variant,
            request.overrides,
            seed=seed,
            devices=request.devices,
        ).spec
        for seed in request.seeds
    ]
    if _handed_over(specs, request, launcher):
        return
    located = [locate_spec(spec) for spec in specs]
    _run_all(located, request, launcher)
    if request.crosscheck:
        _crosscheck(located, request)
    print_comparison(request, located)


def _ablate(request: Request, launcher: Launcher) -> None:
    """Do the same for every row of the method's ablation table."""
    rows = ablation_rows(request)
    specs = [spec for row in rows for spec in row.specs]
    if _handed_over(specs, request, launcher):
        return
    located = [row.located() for row in rows]
    _run_all([spec for row in located for spec in row.specs], request, launcher)
    print_ablation(request, located)


def _check(specs: Sequence[RunSpec], request: Request) -> None:
    here = request.launcher == "local"
    preflight.check(specs, request.out, request.judging, one_machine=here)


def _handed_over(specs: Sequence[RunSpec], request: Request, launcher: Launcher) -> bool:
    """Ask the machines before anything is built; return whether SLURM's queue has the call now."""
    from harness.world.build import world_is_built

    located = [locate_spec(spec) for spec in specs] if world_is_built() else specs
    if all(finished(RunDir.at(request.out / "runs", spec)) for spec in located):
        return False
    if not submits(request):
        launcher.check(specs[0].training.devices)
        return False
    _check(specs, request)
    messages.print(submit_request(request).told(), markup=False)
    return True


def _run_all(specs: Sequence[RunSpec], request: Request, launcher: Launcher) -> None:
    """Check, then run whatever is not finished."""
    out, judging = request.out, request.judging
    if all(finished(RunDir.at(out / "runs", spec)) for spec in specs):
        return
    _check(specs, request)
    for spec in {base_folder(spec, out): spec for spec in specs}.values():
        evaluate_base(spec, out, judging)
    for spec in specs:
        run_one(spec, out, judging, launcher)


def _crosscheck(specs: Sequence[RunSpec], request: Request) -> None:
    """Score the answers with lmms-eval's own tasks too.

    Raises:
        ConfigError: There is no key for their judge.
    """
    from harness.evaluation.crosscheck.crosscheck import crosscheck
    from harness.evaluation.judging.annotators import open_service

    open_service("openai", request.judging)
    evaluation = specs[0].evaluation
    runs = [RunDir.at(request.out / "runs", spec).path for spec in specs]
    for run in (base_folder(specs[0], request.out), *runs):
        messages.print(f"cross-check with lmms-eval: {run}", markup=False)
        crosscheck(run, evaluation.benchmarks, Path(evaluation.data), settings=request.judging)


def run_one(spec: RunSpec, out: Path, judging: ChatSettings, launcher: Launcher) -> None:
    """Train and evaluate one seed; what is done already is skipped."""
    run = RunDir.open(out / "runs", spec)
    with run.locked():
        if finished(run):
            return
        run.adopt(spec)
        messages.print(f"{spec.label} {spec.size} seed {spec.seed}: {run.path}", markup=False)
        manifest_of(spec).write(run.manifest)
        from harness.training.launch import train

        train(run, spec, launcher)
        _evaluate(run, run.model, spec, judging)


def evaluate_base(spec: RunSpec, out: Path, judging: ChatSettings) -> None:
    """Evaluate the model that training starts from, once for all methods and seeds."""
    run = RunDir(base_folder(spec, out))
    run.path.mkdir(parents=True, exist_ok=True)
    with run.locked(wait=True):
        if unfinished_benchmarks(run, spec):
            messages.print(f"base model {spec.size}: {run.path}", markup=False)
            manifest_of(spec).write(run.manifest)
            _evaluate(run, Path(spec.model.path), spec, judging)


def _evaluate(run: RunDir, model: Path, spec: RunSpec, judging: ChatSettings) -> None:
    """Generate the answers to all benchmarks and score them."""
    from harness.evaluation.evaluate import evaluate_all
    from harness.evaluation.generation.launch import generate

    data = Path(spec.evaluation.data)
    log = run.logs / "generate.log"
    processes = min(len(gpus()) or 1, spec.training.devices)
    generate(model, spec.evaluation, spec.model, data, run.responses, log, processes=processes)
    evaluate_all(
        run.path,
        unfinished_benchmarks(run, spec),
        data,
        spec.evaluation.judge,
        spec.evaluation.protocol,
        judging,
        spec.evaluation.judge_runs,
    )


def manifest_of(spec: RunSpec) -> Manifest:
    """Write down this machine, the run's local data and how text and images enter the model."""
    sources = {"preferences": spec.data.preferences, "model": spec.model.path}
    local = {name: Path(source) for name, source in sources.items() if Path(source).exists()}
    inputs: dict[str, str | int] = {
        "template": spec.model.template,
        "prompt": TEMPLATES[spec.model.template].prompt("{question}"),
        "image_transform": spec.model.image_transform,
        "max_length": spec.data.max_length,
    }
    return Manifest.collect(local, inputs)
