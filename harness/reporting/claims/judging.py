"""The claims of a method, one finding for every metric and setting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.types import LLMJudge, Metric
from harness.errors import ConfigError
from harness.registry import load_benchmark
from harness.reporting.alike import BASE, shared_draws
from harness.reporting.claims.quantities import asked_of
from harness.reporting.claims.verdict import (
    CANNOT_BE_TOLD,
    NOT_COMPARABLE,
    NOT_SUPPORTED,
    SUPPORTED,
    Verdict,
    enough,
    verdict_of,
)
from harness.reporting.compare import Draw, RunResult, Setting, cell_of
from harness.reporting.over_items.drawing import RowItems, row_items
from harness.settings.claims import Claim
from harness.statistics.measure import Sampled, measure

TINY = "tiny"


@dataclass(frozen=True)
class Method:
    """A method, and which rows of a comparison its claims are about."""

    label: str
    """Of its own row."""
    size: str
    model: str
    """The base model's path or name."""
    rows: Mapping[str, str]
    """What claims call a row -> its label."""


@dataclass(frozen=True)
class Finding:
    """What was found for one metric of a claim, under one setting."""

    metric: str
    """As benchmark/metric."""
    verdict: Verdict
    why: str = ""
    paper: float | None = None
    ours: float | None = None
    """The quantity of the claim: for a direction, how much better."""
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    """Ours less the paper's, where it states a number."""
    unit: str = "percent"
    setting: Setting | None = None


@dataclass(frozen=True)
class Judged:
    """A claim with its findings."""

    name: str
    claim: Claim
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the whole claim: all its metrics must hold, and one that does not is enough."""
        verdicts = [one.verdict for one in self.findings]
        if verdicts and all(one == SUPPORTED for one in verdicts):
            return SUPPORTED
        order: tuple[Verdict, ...] = (NOT_SUPPORTED, CANNOT_BE_TOLD, NOT_COMPARABLE)
        return next((one for one in order if one in verdicts), CANNOT_BE_TOLD)


def judge_claims(
    claims: Mapping[str, Claim], method: Method, runs: Sequence[RunResult]
) -> list[Judged]:
    """Judge the claims of a method.

    Args:
        claims: By name.
        method: Whose they are, and what its rows are called.
        runs: What was measured; a run may stand there once for each setting.
    """
    return [
        Judged(name, claim, tuple(_findings(claim, method, runs))) for name, claim in claims.items()
    ]


def _findings(claim: Claim, method: Method, runs: Sequence[RunResult]) -> Iterator[Finding]:
    for name in claim.asked:
        benchmark = name.partition("/")[0]
        label = _label(claim.row, method)
        cards = [
            run.scorecards[benchmark]
            for run in runs
            if run.label == label and benchmark in run.scorecards
        ]
        settings = list(dict.fromkeys(map(Setting.of, cards)))
        if (against := _incomparable(claim, method, name)) is not None:
            yield Finding(name, NOT_COMPARABLE, against, claim.numbers.get(name))
            continue
        if not settings:
            why = f"no run of {label} is judged on {benchmark}"
            yield Finding(name, CANNOT_BE_TOLD, why, claim.numbers.get(name))
        for setting in settings:
            own = [card for card in cards if Setting.of(card) == setting]
            differs = _other_setting(claim, benchmark, setting, own[0].counts["samples"])
            if differs is not None:
                yield Finding(
                    name, NOT_COMPARABLE, differs, claim.numbers.get(name), setting=setting
                )
            else:
                yield _finding(claim, method, name, setting, runs)


def _label(row: str | None, method: Method) -> str:
    return method.label if row is None else method.rows.get(row, row)


def _metric(benchmark: str, name: str) -> Metric:
    metrics = {one.name: one for one in load_benchmark(benchmark).metrics}
    if name not in metrics:
        raise ConfigError(
            f"a claim is about {benchmark}/{name}, and the benchmark has no such metric. Known: "
            f"{', '.join(metrics)}."
        )
    return metrics[name]


def _incomparable(claim: Claim, method: Method, name: str) -> str | None:
    """Say why a claim cannot be held against runs of this size or base model at all."""
    if method.size == TINY and claim.quantity != "better":
        return (
            "the tiny world has pictures, questions and a judge of its own; only claims of "
            "direction are judged there"
        )
    if claim.model is not None and claim.model.lower() not in method.model.lower():
        return f"other base model: the paper trains {claim.model}, these runs {method.model}"
    return None


def _other_setting(claim: Claim, benchmark: str, setting: Setting, samples: int) -> str | None:
    """Say what differs between the paper's setting and ours, where that counts."""
    if claim.judges and not any(one in setting.judge for one in claim.judges):
        return f"other judge: {setting.judge}, the paper's is {' or '.join(claim.judges)}"
    if claim.protocols and setting.protocol not in claim.protocols:
        return f"other protocol: {setting.protocol}, the paper's is {' or '.join(claim.protocols)}"
    asked = claim.samples.get(benchmark)
    if asked is not None and asked != samples:
        return f"other data: {samples} answers, the paper's are {asked}"
    return None


def _finding(
    claim: Claim,
    method: Method,
    name: str,
    setting: Setting,
    runs: Sequence[RunResult],
) -> Finding:
    """Measure what a claim says of one metric under one setting."""
    benchmark, _, last = name.partition("/")
    metric, paper = _metric(benchmark, last), claim.numbers.get(name)
    labels = [_label(claim.row, method)]
    if claim.than is not None:
        labels.append(_label(claim.than, method))
    found = _shared({label: _of(runs, label, benchmark, setting) for label in labels})
    rows = _rows(found, benchmark, metric)
    if isinstance(rows, str):
        return Finding(name, CANNOT_BE_TOLD, rows, paper, setting=setting)
    asked, (first, _) = asked_of(claim, metric, name), rows[0]
    measured = measure(asked.measure, first.clusters, *(sampled for _, sampled in rows))
    verdict = verdict_of(claim, asked, measured)
    ends = [None if one is None else asked.sign * one for one in (measured.low, measured.high)]
    low, high = ends if asked.sign > 0 else reversed(ends)
    ours = asked.sign * measured.value
    return Finding(
        name,
        verdict,
        enough(claim, asked, measured, first) if verdict == CANNOT_BE_TOLD else "",
        paper,
        ours,
        low,
        high,
        None if asked.number is None or paper is None else ours - paper,
        "percent" if claim.quantity in ("reduction", "free") else metric.unit,
        setting,
    )


def _rows(
    found: Mapping[str, Sequence[RunResult]] | str, benchmark: str, metric: Metric
) -> list[tuple[RowItems, Sampled]] | str:
    """Return the rows of a claim with their metric over the same items; or why there are none."""
    if isinstance(found, str):
        return found
    if missing := [label for label, own in found.items() if not own]:
        return f"no run of {', '.join(missing)} is judged in the same way"
    if withheld := [label for label, own in found.items() if _is_withheld(own, benchmark, metric)]:
        return f"too many replies about {', '.join(withheld)} cannot be read"
    files = {label: _files(own, benchmark) for label, own in found.items()}
    rows, faults = row_items(benchmark, [metric.name], files)
    known = [
        (rows[label], sampled)
        for label in found
        if label in rows and (sampled := rows[label].metric(metric.name)) is not None
    ]
    if len(known) < len(found) or not all(
        known[0][0].is_over_the_items_of(row) for row, _ in known
    ):
        return "; ".join(faults) or "the runs have not the same items, so there is no interval"
    return known


def _of(runs: Sequence[RunResult], label: str, benchmark: str, setting: Setting) -> list[RunResult]:
    """Return the runs of a row that were judged in a setting, one for each world and seed."""
    found = {
        run.draw: run
        for run in runs
        if run.label == label
        and (card := run.scorecards.get(benchmark))
        and Setting.of(card) == setting
    }
    return list(found.values())


def _is_withheld(runs: Sequence[RunResult], benchmark: str, metric: Metric) -> bool:
    judged = isinstance(load_benchmark(benchmark).annotator, LLMJudge)
    cards = {run.draw: run.scorecards[benchmark] for run in runs}
    cell = cell_of(cards, metric.name, judged=judged)
    return cell is not None and cell.is_withheld


def _shared(found: Mapping[str, Sequence[RunResult]]) -> Mapping[str, Sequence[RunResult]] | str:
    """Keep the worlds and seeds that both rows of a claim have; or say that they share none."""
    if len(found) < 2 or not all(found.values()):
        return found
    (own, theirs), labels = found.values(), " and ".join(found)
    with_base = BASE in found
    draws = shared_draws(_draws(own), _draws(theirs), with_base=with_base)
    if not draws:
        return f"{labels} have no world and seed in common"
    worlds = {world for world, _ in draws}
    return {
        label: [run for run in runs if (run.world in worlds if with_base else run.draw in draws)]
        for label, runs in found.items()
    }


def _draws(runs: Sequence[RunResult]) -> list[Draw]:
    return [run.draw for run in runs]


def _files(runs: Sequence[RunResult], benchmark: str) -> dict[Draw, Path]:
    """Return the files of items; a run without one counts as one that is not there."""
    return {
        run.draw: run.items.get(benchmark, Path(f"{run.label}, seed {run.seed}")) for run in runs
    }
