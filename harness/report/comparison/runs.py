"""Any runs side by side, of any size, base model and judge, from their folders alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.evaluation.scorecards import ITEMS
from harness.files.digests import text_digest
from harness.report.folders import Found, asked_for, found_in, place_of_run
from harness.report.gather import (
    DIGITS_OF_CONTENT,
    ReadModel,
    content_of,
    judgements_in,
    trained_models,
)
from harness.report.guarded import guarded
from harness.report.judgements import Judged, by_judge, latest, told_left_out
from harness.reporting.compare import RunResult, Setting
from harness.reporting.provenance import provenance
from harness.runs.rundir import RunDir

_MARK = 6
"""Digits that tell two settings apart which their words do not."""
_Column = tuple[str, int, str]
"""Size, world and benchmark."""


def any_results(
    names: Sequence[str], out: Path, faults: list[str], judge: str | None = None
) -> list[RunResult]:
    """Read runs and the base models that they start from.

    Of several judgements of one model by a benchmark, of those by the judge that is asked for, the
    setting counts that most of the models were judged under, else the latest; the faults get a line
    for everything that is left out.

    Raises:
        ConfigError: A run is not there, or nothing was judged by that judge.
    """
    named = [place_of_run(name, out) for name in names]
    found = found_in(asked_for(names, out), faults)
    models = list(_evaluated(found, named, faults))
    for size in dict.fromkeys(run.spec.size for run in found.runs):
        models += trained_models(found.trained(size), faults)
    groups = by_judge([model.judged for model in models], judge)
    models = [replace(model, judged=one) for model, one in zip(models, groups, strict=True)]
    counts: dict[_Column, Counter[str]] = {}
    for model in models:
        for column, judged in _columns(model):
            settings = list(dict.fromkeys(one.setting for one in judged))
            counts.setdefault(column, Counter()).update(settings)
    left: list[tuple[RunDir, Judged]] = []
    chosen = [_chosen(model, counts, left) for model in models]
    faults += told_left_out(left)
    unlike = _unlike(models, chosen)
    results = [_result(model, judged, unlike) for model, judged in zip(models, chosen, strict=True)]
    return guarded(
        [(one, model.folder) for one, model in zip(results, models, strict=True)], faults
    )


def _evaluated(found: Found, named: Sequence[Path], faults: list[str]) -> Iterator[ReadModel]:
    """Yield the base models of the runs, and the models that were named."""
    starts = {(run.model_content or "")[:DIGITS_OF_CONTENT]: run for run in found.runs}
    models: dict[str, ReadModel] = {}
    for folder in found.evaluated:
        judged = list(judgements_in(folder, None, faults))
        content = content_of(folder, judged)
        run = starts.get(content)
        if run is None and folder.path not in named:
            continue
        if content in models:
            faults.append(f"{folder.path.name} is left out: another folder holds this model.")
            continue
        name, size = _words(folder.path.name)
        label, world = ("base", run.spec.world) if run else (name, 0)
        facts = provenance(folder)
        result = RunResult(label, label, None, run.spec.size if run else size, 0, {}, facts)
        models[content] = ReadModel(replace(result, world=world), folder, latest(judged), None)
    rows = Counter(_row(one) for one in models.values())
    for content, model in models.items():
        result = model.result
        mark = f" ({content})" if rows[_row(model)] > 1 else ""
        yield replace(model, result=replace(result, label=f"{result.label}{mark}"))


def _words(folder: str) -> tuple[str, str]:
    """Return name and size of a model that was only evaluated; only a base model's has a size."""
    name = folder.rpartition("-")[0] or folder
    first, _, size = name.partition("-")
    return (first, size) if first == "base" and size else (name, "")


def _row(model: ReadModel) -> tuple[str, str, int]:
    return model.result.label, model.result.size, model.result.world


def _columns(model: ReadModel) -> Iterator[tuple[_Column, Sequence[Judged]]]:
    for name, judged in model.judged.items():
        yield (model.result.size, model.result.world, name), judged


def _chosen(
    model: ReadModel,
    counts: Mapping[_Column, Counter[str]],
    left: list[tuple[RunDir, Judged]],
) -> dict[str, Judged]:
    """Return one judgement of a model by every benchmark."""
    chosen = {}
    for column, judged in _columns(model):
        most = counts[column].most_common(1)[0][0]
        kept = next((one for one in judged if one.setting == most), judged[0])
        chosen[column[-1]] = kept
        left += [(model.folder, one) for one in judged if one is not kept]
    return chosen


def _unlike(
    models: Sequence[ReadModel], chosen: Sequence[Mapping[str, Judged]]
) -> set[tuple[int, str, Setting]]:
    """Return where judgements of one world differ though their scorecards say the same.

    Such as by the template of the questions or by the code that scored.
    """
    found: dict[tuple[int, str, Setting], set[str]] = {}
    for model, judged in zip(models, chosen, strict=True):
        for name, one in judged.items():
            key = (model.result.world, name, Setting.of(one.card))
            found.setdefault(key, set()).add(one.setting)
    return {key for key, settings in found.items() if len(settings) > 1}


def _result(
    model: ReadModel, judged: Mapping[str, Judged], unlike: set[tuple[int, str, Setting]]
) -> RunResult:
    cards = {}
    for name, one in judged.items():
        card = one.card
        if (model.result.world, name, Setting.of(card)) in unlike:
            mark = text_digest(one.setting)[:_MARK]
            card = replace(card, protocol=f"{card.protocol}, setting {mark}")
        cards[name] = card
    items = {name: one.folder / ITEMS for name, one in judged.items()}
    there = {name: file for name, file in items.items() if file.exists()}
    return replace(model.result, scorecards=cards, items=there)
