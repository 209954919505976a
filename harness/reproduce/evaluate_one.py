"""Evaluate one model that is there: a run of this folder, or a checkpoint trained elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.console import messages
from harness.errors import ConfigError, HarnessError
from harness.evaluation.generation.samples import protocol_of
from harness.evaluation.guard.tasks import guard_problems
from harness.evaluation.held import Held
from harness.evaluation.judging.ask_first import ask_first
from harness.files.faults import require_folder
from harness.files.hub_names import on_hub
from harness.identity.labels import label_of
from harness.llm.messages import ChatSettings
from harness.models.sources import content_hash, located_model
from harness.planning.language_models import judge_problems
from harness.planning.preflight import require_places
from harness.registry import load_benchmark
from harness.reporting.collect import print_judged
from harness.reproduce.again import set_aside_of
from harness.reproduce.one_run import evaluate, inputs_of
from harness.runs.manifest import Manifest
from harness.runs.rundir import RUNS, RunDir
from harness.settings.request import Again
from harness.settings.resolve import resolve
from harness.settings.spec import EvaluationSpec, RunSpec
from harness.world.places import locate_spec

_PRESET = "dpo"
"""The presets of all methods name the same base model, template and benchmarks for a size."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for besides the model."""

    out: Path
    changes: dict[str, Any]
    """Values of the evaluation in place of the run's, or of the preset's."""
    judging: ChatSettings
    size: str = "7b"
    """Of a checkpoint trained elsewhere: whose preset says how it is asked."""
    only_judge: bool = False
    again: Again | None = None


def evaluate_one(name: str, wanted: Wanted) -> None:
    """Answer what is not answered, judge what is not judged, and print the numbers.

    Args:
        name: Name or folder of a run, folder of a checkpoint, or its name on the hub.
        wanted: What is asked for.

    Raises:
        HarnessError: There is no such model, it is not trained, or a step needs the user.
    """
    require_folder(wanted.out, "--out")
    run = _run_of(name, wanted.out)
    if run is not None:
        spec, folder, model = run.read_spec(), run, run.model
        _require_known(_asked(spec, wanted), wanted.judging)
        if not model.exists():
            raise ConfigError(
                f"{run.path.name} is not trained to its end, so there is nothing to evaluate. "
                "The `reproduce` that began it goes on with it."
            )
        label, content = label_of(spec), content_hash(model)
    else:
        spec, model, content = _elsewhere(name, wanted)
        label = Path(name).name
        plain = "".join(one if one.isalnum() or one in "-._" else "-" for one in label)
        folder = RunDir((wanted.out / RUNS / f"model-{plain}-{content[:12]}").resolve())
    held = Held(folder, content, spec.model, _asked(spec, wanted))
    _finish(held, model, spec, wanted)
    print_judged(held, spec, label, wanted.out)


def _asked(spec: RunSpec, wanted: Wanted) -> EvaluationSpec:
    """Return the evaluation of a run or preset, with what is asked for in its place."""
    unasked = {"guard": ()} if wanted.only_judge else {}  # it asks the model, as answering does
    evaluation = spec.evaluation.model_copy(update={**unasked, **wanted.changes})
    return EvaluationSpec.model_validate(evaluation.model_dump())


def _require_known(asked: EvaluationSpec, judging: ChatSettings) -> None:
    """Refuse a judge, a protocol or a guard's task that there is not, before hours of answers.

    Raises:
        ConfigError: There is no such.
    """
    problems: list[str] = []
    judge_problems(asked, judging, problems, [])
    guard_problems(asked, problems, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    for name in asked.benchmarks:
        protocol_of(load_benchmark(name), asked.protocol)


def _finish(held: Held, model: Path, spec: RunSpec, wanted: Wanted) -> None:
    folder = held.folder
    if wanted.again is None and held.is_finished:
        return
    require_places(wanted.out)
    folder.path.mkdir(parents=True, exist_ok=True)
    if wanted.again is not None:
        set_aside_of(held, wanted.out, wanted.again, wanted.judging)
    if held.is_finished:
        return
    if wanted.only_judge and (missing := held.unanswered()):
        raise HarnessError(
            f"{folder.path.name} has no answers to {', '.join(missing)} under protocol "
            f"{held.asked.protocol!r}. `evaluate` generates them."
        )
    if held.unanswered():
        ask_first(held.asked, wanted.judging)
    with folder.locked():
        messages.print(f"evaluate {folder.path}", markup=False)
        if not folder.manifest.exists():
            inputs = inputs_of(spec.model, spec.data.max_length)
            Manifest.collect({"model": held.checkpoint}, inputs).write(folder.manifest)
        evaluate(held, model, wanted.judging, spec.training.devices)


def _run_of(name: str, out: Path) -> RunDir | None:
    """Return the run of that name or folder; None where there is none."""
    for path in (out / RUNS / name, Path(name)):
        if (path / "run.yaml").is_file():
            return RunDir(path.resolve())
    return None


def _elsewhere(name: str, wanted: Wanted) -> tuple[RunSpec, Path, str]:
    """Return how a checkpoint is asked, its folder, and the hash of its files."""
    if not Path(name).is_dir() and not on_hub(name):
        raise ConfigError(
            f"{name}: no run of {wanted.out / RUNS}, no folder and no name on the hub. See: "
            f"list runs --out {wanted.out}"
        )
    preset = resolve(_PRESET, wanted.size).spec
    _require_known(_asked(preset, wanted), wanted.judging)
    spec = locate_spec(preset)
    model = spec.model.model_copy(update={"path": name, "revision": None})
    folder = located_model(model).folder
    return spec.model_copy(update={"model": model}), folder, content_hash(folder)
