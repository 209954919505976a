"""Which runs a report is about, and which of their judgements belong side by side."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, DataError, HarnessError
from harness.evaluation.scorecards import IDENTITY, ITEMS, SCORECARD, current_scorecard
from harness.identity.labels import changes_of, label_with, marks, rows_of, variant_of
from harness.identity.record import Record
from harness.models.sources import content_hash
from harness.registry import benchmark_names
from harness.report.folders import Found, found_in
from harness.report.guarded import guarded
from harness.report.judgements import Groups, Judged, by_judge, latest, told_left_out
from harness.reporting.compare import RunResult
from harness.reporting.neighbours import Neighbour, left_out
from harness.reporting.provenance import provenance
from harness.reporting.words import BENCHMARKS
from harness.runs.rundir import RunDir

DIGITS_OF_CONTENT = 12
"""Of the hash of a model's files, in the name of the folder of its evaluation."""


@dataclass(frozen=True)
class Model:
    """A base model or a trained one, with the judgements that the report is about."""

    result: RunResult
    folder: RunDir
    judged: Mapping[str, Judged]
    """By benchmark."""
    data: Path | None
    """Folder of the benchmarks' data folders; None where no run says which."""


@dataclass(frozen=True)
class ReadModel:
    """A model with all of its judgements."""

    result: RunResult
    folder: RunDir
    judged: Mapping[str, Sequence[Judged]]
    """By benchmark, the latest first."""
    data: Path | None


@dataclass(frozen=True)
class Gathered:
    """The models of a report, the base models first, and a line for everything left out."""

    size: str
    models: tuple[Model, ...]
    faults: list[str]

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks that were judged, in the order of the tables."""
        judged = {name for model in self.models for name in model.judged}
        return [name for name in dict.fromkeys((*BENCHMARKS, *benchmark_names())) if name in judged]


def gather(folders: Iterable[Path], size: str | None = None, judge: str | None = None) -> Gathered:
    """Read the folders of runs and choose what belongs side by side.

    A report is about one size; in every world about the base model that most runs start from; and
    of every benchmark about the setting under which most of them were judged, of those by the judge
    that is asked for.

    Raises:
        ConfigError: No run is there, runs of several sizes and none is named, or nothing was judged
            by that judge.
    """
    faults: list[str] = []
    found = found_in(folders, faults)
    size = _size(found, size)
    runs = _one_base(found.trained(size), faults)
    models = [*_bases(found, runs, size, faults), *trained_models(runs, faults)]
    if not models:
        raise ConfigError(
            f"there is no run of size {size} to report on. {' '.join(faults)}".rstrip()
        )
    judged = by_judge([model.judged for model in models], judge)
    chosen = list(_alike(models, judged, faults))
    results = guarded([(one.result, one.folder) for one in chosen], faults)
    pairs = zip(chosen, results, strict=True)
    return Gathered(size, tuple(replace(one, result=result) for one, result in pairs), faults)


def _size(found: Found, wanted: str | None) -> str:
    if wanted is not None:
        return wanted
    sizes = found.sizes
    if len(sizes) > 1:
        raise ConfigError(f"there are runs of sizes {', '.join(sizes)}. Name one with --size.")
    if not sizes:
        raise ConfigError("there is no run to report on. Name folders of runs, or --out.")
    return sizes[0]


def _one_base(runs: Sequence[Neighbour], faults: list[str]) -> list[Neighbour]:
    """Return the runs that start from the model that most runs of their world start from."""
    counts: dict[int, Counter[str | None]] = {}
    for run in runs:
        counts.setdefault(run.spec.world, Counter())[run.model_content] += 1
    kept = []
    for run in runs:
        most = counts[run.spec.world].most_common(1)[0][0]
        if run.model_content == most:
            kept.append(run)
        else:
            told = DataError("it starts from another base model than most runs.")
            faults.append(left_out(run.folder, told))
    return kept


def _bases(
    found: Found, runs: Sequence[Neighbour], size: str, faults: list[str]
) -> Iterator[ReadModel]:
    """Yield the base models that runs start from; where nothing was trained, that of the size."""
    starts = {(run.model_content or "")[:DIGITS_OF_CONTENT]: run for run in runs}
    seen: set[int] = set()
    for folder in found.evaluated:
        judged = list(judgements_in(folder, None, faults))
        run = starts.get(content_of(folder, judged))
        if run is None and (runs or not folder.path.name.startswith(f"base-{size}-")):
            told = DataError("no run of this report starts from this model.")
            faults.append(left_out(folder, told))
            continue
        world, data = (run.spec.world, Path(run.spec.evaluation.data)) if run else (0, None)
        if world in seen:
            faults.append(left_out(folder, DataError("another folder holds this base model.")))
            continue
        seen.add(world)
        result = RunResult("base", "base", None, size, 0, {}, provenance(folder), world=world)
        yield ReadModel(result, folder, latest(judged), data)


def content_of(folder: RunDir, judged: Sequence[Judged]) -> str:
    """Return the first digits of the hash of a model that answered; its folder's name has them."""
    for one in judged:
        checkpoint: str = one.identity["answers"]["checkpoint"]
        return checkpoint[:DIGITS_OF_CONTENT]
    return folder.path.name.rpartition("-")[2]


def trained_models(runs: Sequence[Neighbour], faults: list[str]) -> Iterator[ReadModel]:
    """Yield runs of one size, labelled so that no two trainings share a row."""
    rows: dict[tuple[int, str], Mapping[str, Any]] = {}
    seen: set[tuple[str, int, int]] = set()
    for run in runs:
        identity = {} if run.record is None else run.record.identity
        changed = changes_of(run.spec)
        label, variant = label_with(run.spec, changed), variant_of(run.spec.variant, changed)
        same = rows.setdefault((run.spec.world, label), identity)
        if rows_of(same) != rows_of(identity):
            label = f"{label} ({marks(identity, same)})"
        if (label, run.spec.world, run.spec.seed) in seen:
            told = DataError(f"there is another run of '{label}', {run.spec.drawn}.")
            faults.append(left_out(run.folder, told))
            continue
        seen.add((label, run.spec.world, run.spec.seed))
        spec, facts = run.spec, provenance(run.folder)
        result = RunResult(
            label, spec.method, variant, spec.size, spec.seed, {}, facts, world=spec.world
        )
        judged = list(judgements_in(run.folder, _checkpoint(run, faults), faults))
        yield ReadModel(result, run.folder, latest(judged), Path(run.spec.evaluation.data))


def _checkpoint(run: Neighbour, faults: list[str]) -> str | None:
    """Return the hash of the model that is there now; None where there is none."""
    try:
        return content_hash(run.folder.model) if run.is_trained else None
    except OSError as error:
        faults.append(f"{run.folder.path.name}: its model cannot be read ({error.strerror}).")
        return None


def judgements_in(folder: RunDir, checkpoint: str | None, faults: list[str]) -> Iterator[Judged]:
    """Yield the judgements of a folder that can be read and are of the model that is there."""
    for place in sorted(one for one in folder.judgements.glob("*") if one.is_dir()):
        try:
            judged = _judged(place)
        except HarnessError as error:
            faults.append(f"{folder.path.name}: {place.name} is left out: {error}")
            continue
        if checkpoint in (None, judged.identity["answers"]["checkpoint"]):
            yield judged
        else:
            faults.append(
                f"{folder.path.name}: {place.name} is left out: it judges another model than the "
                "one that is there now."
            )


def _judged(folder: Path) -> Judged:
    """Read one judgement.

    Raises:
        HarnessError: It is damaged, not finished, or of a benchmark that is not installed.
    """
    record = Record.read(folder / IDENTITY)
    answers = record.identity.get("answers")
    if not isinstance(answers, dict) or not isinstance(answers.get("checkpoint"), str):
        raise DataError(f"{folder / IDENTITY} lacks what this version reads.")
    if not (folder / SCORECARD).exists():
        raise DataError("it has no scorecard. The command that judged it completes it.")
    card = current_scorecard(folder / SCORECARD)
    if card.benchmark not in benchmark_names():
        raise DataError(f"benchmark {card.benchmark!r} is not installed.")
    return Judged(folder, record.identity, record.made, card)


def _alike(
    models: Sequence[ReadModel], judged: Sequence[Groups], faults: list[str]
) -> Iterator[Model]:
    """Yield the models with the judgements of the setting that most of their world share."""
    counts: dict[tuple[int, str], Counter[str]] = {}
    for model, groups in zip(models, judged, strict=True):
        for name, found in groups.items():
            settings = list(dict.fromkeys(one.setting for one in found))
            counts.setdefault((model.result.world, name), Counter()).update(settings)
    left: list[tuple[RunDir, Judged]] = []
    for model, groups in zip(models, judged, strict=True):
        kept: dict[str, Judged] = {}
        for name, found in groups.items():
            most = counts[model.result.world, name].most_common(1)[0][0]
            for one in found:
                if one.setting == most and name not in kept:
                    kept[name] = one
                else:
                    left.append((model.folder, one))
        cards = {name: one.card for name, one in kept.items()}
        items = {name: one.folder / ITEMS for name, one in kept.items()}
        there = {name: file for name, file in items.items() if file.exists()}
        result = replace(model.result, scorecards=cards, items=there)
        yield Model(result, model.folder, kept, model.data)
    faults += told_left_out(left)
