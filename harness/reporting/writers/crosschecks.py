"""The section that puts lmms-eval's own scores beside ours, for the same answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.types import Benchmark
from harness.evaluation.crosscheck.crosscheck import CrossCheck
from harness.reporting.compare import RunResult
from harness.reporting.words import MISSING, benchmark_name, escaped, grid, metric_name, number
from harness.settings.spec import drawn

Checked = tuple[RunResult, Mapping[str, CrossCheck]]
"""A run, and its checks by benchmark."""

HEADERS = ("Method", "Run", "Metric", "ours", "lmms-eval", "lmms-eval's judge")


def crosscheck_section(checked: Sequence[Checked], benchmarks: Sequence[Benchmark[Any]]) -> str:
    """Return the section in Markdown; empty if no run was checked.

    The two numbers come from different judges and readings, so they need not be equal; a check
    whose judging failed has no number, and the reason stands below.
    """
    lines = [line for run, checks in checked for line in _lines(run, checks, benchmarks)]
    if not lines:
        return ""
    parts = [
        "## Cross-check with lmms-eval's own tasks",
        "The same answers, judged and read by lmms-eval. Not comparable to the digit: judge, "
        "prompt and parsing are its own.",
        grid(HEADERS, lines),
    ]
    reasons = [
        f"- {escaped(run.label)}, {drawn(*run.draw)}, {escaped(benchmark_name(name))}: no number, "
        f"because {escaped(check.dropped)}"
        for run, checks in checked
        for name, check in checks.items()
        if check.dropped
    ]
    return "\n\n".join([*parts, *(["\n".join(reasons)] if reasons else [])])


def _lines(
    run: RunResult, checks: Mapping[str, CrossCheck], benchmarks: Sequence[Benchmark[Any]]
) -> Iterator[list[str]]:
    """Yield one row per headline number that lmms-eval gives too."""
    for benchmark in benchmarks:
        check = checks.get(benchmark.name)
        for metric in benchmark.metrics if check else ():
            if check is None or not metric.headline:
                continue
            card = run.scorecards.get(benchmark.name)
            ours = card.official.get(metric.name) if card else None
            theirs = check.values.get(metric.name)
            version = f"{check.judge}, lmms-eval {check.lmms_eval}"
            yield [
                escaped(run.label),
                drawn(*run.draw),
                escaped(f"{benchmark_name(benchmark.name)} {metric_name(metric.name)}"),
                *(
                    MISSING if value is None else number(value, metric.unit)
                    for value in (ours, theirs)
                ),
                escaped(version),
            ]
