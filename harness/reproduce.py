"""The main job: from preference data to the comparison table, skipping whatever is done."""

from pathlib import Path

from harness import preflight
from harness.console import messages
from harness.manifest import Manifest
from harness.presets import resolve
from harness.request import Request
from harness.rundir import RunDir
from harness.sources import locate_spec
from harness.spec import RunSpec
from harness.standing import base_folder, finished, print_comparison, unfinished_benchmarks


def reproduce(request: Request) -> None:
    """Train, generate, score and compare for every seed of a request.

    Everything is resolved and checked before the first folder is made. Results go to stdout.

    Raises:
        HarnessError: Something in the request, the data or a step needs the user.
    """
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
    if request.dry_run:
        _print_plan(preflight.check(specs, request.out))
        return
    located = [locate_spec(spec) for spec in specs]
    if not all(finished(RunDir.at(request.out / "runs", spec)) for spec in located):
        preflight.check(located, request.out)
        evaluate_base(located[0], request.out)
        for spec in located:
            run_one(spec, request.out)
    print_comparison(request, located)


def run_one(spec: RunSpec, out: Path) -> None:
    """Train and evaluate one seed; what is done already is skipped."""
    run = RunDir.open(out / "runs", spec)
    with run.locked():
        if finished(run):
            return
        messages.print(f"{spec.label} {spec.size} seed {spec.seed}: {run.path}", markup=False)
        _manifest(spec).write(run.manifest)
        from harness.training.launch import train

        train(run, spec)
        _evaluate(run, run.model, spec)


def evaluate_base(spec: RunSpec, out: Path) -> None:
    """Evaluate the model that training starts from, once for all methods and seeds."""
    run = RunDir(base_folder(spec, out))
    run.path.mkdir(parents=True, exist_ok=True)
    with run.locked():
        if unfinished_benchmarks(run, spec):
            messages.print(f"base model {spec.size}: {run.path}", markup=False)
            _manifest(spec).write(run.manifest)
            _evaluate(run, Path(spec.model.path), spec)


def _evaluate(run: RunDir, model: Path, spec: RunSpec) -> None:
    """Generate the answers to all benchmarks and score them."""
    from harness.evaluation.evaluate import evaluate_all
    from harness.evaluation.launch import generate

    data = Path(spec.evaluation.data)
    log = run.logs / "generate.log"
    generate(model, spec.evaluation, spec.model, data, run.responses, log)
    evaluate_all(
        run.path,
        unfinished_benchmarks(run, spec),
        data,
        spec.evaluation.judge,
        spec.evaluation.protocol,
    )


def _manifest(spec: RunSpec) -> Manifest:
    sources = {"preferences": spec.data.preferences, "model": spec.model.path}
    local = {name: Path(source) for name, source in sources.items() if Path(source).exists()}
    return Manifest.collect(local)


def _print_plan(plan: preflight.Plan) -> None:
    from harness.listing import print_table

    print_table("plan", ("what", "value"), plan.rows())
