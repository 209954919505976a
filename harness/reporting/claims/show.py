"""The verdicts in words, and for programs."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from harness.registry import load_benchmark
from harness.reporting.claims.judging import Finding, Judged
from harness.reporting.claims.runs import Findings
from harness.reporting.claims.verdict import NOT_COMPARABLE
from harness.reporting.words import header, interval, number, signed

DIRECTION = "better"


def lines_of(found: Findings) -> Iterator[str]:
    """Yield the verdicts, a block of lines for each claim; short lines, for any terminal."""
    method = found.method
    yield f"Claims of the paper, {method.label} at size {method.size}"
    for judged in found.judged:
        claim = judged.claim
        yield ""
        yield f"{judged.verdict.upper()}: {claim.says}"
        yield f"  [{claim.standing.replace('_', ' ')}: {claim.source}]"
        yield from (f"  {line}" for one in judged.findings for line in finding_lines(judged, one))
    yield ""
    if found.seeds == 1:
        yield "Intervals are over the items of one seed; they say nothing of other trainings."
    yield from found.faults


def finding_lines(judged: Judged, one: Finding) -> Iterator[str]:
    """Yield what one metric says of a claim; lines that explain begin with spaces."""
    benchmark, _, last = one.metric.partition("/")
    metric = next(each for each in load_benchmark(benchmark).metrics if each.name == last)
    parts = [f"{header(benchmark, metric)}: {one.verdict}"]
    direction = judged.claim.quantity in (DIRECTION, "beyond")
    if one.paper is not None:
        parts.append(f"paper {number(one.paper, one.unit)}")
    if one.ours is not None:
        own = signed(one.ours, one.unit) if direction else number(one.ours, one.unit)
        name = "ours better by" if direction else "ours"
        parts.append(f"{name} {own}{_interval(one, direction)}")
    if one.difference is not None:
        parts.append(f"difference {signed(one.difference, one.unit)}")
    yield "; ".join(parts)
    if one.why:
        yield f"  {one.why}"
    settings = {each.setting for each in judged.findings if each.metric == one.metric}
    if one.setting is not None and one.verdict != NOT_COMPARABLE and len(settings) > 1:
        setting = one.setting
        yield f"  judge {setting.judge}; protocol {setting.protocol}; data {setting.data}"


def _interval(one: Finding, direction: bool) -> str:
    if one.low is None or one.high is None:
        return ""
    if direction:
        return f" ({signed(one.low, one.unit)} to {signed(one.high, one.unit)})"
    return f" ({interval(one.low, one.high, one.unit)})"


def as_json(found: Findings) -> list[dict[str, Any]]:
    """Return the verdicts as JSON can hold them."""
    return [
        {
            "claim": judged.name,
            "verdict": judged.verdict,
            **judged.claim.model_dump(mode="json", include={"says", "source", "standing"}),
            "findings": [dataclasses.asdict(one) for one in judged.findings],
        }
        for judged in found.judged
    ]
