"""The runs that the claims of a method are held against, from run folders alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, HarnessError
from harness.files.faults import require_folder
from harness.identity.labels import label_of
from harness.reporting.claims.judging import Judged, Method, judge_claims
from harness.reporting.compare import RunResult
from harness.reporting.neighbours import (
    Judgement,
    Neighbour,
    judgements_of,
    left_out,
    neighbours,
    readable,
)
from harness.runs.rundir import RUNS, RunDir
from harness.settings.ablation import ablation_rows
from harness.settings.claims import BASE
from harness.settings.preset_files import read_preset
from harness.settings.request import Request
from harness.settings.resolve import resolve


@dataclass(frozen=True)
class Findings:
    """The claims of a method as they were judged."""

    method: Method
    judged: tuple[Judged, ...]
    seeds: int
    """Of the method's own row, at most."""
    faults: tuple[str, ...] = ()
    """Runs that could not be read."""


def method_of(request: Request, model: str) -> Method:
    """Return a method as it was asked for, and the labels of the rows of its ablation table.

    Args:
        request: What was asked for.
        model: The base model's path or name.
    """
    spec = resolve(request.method, request.size, request.variant, request.overrides).spec
    rows = {BASE: BASE}
    if read_preset(request.method, request.size).ablations:
        rows |= {row.label: label_of(row.specs[0]) for row in ablation_rows(request)}
    return Method(label_of(spec), request.size, model, rows)


def claims_of(request: Request, model: str, runs: Sequence[RunResult]) -> Findings:
    """Judge the claims of a method by runs that were collected already."""
    method = method_of(request, model)
    claims = read_preset(request.method, request.size).claims
    seeds = {run.seed for run in runs if run.label == method.label}
    return Findings(method, tuple(judge_claims(claims, method, runs)), len(seeds))


def claims_by_folders(request: Request, names: Sequence[str] = ()) -> Findings:
    """Judge the claims of a method by what lies in the output folder.

    Args:
        request: Method, size, variant and output folder.
        names: The method's runs that count; all of them if there are none.

    Raises:
        ConfigError: There is no such run, or the runs start from different models.
    """
    require_folder(request.out, "--out")
    there, faults = neighbours(request.out)
    label = method_of(request, "").label
    of_size = [one for one in there if one.record is not None and one.spec.size == request.size]
    own = [one for one in of_size if label_of(one.spec) == label]
    _require_known(names, own, label, request)
    own = [one for one in own if not names or one.folder.path.name in names]
    base = _only_base(own, label, request)
    kept = {one.folder.path for one in own}
    beside = [
        one
        for one in of_size
        if one.model_content == base and (one.folder.path in kept or label_of(one.spec) != label)
    ]
    runs = [
        one for run, judged in readable(beside, faults) for one in _results(run, judged)
    ] + _of_base(request, base, faults)
    found = claims_of(request, own[0].spec.model.path, runs)
    return Findings(found.method, found.judged, found.seeds, tuple(faults))


def _require_known(
    names: Iterable[str], own: Sequence[Neighbour], label: str, request: Request
) -> None:
    known = [one.folder.path.name for one in own]
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        what = f"{', '.join(unknown)} is no run" if unknown else "there is no run"
        raise ConfigError(
            f"{what} of {label} at size {request.size} in {request.out / RUNS}. "
            f"Known: {', '.join(known) or 'none'}. `reproduce` makes one."
        )


def _only_base(own: Sequence[Neighbour], label: str, request: Request) -> str | None:
    """Return the base model that the runs of the method share."""
    contents = {one.model_content for one in own}
    if len(contents) > 1:
        listed = ", ".join(one.folder.path.name for one in own)
        raise ConfigError(
            f"the runs of {label} at size {request.size} start from different models. Name those "
            f"of one: {listed}."
        )
    return contents.pop()


def _results(run: Neighbour, judged: Iterable[Judgement]) -> Iterator[RunResult]:
    """Yield a run once for every judgement, so that every setting is there."""
    spec = run.spec
    for one in judged:
        yield _result(label_of(spec), spec.method, spec.size, spec.seed, one)


def _of_base(request: Request, content: str | None, faults: list[str]) -> list[RunResult]:
    """Return the judgements of the base model; by its name, or because it is the only one."""
    folders = sorted((request.out / RUNS).glob(f"{BASE}-{request.size}-*"))
    named = [one for one in folders if content and one.name.endswith(content[:12])]
    found: list[RunResult] = []
    for folder in named or folders[: len(folders) == 1]:
        try:
            judged = list(judgements_of(RunDir(folder)))
        except HarnessError as error:
            faults.append(left_out(RunDir(folder), error))
            continue
        found += [_result(BASE, BASE, request.size, 0, one) for one in judged]
    return found


def _result(label: str, method: str, size: str, seed: int, judged: Judgement) -> RunResult:
    card = judged.scorecard
    items: dict[str, Path] = {card.benchmark: judged.items} if judged.items.exists() else {}
    return RunResult(label, method, None, size, seed, {card.benchmark: card}, items=items)
