"""Collect every problem that would stop a run before work starts, and say what would be done."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from harness import registry
from harness.costs.costs import Costs, costs_of
from harness.costs.devices import Devices, gpus, local_device
from harness.costs.shapes import shape_of
from harness.errors import ConfigError, HarnessError, PreflightError
from harness.evaluation.guard.tasks import guard_problems
from harness.files.cache import VARIABLE, cache_place
from harness.files.faults import require_writable
from harness.llm.messages import ChatSettings
from harness.planning.language_models import (
    computes_clip_gap,
    judge_calls,
    judge_problems,
    key_problems,
)
from harness.planning.local_judge import local_note, too_large
from harness.planning.plan import Plan
from harness.planning.scorers import scorer_problems
from harness.settings.counts import bounds
from harness.settings.method_columns import column_of_order, columns_of, token_columns_of
from harness.settings.mixing import places_of
from harness.settings.places import in_world
from harness.settings.spec import DataSpec, ModelSpec, RunSpec, TrainingSpec

DEFAULTS = ChatSettings()
PUBLISHED_PAIRS = {"openbmb/RLAIF-V-Dataset": 83_132}
"""Source: the data set's page on the hub."""


def check(
    specs: Sequence[RunSpec],
    out: Path,
    judging: ChatSettings = DEFAULTS,
    *,
    one_machine: bool = True,
    ask_method: bool = True,
) -> Plan:
    """Look for problems in runs that share model, data and evaluation, as `look` does.

    Raises:
        PreflightError: There are problems; all of them are listed.
    """
    plan = look(specs, out, judging, one_machine=one_machine, ask_method=ask_method)
    if found := (*plan.problems, *plan.missing):
        raise PreflightError(cannot_start(specs, found))
    return plan


def cannot_start(specs: Sequence[RunSpec], problems: Sequence[str]) -> str:
    """Return the message that lists the problems of runs of one size, and names them all."""
    listed = "".join(f"\n- {problem}" for problem in problems)
    labels = ", ".join(dict.fromkeys(spec.label for spec in specs))
    return f"{labels} {specs[0].size} cannot start:{listed}"


def look(
    specs: Sequence[RunSpec],
    out: Path,
    judging: ChatSettings = DEFAULTS,
    *,
    one_machine: bool = True,
    devices: Devices | None = None,
    ask_method: bool = True,
) -> Plan:
    """Find out what runs that share model, data and evaluation would take, and their problems.

    Parts of the tiny world that are not built and names on the hub are left to those who build or
    fetch them; devices, when they are not all on this machine, to the launcher.

    Args:
        specs: The runs.
        out: Their results folder.
        judging: How the judge is reached.
        one_machine: Whether all devices are on one machine.
        devices: What to plan for; None: for what is here.
        ask_method: Whether to import the methods, and with them torch, to check their settings,
            if nothing else stands in the way.
    """
    from harness.planning.benchmark_data import stand_in_taggers

    spec = specs[0]
    here = one_machine and devices is None
    problems = [*dict.fromkeys(problem for one in specs for problem in _batch_problems(one))]
    missing = [
        *_model_problems(spec.model),
        *(_device_problems(spec.training) if here else ()),
    ]
    judge_problems(spec.evaluation, judging, problems, missing)
    guard_problems(spec.evaluation, problems, missing)
    judged, unread = judge_calls(spec.evaluation, len(specs), judging, problems, missing)
    pairs = _pairs_or_problem(specs, problems, missing)
    assumed = pairs if pairs is not None else _published_pairs(spec.data)
    missing += scorer_problems(specs)
    splits = spec.data.hardness.splitter == "endpoint" and computes_clip_gap(specs)
    if splits:
        missing += key_problems("data.hardness.splitter endpoint", judging)
    costs = _costs(spec, devices, assumed, one_machine)
    if costs and (refused := costs.problem()):
        problems.append(refused)
    notes = [*stand_in_taggers(spec.evaluation), *_order_notes(specs, problems)]
    if spec.evaluation.guard:
        tasks = ", ".join(spec.evaluation.guard)
        notes.append(f"guard: {tasks}, in one process after the benchmarks; no judge is asked")
    kind, _, words = spec.evaluation.judge.partition(":")
    if kind == "local" and words:
        judge_devices = devices or Devices(spec.training.devices, local_device())
        notes.append(local_note(words, judge_devices, judged, unread.calls))
        missing += too_large(words, judge_devices)
    need = _disk_bytes(costs, len(specs))
    steps = _steps(assumed, spec, problems)
    if ask_method and not (problems or missing):  # what stands above is told without torch
        problems += dict.fromkeys(found for one in specs for found in _method_problems(one))
    missing += _place_problems(out) or _disk_problems(need, out)
    return Plan(
        runs=tuple(f"{one.label} {one.size} {one.drawn}" for one in specs),
        pairs=pairs,
        assumed_pairs=assumed,
        steps=steps,
        disk_bytes=need,
        devices=f"{spec.training.devices} x {(gpus() or ['CPU process'])[0]}",
        benchmarks=spec.evaluation.benchmarks,
        judge=spec.evaluation.judge,
        judging=judged,
        unread=unread,
        splits=splits,
        notes=tuple(notes),
        costs=costs,
        problems=tuple(problems),
        missing=tuple(missing),
    )


def _costs(
    spec: RunSpec, devices: Devices | None, pairs: int | None, one_machine: bool
) -> Costs | None:
    """Return memory and time; None where the model's sizes or the devices are not known here."""
    if in_world(spec.model.path) or (devices is None and not one_machine and not gpus()):
        return None
    try:
        shape = shape_of(spec.model.path)
    except ConfigError:
        return None  # what is wrong with the model is told by those who look at its files
    count = spec.training.devices
    return costs_of(spec, shape, devices or Devices(count, local_device(count)), pairs)


def _pairs_or_problem(
    specs: Sequence[RunSpec], problems: list[str], missing: list[str]
) -> int | None:
    places = places_of(specs[0].data.preferences)
    try:
        return _checked_pairs(specs[0], {one.method for one in specs})
    except HarnessError as error:
        (problems if all(map(os.path.exists, places)) else missing).append(str(error))
        return None


def _published_pairs(data: DataSpec) -> int | None:
    """Return how many pairs a data set has that is not here; of an expected range the middle."""
    if data.expected_pairs is not None:
        return sum(bounds(data.expected_pairs)) // 2
    return None if data.where else PUBLISHED_PAIRS.get(data.preferences.partition("@")[0])


def _checked_pairs(spec: RunSpec, methods: Set[str]) -> int | None:
    """Read every preference pair; return how many there are, None before the data are there."""
    from harness.files.hub_names import on_hub

    if any(in_world(place) or on_hub(place) for place in places_of(spec.data.preferences)):
        return None
    from harness.data.columns.catalog import require_columns, require_token_columns
    from harness.data.pairs.opening import open_preferences, selected_pairs

    selected = selected_pairs(spec.data)
    counts = []
    for method in sorted(methods):
        needed = columns_of(method)
        require_columns(selected, needed, f"method {method!r}")
        require_token_columns(selected, token_columns_of(method), f"method {method!r}")
        counts.append(len(open_preferences(spec.data, columns=needed)))
    return min(counts)


def _steps(pairs: int | None, spec: RunSpec, problems: list[str]) -> int | None:
    """Return the steps of a run: whole batches only, as `DataOrder` counts them."""
    training = spec.training
    if pairs is None:
        return None
    if pairs < training.batch_pairs:
        problems.append(
            f"{pairs} pairs do not fill one batch of {training.batch_pairs}. Lower "
            "training.batch_pairs or use more pairs."
        )
        return None
    return max(1, round(training.epochs * (pairs // training.batch_pairs)))


def _model_problems(model: ModelSpec) -> Iterator[str]:
    from harness.files.hub_names import on_hub
    from harness.models.catalog import check_template
    from harness.models.original.layout import is_original
    from harness.models.verify import check_model

    if in_world(model.path) or on_hub(model.path):
        return
    folder = Path(model.path)
    if not folder.is_dir():
        yield (
            f"model {model.path}: no such folder, and no name on the hub. Give a folder written by "
            "save_pretrained (model and processor): --set model.path=..."
        )
    elif problems := check_model(folder):
        yield from problems
    else:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        family = "llava" if is_original(config) else config["model_type"]
        try:
            check_template(family, model.template)
        except HarnessError as error:
            yield str(error)


def _method_problems(spec: RunSpec) -> Iterator[str]:
    method = registry.load_method(spec.method)
    config = method.config.model_validate(spec.config)
    if problem := method.batch_problem(config, spec.training.batch_pairs):
        yield problem


def _order_notes(specs: Sequence[RunSpec], problems: list[str]) -> list[str]:
    """Say by which column pairs are sorted, once for runs alike; what cannot be is a problem."""
    notes = []
    for spec in specs:
        try:
            if column := column_of_order(spec):
                notes.append(
                    f"{spec.label}: pairs are sorted by {column}, and each step takes "
                    f"{spec.training.batch_pairs} that follow one another"
                )
        except ConfigError as error:
            problems.append(str(error))
    problems[:] = dict.fromkeys(problems)
    return list(dict.fromkeys(notes))


def _batch_problems(spec: RunSpec) -> Iterator[str]:
    training = spec.training
    if training.batch_pairs % training.devices:
        yield (
            f"training.batch_pairs {training.batch_pairs} is not a multiple of the "
            f"{training.devices} devices that share a batch."
        )


def _device_problems(training: TrainingSpec) -> Iterator[str]:
    found = len(gpus())
    available, kind = (found, "GPUs") if found else (os.cpu_count() or 1, "CPU cores and no GPU")
    if training.devices > available:
        yield f"{training.devices} devices asked for, and this machine has {available} {kind}."


def _disk_bytes(costs: Costs | None, runs: int) -> int | None:
    """Return the most that lies on the disk at once: of all runs the models, checkpoints of one."""
    if costs is None:
        return None
    parts = dict(costs.disk())
    return sum(parts.values()) + (runs - 1) * parts["trained model"]


def require_places(out: Path) -> None:
    """Refuse an output folder or a cache that nothing can be written to; nothing is made.

    Raises:
        ConfigError: One of them is such.
    """
    require_writable(out, "--out")
    require_writable(cache_place(), VARIABLE)


def _place_problems(out: Path) -> list[str]:
    try:
        require_places(out)
    except ConfigError as error:
        return [str(error)]
    return []


def _disk_problems(need: int | None, out: Path) -> Iterator[str]:
    there = next(folder for folder in (out.resolve(), *out.resolve().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if need is not None and need > free:
        yield (
            f"{there}: {free / 1e9:.1f} GB free, {need / 1e9:.1f} GB needed for models and "
            "checkpoints. Free some, or give another folder: --out DIR"
        )
