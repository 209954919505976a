"""Write the tables of one size: Markdown for people, long-form CSV for programs."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from benchmarks.types import Benchmark
from harness.files.atomic import write_atomically
from harness.reporting.compare import Comparison, Row, RunResult, compare
from harness.reporting.crosschecks import Checked, crosscheck_section
from harness.reporting.markdown import cell_text, comparison_markdown
from harness.reporting.published import FOLDER, PublishedValue, read_published
from harness.reporting.run_table import run_markdown
from harness.reporting.words import MISSING

COUNTS = ("samples", "scored", "unscored", "empty")


@dataclass(frozen=True)
class Record:
    """One line of a CSV: one number, with everything needed to understand it alone."""

    method: str
    variant: str
    model: str
    size: str
    seed: str
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


def write_tables(
    runs: Sequence[RunResult],
    size: str,
    out: Path,
    benchmarks: Sequence[Benchmark[Any]],
    published: Path = FOLDER,
    checked: Sequence[Checked] = (),
) -> str:
    """Write the tables of one size into `out` and return the comparison as Markdown.

    `<method>[-<variant>]-<size>` holds one method, `comparison-<size>` all of them; each as .md
    and .csv, replaced as a whole.

    Raises:
        ConfigError: Two runs of one label share a seed.
        DataError: A published number lacks its judge, its source or something else.
    """
    # The tiny world is not what papers evaluate on, so it needs none of their numbers.
    values = [] if size == "tiny" else read_published(published)
    comparison = compare(runs, size, benchmarks, values)
    for row in comparison.rows:
        stem = out / file_stem(row.runs[0])
        write_atomically(stem.with_name(f"{stem.name}.md"), run_markdown(row, size, benchmarks))
        write_atomically(stem.with_name(f"{stem.name}.csv"), csv_text(run_records(row, benchmarks)))
    records = [record for row in comparison.rows for record in run_records(row, benchmarks)]
    records += [published_record(value) for value in comparison.published]
    text = comparison_markdown(comparison, benchmarks)
    if section := crosscheck_section(checked, benchmarks):
        text += f"\n{section}\n"
    write_atomically(out / f"comparison-{size}.csv", csv_text(records))
    write_atomically(out / f"comparison-{size}.md", text)
    return text


def file_stem(run: RunResult) -> str:
    """Return the file name of a method's table without its ending."""
    return "-".join(part for part in (run.method, run.variant, run.size) if part)


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
    for metric in benchmark.metrics:
        for kind, values in (("official", card.official), ("careful", card.careful)):
            if metric.name in values:
                yield Record(
                    method=run.method,
                    variant=run.variant or "",
                    model="",
                    size=run.size,
                    seed=str(run.seed),
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
        benchmark=value.benchmark,
        metric=value.metric,
        value=repr(value.value),
        kind="published",
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


def rich_table(comparison: Comparison, title: str = "Comparison") -> Table:
    """Return the rows of runs for a terminal."""
    table = Table(title=escape(f"{title}, size {comparison.size}"))
    table.add_column("Method")
    for column in comparison.columns:
        table.add_column(column.header, justify="right")
    for row in comparison.rows:
        cells = []
        for column in comparison.columns:
            cell = row.cells.get(column)
            text = cell_text(cell, column.metric.unit, len(row.runs)) if cell else MISSING
            cells.append(f"[bold]{text}[/bold]" if comparison.is_best(row, column) else text)
        table.add_row(escape(row.label), *cells)
    return table
