"""The table of one method: every metric of every benchmark, run by run."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, Metric, Scorecard
from harness.reporting.compare import (
    Cell,
    Draw,
    Row,
    RunResult,
    Setting,
    cell_of,
    metrics_in,
    settings_of,
)
from harness.reporting.judge_card.card import lines_of
from harness.reporting.words import (
    MISSING,
    benchmark_name,
    escaped,
    estimate,
    grid,
    metric_name,
)
from harness.reporting.writers.remarks import remarks, warnings
from harness.settings.spec import drawn


def run_markdown(row: Row, size: str, benchmarks: Sequence[Benchmark[Any]]) -> str:
    """Return the document of one method at one size."""
    parts = [f"# {escaped(row.label)}, size {escaped(size)}"]
    for benchmark in benchmarks:
        for setting in settings_of(row.runs, benchmark.name):
            parts += _section(row.runs, benchmark, setting)
    provenance = {drawn(*run.draw): run.provenance for run in row.runs if run.provenance}
    if provenance:
        parts += ["## Provenance", _provenance(provenance)]
    return "\n\n".join(parts) + "\n"


def _section(
    runs: Sequence[RunResult], benchmark: Benchmark[Any], setting: Setting
) -> tuple[str, str, str]:
    cards = {
        run.draw: card
        for run in runs
        if (card := run.scorecards.get(benchmark.name)) and Setting.of(card) == setting
    }
    headers = ["Metric", *(drawn(*draw) for draw in cards), "mean", "without unreadable"]
    judged = isinstance(benchmark.annotator, LLMJudge)
    lines = [_line(metric, cards, judged) for metric in metrics_in(benchmark, cards.values())]
    counts = "; ".join(
        f"{drawn(*draw)}: "
        + ", ".join(f"{count} {escaped(name)}" for name, count in card.counts.items())
        for draw, card in cards.items()
    )
    facts = [
        f"judge {escaped(setting.judge)}",
        f"data `{setting.data}`",
        f"protocol {escaped(setting.protocol)}",
        *map(escaped, lines_of(benchmark.name, setting.judge)),
        counts,
        *_remarks(benchmark, cards),
    ]
    return (
        f"## {escaped(benchmark_name(benchmark.name))}",
        grid(headers, lines),
        "\n".join(f"- {fact}" for fact in facts),
    )


def _remarks(benchmark: Benchmark[Any], cards: Mapping[Draw, Scorecard]) -> list[str]:
    """Return every sentence once, with the runs that it holds for."""
    draws: dict[str, list[str]] = {}
    for draw, card in cards.items():
        for sentence in remarks(benchmark, card):
            draws.setdefault(sentence, []).append(drawn(*draw))
    loud = {sentence for card in cards.values() for sentence in warnings(card)}
    lines = []
    for sentence, held in draws.items():
        text = f"**{escaped(sentence)}**" if sentence in loud else escaped(sentence)
        lines.append(f"{', '.join(held)}: {text}" if len(held) < len(cards) else text)
    return lines


def _line(metric: Metric, cards: Mapping[Draw, Scorecard], judged: bool) -> list[str]:
    arrow = "↑" if metric.higher_is_better else "↓"
    unit = metric.unit
    own = [cell_of({draw: card}, metric.name, judged=judged) for draw, card in cards.items()]
    cell = cell_of(cards, metric.name, judged=judged)
    careful = (
        estimate(cell.careful, unit) if cell and cell.careful and not cell.is_withheld else MISSING
    )
    return [
        escaped(f"{metric_name(metric.name)} {arrow}"),
        *(_shown(one, unit) for one in own),
        _shown(cell, unit),
        careful,
    ]


def _shown(cell: Cell | None, unit: str) -> str:
    return MISSING if cell is None or cell.is_withheld else estimate(cell.official, unit)


def _provenance(provenance: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"- {seed}, {escaped(name)}: {escaped(value)}"
        for seed, facts in provenance.items()
        for name, value in facts.items()
    )
