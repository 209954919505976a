"""One run, or the base model of some: train, generate, score."""

from pathlib import Path

from harness.console import messages
from harness.costs.devices import gpus
from harness.data.templates import TEMPLATES
from harness.launchers.launcher import Launcher
from harness.llm.messages import ChatSettings
from harness.models.sources import content_hash, located_model
from harness.runs.manifest import Manifest
from harness.runs.rundir import RunDir
from harness.runs.state import Run, unfinished_benchmarks
from harness.settings.spec import RunSpec


def run_one(run: Run, judging: ChatSettings, launcher: Launcher) -> None:
    """Train and evaluate one seed; what is done already is skipped."""
    spec = run.located
    folder = RunDir.open(run.out / "runs", spec)
    with folder.locked():
        if run.finished:
            return
        folder.adopt(spec)
        messages.print(f"{spec.label} {spec.size} seed {spec.seed}: {folder.path}", markup=False)
        manifest_of(spec).write(folder.manifest)
        from harness.training.launch import train

        train(folder, spec, launcher, judging)
        _evaluate(folder, folder.model, spec, judging)


def evaluate_base(run: Run, judging: ChatSettings) -> None:
    """Evaluate the model that training starts from, once for all methods and seeds."""
    folder, spec = run.base, run.located
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.locked(wait=True):
        if unfinished_benchmarks(folder, spec):
            messages.print(f"base model {spec.size}: {folder.path}", markup=False)
            manifest_of(spec).write(folder.manifest)
            _evaluate(folder, Path(spec.model.path), spec, judging)


def _evaluate(folder: RunDir, model: Path, spec: RunSpec, judging: ChatSettings) -> None:
    """Generate the answers to all benchmarks and score them."""
    from harness.evaluation.evaluate import evaluate_all
    from harness.evaluation.generation.launch import generate

    data = Path(spec.evaluation.data)
    log = folder.logs / "generate.log"
    processes = min(len(gpus()) or 1, spec.training.devices)
    generate(model, spec.evaluation, spec.model, data, folder.responses, log, processes=processes)
    answered = located_model(spec.model.model_copy(update={"path": str(model)})).folder
    manifest = Manifest.read(folder.manifest)
    manifest.model_copy(update={"checkpoint": content_hash(answered)}).write(folder.manifest)
    evaluate_all(
        folder.path,
        unfinished_benchmarks(folder, spec),
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
