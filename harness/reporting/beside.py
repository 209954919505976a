"""The runs that stand beside those of a call: same base model, judged in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.types import Scorecard
from harness.errors import HarnessError
from harness.evaluation.guard.records import records_in
from harness.evaluation.held import Held
from harness.evaluation.scorecards import setting_of
from harness.files.digests import tree_digest
from harness.identity.labels import changes_of, label_of, marks, rows_of, variant_of
from harness.reporting.compare import RunResult, Setting
from harness.reporting.neighbours import (
    Judgement,
    Neighbour,
    left_out,
    neighbours,
    readable,
    text_of,
)
from harness.reporting.provenance import provenance

_OLD = "0.1"
"""The version that named runs by their words, and kept one scorecard of each benchmark."""

Identity = Mapping[str, Any]


def beside(
    held: Held, base: str, size: str, own: Mapping[str, Identity], out: Path
) -> tuple[list[RunResult], list[str]]:
    """Return every finished run of an output folder that belongs beside those of a call.

    Args:
        held: A model of the call: the others are judged as it is.
        base: Hash of the model that all start from.
        size: Of the table.
        own: The rows of the call: label -> what decides one of its trainings.
        out: The output folder.

    Returns:
        The runs, those of the call not among them, and what is wrong with those that are left out.
    """
    there, faults = neighbours(out)
    wanted = {name: text_of(setting_of(held.judgement(name))) for name in held.asked.benchmarks}
    trained = [one for one in there if one.record is not None and one.model_content == base]
    asked = {one.setting for one in held.guarded()}
    labels = dict(own)
    results: list[RunResult] = []
    for run, judged in readable(trained, faults):
        if run.record is None or not (found := _wanted(judged, wanted)):
            continue
        cards = {name: one.scorecard for name, one in found.items()}
        items = {name: one.items for name, one in found.items()}
        identity = run.record.identity
        guard = tuple(one for one in records_in(run.folder.path) if one.setting in asked)
        result = replace(_result(run, size, cards), items=items, guard=guard)
        same = labels.setdefault(result.label, identity)
        if rows_of(same) != rows_of(identity):
            mark = marks(identity, same)
            variant = variant_of(run.spec.variant, [*changes_of(run.spec), mark])
            result = replace(result, label=f"{result.label} ({mark})", variant=variant)
        results.append(result)
    return results, faults


def of_0_1(held: Held, model: Path, size: str, out: Path) -> tuple[list[RunResult], list[str]]:
    """Return the runs of version 0.1 that start from a model and were judged as it is.

    Args:
        held: The base model.
        model: Its folder.
        size: Of the table.
        out: The output folder.

    Returns:
        The runs, and what is wrong with those that are left out.
    """
    old = [one for one in neighbours(out)[0] if one.record is None]
    if not old or not model.is_dir():
        return [], []
    digest = tree_digest(model)
    settings = {name: Setting.of(card) for name, card in held.scorecards().items()}
    results: dict[tuple[str, int], RunResult] = {}
    faults: list[str] = []
    for one in old:
        try:
            known = one.cards_0_1() if one.model_content == digest else {}
        except HarnessError as error:
            faults.append(left_out(one.folder, error))
            continue
        cards = {
            name: card for name, card in known.items() if Setting.of(card) == settings.get(name)
        }
        label = f"{label_of(one.spec)} ({_OLD})"
        if (label, one.spec.seed) in results:
            label = f"{label_of(one.spec)} ({_OLD}, {one.folder.path.name})"
        if cards:
            results[label, one.spec.seed] = replace(_result(one, size, cards), label=label)
    return list(results.values()), faults


def _wanted(judged: Sequence[Judgement], wanted: Mapping[str, str]) -> dict[str, Judgement]:
    """Return the judgements of the wanted settings, by benchmark."""
    return {
        name: one
        for one in judged
        for name, setting in wanted.items()
        if text_of(setting_of(one.identity)) == setting
    }


def _result(run: Neighbour, size: str, cards: Mapping[str, Scorecard]) -> RunResult:
    spec = run.spec
    variant = variant_of(spec.variant, changes_of(spec))
    return RunResult(
        label_of(spec), spec.method, variant, size, spec.seed, cards, provenance(run.folder)
    )
