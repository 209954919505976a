"""Collect every problem that would stop a run before work starts, and say what would be done."""

import os
import shutil
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import HarnessError, MissingColumn, PreflightError
from harness.llm.messages import ChatSettings
from harness.manifest import gpus
from harness.sources import in_world
from harness.spec import EvaluationSpec, RunSpec, TrainingSpec

if TYPE_CHECKING:
    from harness.evaluation.judge_plan import JudgePlan

DEFAULTS = ChatSettings()
JUDGE_KEY = "OPENAI_API_KEY"
MODEL_FILES = ("config.json", "tokenizer_config.json", "*processor_config.json", "*.safetensors")
WEIGHT_COPIES = 13
"""Disk of a run in multiples of its weights at two bytes each: the model and two checkpoints
(float32 weights, two moments), for the old one stays until the new one is complete."""


@dataclass(frozen=True)
class Plan:
    """What a call of `reproduce` would do; None is what cannot be known before data are there."""

    runs: tuple[str, ...]
    pairs: int | None
    steps: int | None
    disk_bytes: int | None
    devices: str
    benchmarks: tuple[str, ...]
    judge: str
    judging: "JudgePlan | None"

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of everything, as text."""
        unknown = "not known before the data are there"
        yield "runs", ", ".join(self.runs)
        yield "preference pairs", unknown if self.pairs is None else f"{self.pairs:,}"
        yield "training steps of a run", unknown if self.steps is None else f"{self.steps:,}"
        disk = unknown if self.disk_bytes is None else f"{self.disk_bytes / 1e9:.2f} GB"
        yield "disk, at most", disk
        yield "devices", self.devices
        yield "benchmarks", ", ".join(self.benchmarks)
        yield "judge", self.judge
        yield "judge calls", unknown if self.judging is None else _told(self.judging)


def check(specs: Sequence[RunSpec], out: Path, judging: ChatSettings = DEFAULTS) -> Plan:
    """Look for problems in runs that share model, data and evaluation.

    Parts of the tiny world that are not built and names on the hub are left to those who build or
    fetch them.

    Raises:
        PreflightError: There are problems; all of them are listed.
    """
    spec = specs[0]
    need = _disk_bytes(spec.model.path, len(specs))
    problems = [
        *_model_problems(spec.model.path),
        *_judge_problems(spec.evaluation.judge, judging),
        *dict.fromkeys(problem for one in specs for problem in _training_problems(one)),
        *_disk_problems(need, out),
    ]
    judged, faults = _judged(spec.evaluation, len(specs))
    problems += faults
    pairs = steps = None
    try:
        pairs = _checked_pairs(spec, {one.method for one in specs})
        steps = None if pairs is None else _steps(pairs, spec)
    except HarnessError as error:
        problems.append(str(error))
    if problems:
        listed = "".join(f"\n- {problem}" for problem in problems)
        raise PreflightError(f"{spec.label} {spec.size} cannot start:{listed}")
    return Plan(
        runs=tuple(f"{one.label} {one.size} seed {one.seed}" for one in specs),
        pairs=pairs,
        steps=steps,
        disk_bytes=need,
        devices=f"{spec.training.devices} x {(gpus() or ['CPU process'])[0]}",
        benchmarks=spec.evaluation.benchmarks,
        judge=spec.evaluation.judge,
        judging=judged,
    )


def _checked_pairs(spec: RunSpec, methods: Set[str]) -> int | None:
    """Read every preference pair; return how many there are, None before the data are there."""
    source = spec.data.preferences
    from harness.data.columns import COMPUTABLE
    from harness.data.loaders.source import on_hub
    from harness.data.preferences import open_preferences, selected_pairs

    if in_world(source) or on_hub(source):
        return None
    selected = selected_pairs(spec.data)
    counts = []
    for method in sorted(methods):
        needed = registry.load_method(method).columns
        if missing := needed - set(selected.columns) - COMPUTABLE:
            raise MissingColumn(
                f"{source}: no column {', '.join(map(repr, sorted(missing)))}, which method "
                f"{method!r} needs. Add it to the data; it cannot be computed here."
            )
        counts.append(len(open_preferences(spec.data, columns=needed)))
    return min(counts)


def _steps(pairs: int, spec: RunSpec) -> int:
    from harness.training.schedule import DataOrder

    training = spec.training
    order = DataOrder(pairs, training.batch_pairs, training.epochs, shuffle=False, seed=spec.seed)
    return order.total_steps


def _model_problems(path: str) -> Iterator[str]:
    from harness.data.loaders.source import on_hub

    if in_world(path) or on_hub(path):
        return
    folder = Path(path)
    missing = [pattern for pattern in MODEL_FILES if not any(folder.glob(pattern))]
    if missing:
        yield (
            f"model {path}: no {', '.join(missing)}. Give a folder written by save_pretrained "
            "(model and processor) or a name on the hub: --set model.path=..."
        )


def _judge_problems(judge: str, judging: ChatSettings) -> Iterator[str]:
    kind, _, file = judge.partition(":")
    if kind == "openai" and judging.key_file is not None:
        if not judging.key_file.is_file():
            yield f"judge openai: there is no key file {judging.key_file}."
    elif kind == "openai" and not os.environ.get(JUDGE_KEY):
        yield (
            f"judge openai: the environment variable {JUDGE_KEY} is not set. Export your key, or "
            "name a file that holds it: --judge-key-file FILE"
        )
    elif kind == "replay" and not Path(file).exists():
        yield f"judge {judge}: there is no {file or 'file given'}."
    elif kind not in {"openai", "replay", "oracle"}:
        yield f"Unknown judge {judge!r}. Known: oracle, openai, openai:MODEL, replay:FILE."


def _judged(evaluation: EvaluationSpec, runs: int) -> "tuple[JudgePlan | None, list[str]]":
    """Read all benchmarks; return what judging the runs and the base model asks, and problems."""
    from harness.evaluation.benchmark_data import read_data
    from harness.evaluation.judge_plan import NOTHING, assumed_pairs, judge_plan
    from harness.evaluation.samples import decoding_of

    total, problems = NOTHING, []
    for name in evaluation.benchmarks:
        benchmark = registry.load_benchmark(name)
        try:
            decoding_of(benchmark, evaluation.protocol, evaluation.max_new_tokens)
            if not in_world(evaluation.data):
                samples, _ = read_data(benchmark, Path(evaluation.data) / name)
                if evaluation.judge.startswith("openai"):
                    total += judge_plan(benchmark, assumed_pairs(samples)) * (runs + 1)
        except HarnessError as error:
            problems.append(str(error))
    free = not evaluation.judge.startswith("openai")
    return (None if in_world(evaluation.data) and not free else total), problems


def _told(plan: "JudgePlan") -> str:
    if not plan.calls:
        return "none that cost anything"
    limit = plan.completion_tokens_limit
    replies = "no limit" if limit is None else f"at most {limit:,}"
    return (
        f"{plan.calls:,} for all runs and the base model, if every first reply is readable; about "
        f"{plan.prompt_tokens_estimate:,} tokens of questions (four characters each, answers of "
        f"600 characters), {replies} of replies"
    )


def _training_problems(spec: RunSpec) -> Iterator[str]:
    yield from _device_problems(spec.training)
    method = registry.load_method(spec.method)
    config = method.config.model_validate(spec.config)
    if problem := method.batch_problem(config, spec.training.batch_pairs):
        yield problem


def _device_problems(training: TrainingSpec) -> Iterator[str]:
    found = len(gpus())
    available, kind = (found, "GPUs") if found else (os.cpu_count() or 1, "CPU cores and no GPU")
    if training.devices > available:
        yield f"{training.devices} devices asked for, and this machine has {available} {kind}."
    if training.batch_pairs % training.devices:
        yield (
            f"training.batch_pairs {training.batch_pairs} is not a multiple of the "
            f"{training.devices} devices that share a batch."
        )


def _disk_bytes(model: str, runs: int) -> int | None:
    files = list(Path(model).glob("*.safetensors"))
    return runs * WEIGHT_COPIES * sum(file.stat().st_size for file in files) if files else None


def _disk_problems(need: int | None, out: Path) -> Iterator[str]:
    there = next(folder for folder in (out.resolve(), *out.resolve().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if need is not None and need > free:
        yield (
            f"{there}: {free / 1e9:.1f} GB free, {need / 1e9:.1f} GB needed for models and "
            "checkpoints. Free some, or give another folder: --out DIR"
        )
