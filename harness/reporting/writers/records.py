"""Rows of the CSV files: one metric of one run, with where it comes from."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from benchmarks.types import Benchmark
from harness.evaluation.guard.records import Guarded
from harness.reporting.abilities import AbilityRow, abilities, by_setting
from harness.reporting.compare import Comparison, Row, RunResult, Setting, metrics_in
from harness.reporting.over_items.differences import Difference
from harness.reporting.published import PublishedValue

COUNTS = ("samples", "scored", "unscored", "empty")
PUBLISHED = "published"
"""Kind of a number that was not measured here."""
DIFFERENCE = "difference"
PROVENANCE = "provenance"
"""Kind of an object of the JSON that says what made a run."""
ABILITY = "general_ability"
"""Kind of a number of lmms-eval's own tasks."""
_Z = 1.96
"""Standard errors on each side that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Record:
    """One line of a CSV: one number, with everything needed to understand it alone."""

    method: str
    variant: str
    model: str
    size: str
    seed: str
    world: str
    benchmark: str
    metric: str
    value: str
    kind: str
    """official: as the published script counts; careful: without unreadable replies; difference;
    general_ability: of a task of lmms-eval, in its own scale; published."""
    unit: str
    judge: str
    protocol: str
    data: str
    samples: str = ""
    scored: str = ""
    unscored: str = ""
    empty: str = ""
    standing: str = ""
    source: str = ""
    low: str = ""
    """Of the 95 % interval: of a single seed over its items, of a difference over both."""
    high: str = ""
    against: str = ""
    """The row that a difference is from."""
    p: str = ""
    """Holm's, over the table."""
    smallest: str = ""
    """The smallest true difference that would be shown in 80 of 100 cases."""


def comparison_records(
    comparison: Comparison, benchmarks: Sequence[Benchmark[Any]], differences: Iterable[Difference]
) -> list[Record]:
    """Return all numbers of a comparison: of its runs, their differences, and published ones."""
    records = [record for row in comparison.rows for record in run_records(row, benchmarks)]
    records += [difference_record(one, comparison) for one in differences]
    runs = [run for row in comparison.rows for run in row.runs]
    records += [_ability_difference(row, runs) for row in abilities(runs) if row.difference]
    records += [published_record(value) for value in comparison.published]
    return records


def run_records(row: Row, benchmarks: Sequence[Benchmark[Any]]) -> list[Record]:
    """Return all numbers of one method, by seed, benchmark and metric."""
    records = [
        record
        for run in row.runs
        for benchmark in benchmarks
        if benchmark.name in run.scorecards
        for record in _scorecard_records(run, benchmark, _intervals(row, run, benchmark))
    ]
    return records + [
        record for run in row.runs for one in run.guard for record in _ability_records(run, one)
    ]


def _ability_records(run: RunResult, found: Guarded) -> Iterable[Record]:
    """Yield the numbers of one task; of one that failed a line without a number, and why."""
    plain = Record(
        method=run.method,
        variant=run.variant or "",
        model="",
        size=run.size,
        seed=str(run.seed),
        world=str(run.world),
        benchmark=found.task,
        metric="",
        value="",
        kind=ABILITY,
        unit="",
        judge="",
        protocol=_protocol(found),
        data=str(found.identity.get("data", "")),
        samples=str(found.items),
    )
    if found.failed:
        yield replace(plain, standing=f"no number: {found.failed}")
    for name, one in found.metrics.items():
        spread = None if one.stderr is None else _Z * one.stderr
        low, high = (None, None) if spread is None else (one.value - spread, one.value + spread)
        yield replace(
            plain, metric=name, value=repr(one.value), low=_number(low), high=_number(high)
        )


def _ability_difference(row: AbilityRow, runs: Sequence[RunResult]) -> Record:
    """Return how a method differs from its base model in a task, as a line of the CSV."""
    run, found = next(
        (run, one) for run, one in by_setting(runs)[row.task] if run.label == row.label
    )
    estimate = row.difference
    width = None if estimate is None else estimate.half_width
    mean = 0.0 if estimate is None else estimate.mean
    low, high = (None, None) if width is None else (mean - width, mean + width)
    return Record(
        method=run.method,
        variant=run.variant or "",
        model="",
        size=run.size,
        seed="",
        world="",
        benchmark=found.task,
        metric=row.metric,
        value=_number(mean),
        kind=DIFFERENCE,
        unit="",
        judge="",
        protocol=_protocol(found),
        data=str(found.identity.get("data", "")),
        low=_number(low),
        high=_number(high),
        against="base",
    )


def _protocol(found: Guarded) -> str:
    told = found.identity
    return f"lmms-eval {told.get('lmms_eval')}, task version {told.get('version')}"


def _intervals(
    row: Row, run: RunResult, benchmark: Benchmark[Any]
) -> Mapping[str, tuple[float, float]]:
    """Return the intervals over items of the run's own cells, by metric."""
    setting = Setting.of(run.scorecards[benchmark.name])
    return {
        column.metric.name: (measured.low, measured.high)
        for column, cell in row.cells.items()
        if (column.benchmark, column.setting) == (benchmark.name, setting)
        and (measured := cell.over_items) is not None
        and measured.low is not None
        and measured.high is not None
    }


def _scorecard_records(
    run: RunResult, benchmark: Benchmark[Any], intervals: Mapping[str, tuple[float, float]]
) -> Iterable[Record]:
    card = run.scorecards[benchmark.name]
    counts = {name: str(card.counts.get(name, "")) for name in COUNTS}
    for metric in metrics_in(benchmark, [card]):
        for kind, values in (("official", card.official), ("careful", card.careful)):
            if metric.name in values:
                known = intervals.get(metric.name) if kind == "official" else None
                low, high = map(_number, known or (None, None))
                yield Record(
                    method=run.method,
                    variant=run.variant or "",
                    model="",
                    size=run.size,
                    seed=str(run.seed),
                    world=str(run.world),
                    benchmark=card.benchmark,
                    metric=metric.name,
                    value=repr(float(values[metric.name])),
                    kind=kind,
                    unit=metric.unit,
                    judge=card.judge,
                    protocol=card.protocol,
                    data=card.data,
                    low=low,
                    high=high,
                    **counts,
                )


def difference_record(one: Difference, comparison: Comparison) -> Record:
    """Return a difference between two rows as a line of the CSV."""
    run = next(row.runs[0] for row in comparison.rows if row.label == one.row)
    column, measured = one.column, one.measured
    return Record(
        method=run.method,
        variant=run.variant or "",
        model="",
        size=run.size,
        seed="",
        world="",
        benchmark=column.benchmark,
        metric=column.metric.name,
        value=_number(measured.value),
        kind=DIFFERENCE,
        unit=column.metric.unit,
        judge=column.setting.judge,
        protocol=column.setting.protocol,
        data=column.setting.data,
        low=_number(measured.low),
        high=_number(measured.high),
        against=one.against,
        p=_number(one.adjusted),
        smallest=_number(measured.smallest),
    )


def _number(value: float | None) -> str:
    """Return a measured number; its last digits are those of chance."""
    return "" if value is None else f"{value:.6g}"


def published_record(value: PublishedValue) -> Record:
    """Return a published number as a line of the CSV."""
    return Record(
        method=value.method,
        variant="",
        model=value.model,
        size="",
        seed="",
        world="",
        benchmark=value.benchmark,
        metric=value.metric,
        value=repr(value.value),
        kind=PUBLISHED,
        unit=value.unit,
        judge=value.judge,
        protocol="",
        data=value.data_version,
        standing=value.standing,
        source=f"{value.paper}, {value.table_or_figure}: {value.source}",
    )


def json_text(records: Iterable[Record], made: Sequence[Mapping[str, object]] = ()) -> str:
    """Return a JSON list with one object per record, then what made the runs.

    What a record does not say is left out.
    """
    rows = [
        {key: _as_number(key, value) for key, value in asdict(record).items() if value}
        for record in records
    ]
    return json.dumps([*rows, *made], indent=2, ensure_ascii=False) + "\n"


def _as_number(key: str, value: str) -> str | float | int:
    if key in ("value", "low", "high", "p", "smallest"):
        return float(value)
    return int(value) if key in ("seed", "world", *COUNTS) else value


def csv_text(records: Iterable[Record]) -> str:
    """Return CSV with one line per record."""
    buffer = io.StringIO()
    names = [field.name for field in fields(Record)]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    return buffer.getvalue()
