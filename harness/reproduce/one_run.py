"""One run, or the base model of some: train, answer, judge; what is there already is kept."""

from collections.abc import Sequence
from pathlib import Path

from harness.console import messages
from harness.costs.devices import gpus
from harness.data.templates import TEMPLATES
from harness.evaluation.held import Held, begun, is_finished, of_base, of_run
from harness.evaluation.scorecards import IDENTITY
from harness.identity.run import Run
from harness.launchers.launcher import Launcher
from harness.llm.messages import ChatSettings
from harness.registry import load_method
from harness.runs.manifest import Manifest
from harness.settings.spec import ModelSpec, RunSpec
from harness.tracking.feed import tracked


def run_one(run: Run, judging: ChatSettings, launcher: Launcher, track: Sequence[str] = ()) -> None:
    """Train and evaluate one seed; the trackers that are named get its steps."""
    folder, spec = run.folder, run.located
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.locked():
        if is_finished(run):
            return
        messages.print(f"{spec.label} {spec.size} {spec.drawn}: {folder.path}", markup=False)
        if not folder.model.exists():
            run.begin()
            folder.adopt(spec)
            manifest_of(run).write(folder.manifest)
            from harness.training.launch import train

            with tracked(folder, track):
                train(folder, spec, launcher, judging)
        held = of_run(run)
        if held is not None:
            evaluate(held, folder.model, judging, spec.training.devices)


def evaluate_base(run: Run, judging: ChatSettings) -> None:
    """Evaluate the model that training starts from, once for all methods and seeds."""
    folder, spec, held = run.base, run.located, of_base(run)
    if held.is_finished:
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.locked(wait=True):
        if not held.is_finished:
            messages.print(f"base model {spec.size}: {folder.path}", markup=False)
            if not folder.manifest.exists():
                manifest_of(run).write(folder.manifest)
            evaluate(held, Path(spec.model.path), judging, spec.training.devices)


def evaluate(held: Held, model: Path, judging: ChatSettings, devices: int) -> None:
    """Generate answers that are missing, judge what is not judged, and run the guard's tasks.

    Args:
        held: What is there of it.
        model: Its folder, or its name on the hub.
        judging: How the judge is reached.
        devices: How many share the work at most.
    """
    from harness.evaluation.generation.launch import generate
    from harness.evaluation.guard.run import guard
    from harness.evaluation.judged import judge_answers

    folder, asked = held.folder, held.asked
    for name in held.unanswered():
        file = folder.responses / f"{held.answers_name(name)}.{IDENTITY}"
        begun(file, held.answers(name))
    generate(
        model,
        asked,
        held.model,
        Path(asked.data),
        folder.responses,
        folder.logs / "generate.log",
        processes=min(len(gpus()) or 1, devices),
        files={name: held.answers_name(name) for name in asked.benchmarks},
    )
    _note_checkpoint(held)
    judge_answers(held, judging)
    guard(held, model)


def _note_checkpoint(held: Held) -> None:
    """Write into the manifest which model answered."""
    file = held.folder.manifest
    if file.exists() and (found := Manifest.read(file)).checkpoint != held.checkpoint:
        found.model_copy(update={"checkpoint": held.checkpoint}).write(file)


def manifest_of(run: Run) -> Manifest:
    """Write down this machine, the contents of a run and how text and images enter the model."""
    spec, identity = run.located, run.identity
    contents = {
        "preferences": identity["data"]["content"],
        "model": identity["model"]["content"],
        "method": identity["method"]["source"],
    }
    inputs = inputs_of(spec.model, spec.data.max_length) | views_in(spec)
    return Manifest.collect(contents, inputs)


def views_in(spec: RunSpec) -> dict[str, str]:
    """Name what the method reads beside its pairs."""
    from methods.views import views_of

    method = load_method(spec.method)
    return {
        f"view {view.name}": f"{view.response} response on {view.image}, drawn: {view.draw}"
        for view in views_of(method, method.config.model_validate(spec.config))
    }


def inputs_of(model: ModelSpec, max_length: int) -> dict[str, str | int]:
    """Return how text and images enter a model."""
    return {
        "template": model.template,
        "prompt": TEMPLATES[model.template].prompt("{question}"),
        "image_transform": model.image_transform,
        "max_length": max_length,
    }
