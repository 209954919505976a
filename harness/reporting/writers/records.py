"""Rows of the CSV files: one metric of one run, with where it comes from."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchmarks.types import Benchmark
from harness.reporting.compare import Row, RunResult, metrics_in
from harness.reporting.published import PublishedValue

COUNTS = ("samples", "scored", "unscored", "empty")
PUBLISHED = "published"
"""Kind of a number that was not measured here."""


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
    """official: as the published script counts; careful: without unreadable replies; published."""
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


def run_records(row: Row, benchmarks: Sequence[Benchmark[Any]]) -> list[Record]:
    """Return all numbers of one method, by seed, benchmark and metric."""
    return [
        record
        for run in row.runs
        for benchmark in benchmarks
        if benchmark.name in run.scorecards
        for record in _scorecard_records(run, benchmark)
    ]


def _scorecard_records(run: RunResult, benchmark: Benchmark[Any]) -> Iterable[Record]:
    card = run.scorecards[benchmark.name]
    counts = {name: str(card.counts.get(name, "")) for name in COUNTS}
    for metric in metrics_in(benchmark, [card]):
        for kind, values in (("official", card.official), ("careful", card.careful)):
            if metric.name in values:
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
                    **counts,
                )


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


def csv_text(records: Iterable[Record]) -> str:
    """Return CSV with one line per record."""
    buffer = io.StringIO()
    names = [field.name for field in fields(Record)]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    return buffer.getvalue()
