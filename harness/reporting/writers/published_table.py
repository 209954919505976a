"""Published numbers below a comparison: one table per source, because papers differ in judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.types import Benchmark, Metric
from harness.reporting.compare import Comparison
from harness.reporting.published import PublishedValue
from harness.reporting.words import MISSING, benchmark_name, escaped, grid, header, number


@dataclass(frozen=True)
class _Column:
    """One metric under one judge and one version of the data."""

    benchmark: str
    metric: Metric
    judge: str
    data: str
    mark: str

    @property
    def header(self) -> str:
        return f"{header(self.benchmark, self.metric)} {self.mark}".strip()

    def holds(self, value: PublishedValue) -> bool:
        return (self.benchmark, self.metric.name, self.judge, self.data) == (
            value.benchmark,
            value.metric,
            value.judge,
            value.data_version,
        )


def published_section(comparison: Comparison, benchmarks: Sequence[Benchmark[Any]]) -> str:
    """Return a table per paper and table or figure, or why there is none.

    Two sources never share a table: where neither states its judge, it need not be the same.
    """
    if comparison.size == "tiny":
        return (
            "None: the tiny world has images, questions and a judge of its own, so its numbers "
            "compare with each other only."
        )
    headline = {
        (benchmark.name, metric.name)
        for benchmark in benchmarks
        for metric in benchmark.metrics
        if metric.headline
    }
    groups: dict[str, list[PublishedValue]] = {}
    for value in comparison.published:
        if (value.benchmark, value.metric) in headline:
            groups.setdefault(_source(value), []).append(value)
    tables = [_table(source, values, benchmarks) for source, values in groups.items()]
    return "\n\n".join(tables) or "None for this size."


def _source(value: PublishedValue) -> str:
    return f"{value.paper}, {value.table_or_figure} ({value.standing.replace('_', ' ')})"


def _table(
    source: str, values: Sequence[PublishedValue], benchmarks: Sequence[Benchmark[Any]]
) -> str:
    columns = [column for benchmark in benchmarks for column in _columns(benchmark, values)]
    rows = []
    for label in dict.fromkeys(map(_label, values)):
        own = [value for value in values if _label(value) == label]
        rows.append([escaped(label), *(_cell(own, column) for column in columns)])
    notes = [*_settings(columns), *dict.fromkeys(escaped(value.source) for value in values)]
    return "\n\n".join(
        [
            f"### {escaped(source)}",
            grid(["Method", *(escaped(column.header) for column in columns)], rows),
            "\n".join(f"- {note}" for note in notes),
        ]
    )


def _columns(benchmark: Benchmark[Any], values: Sequence[PublishedValue]) -> list[_Column]:
    own = [value for value in values if value.benchmark == benchmark.name]
    settings = list(dict.fromkeys((value.judge, value.data_version) for value in own))
    columns = [
        _Column(benchmark.name, metric, judge, data, f"({place})" if len(settings) > 1 else "")
        for place, (judge, data) in enumerate(settings, start=1)
        for metric in benchmark.metrics
        if metric.headline
    ]
    return [column for column in columns if any(map(column.holds, own))]


def _label(value: PublishedValue) -> str:
    return value.model if value.method == "none" else f"{value.method} ({value.model})"


def _cell(values: Sequence[PublishedValue], column: _Column) -> str:
    held = [value for value in values if column.holds(value)]
    return number(held[0].value, column.metric.unit) if held else MISSING


def _settings(columns: Sequence[_Column]) -> list[str]:
    seen = dict.fromkeys((one.benchmark, one.mark, one.judge, one.data) for one in columns)
    return [
        f"{escaped(f'{benchmark_name(benchmark)} {mark}'.strip())}: judge {escaped(judge)}; "
        f"data {escaped(data)}"
        for benchmark, mark, judge, data in seen
    ]
