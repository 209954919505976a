"""The tables of a report, as plain text: the template escapes every cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.types import LLMJudge, Metric
from harness.registry import load_benchmark
from harness.report.apart import Apart, Differences
from harness.reporting.alike import unlike
from harness.reporting.compare import (
    Cell,
    Column,
    Comparison,
    Row,
    Setting,
    cell_of,
    metrics_in,
)
from harness.reporting.words import (
    MISSING,
    benchmark_name,
    estimate,
    metric_name,
    signed,
)
from harness.settings.spec import drawn

APART_NOTE = (
    "With the 95 % interval: over the items of the runs (all questions about a picture drawn "
    "together), or, of several worlds, over these. Bold: told apart from zero after Holm's "
    "correction over all differences. The others cannot be told apart by these runs."
)


@dataclass(frozen=True)
class TableCell:
    """A text, and the class that says what is special about it."""

    text: str
    mark: str = ""


@dataclass(frozen=True)
class TableRow:
    """A heading and its cells."""

    label: str
    cells: Sequence[TableCell]


@dataclass(frozen=True)
class Table:
    """A table with a caption, and what is said below it."""

    caption: str
    head: Sequence[str]
    rows: Sequence[TableRow]
    notes: Sequence[str] = field(default_factory=tuple)


def results_table(comparison: Comparison) -> Table:
    """Return the comparison: a row for every method, a column for every headline metric."""
    rows = [
        TableRow(
            row.label,
            [
                TableCell(str(len(row.runs))),
                *(_cell(comparison, row, column) for column in comparison.columns),
            ],
        )
        for row in comparison.rows
    ]
    head = ["Method", "Runs", *(column.header for column in comparison.columns)]
    counted = "Numbers count as the published scripts count. Bold: best of the rows."
    notes = [counted, *unlike(comparison), *_settings(comparison)]
    return Table(f"Comparison, size {comparison.size}", head, rows, notes)


def _cell(comparison: Comparison, row: Row, column: Column) -> TableCell:
    cell = row.cells.get(column)
    if cell is None:
        return TableCell(MISSING)
    if cell.is_withheld:
        return TableCell("unreadable")
    mark = "best" if comparison.is_best(row, column) else ""
    return TableCell(estimate(cell.official, column.metric.unit), mark)


def _settings(comparison: Comparison) -> Iterator[str]:
    """Yield who judged every benchmark, on which data, and what could not be scored."""
    for key in dict.fromkeys((one.benchmark, one.setting, one.mark) for one in comparison.columns):
        name, setting, mark = key
        counts = (
            f"{row.label} {cell.unscored} unscored, {cell.empty} empty of {cell.samples}"
            + (f", {cell.missing} not answered" if cell.missing else "")
            for row in comparison.rows
            if (cell := _any_cell(row, name, setting))
            and (cell.unscored or cell.empty or cell.missing)
        )
        told = [f"judge {setting.judge}", f"data {setting.data}", f"protocol {setting.protocol}"]
        yield f"{benchmark_name(name)}{f' {mark}' if mark else ''}: {'; '.join([*told, *counts])}."


def _any_cell(row: Row, benchmark: str, setting: Setting) -> Cell | None:
    found = (
        cell
        for column, cell in row.cells.items()
        if column.benchmark == benchmark and column.setting == setting
    )
    return next(found, None)


def apart_tables(comparison: Comparison, differences: Differences) -> Iterator[Table]:
    """Yield what can be told apart from the base model and from DPO."""
    for reference, found in differences.items():
        if not found:
            continue
        rows = [
            TableRow(
                label,
                [_apart(found.get((label, column)), column) for column in comparison.columns],
            )
            for label in dict.fromkeys(label for label, _ in found)
        ]
        head = ["Method", *(column.header for column in comparison.columns)]
        notes = [APART_NOTE, *unlike(comparison)]
        yield Table(f"Differences from {reference}", head, rows, notes)


def _apart(one: Apart | None, column: Column) -> TableCell:
    if one is None or one.low is None or one.high is None:
        return TableCell(MISSING)
    unit = column.metric.unit
    text = f"{signed(one.value, unit)} ({signed(one.low, unit)} to {signed(one.high, unit)})"
    return TableCell(text, "apart" if one.is_shown else "")


Cells = Mapping[str, Mapping[str, Cell]]
"""Metric -> label of a row -> number."""


def parts_of(comparison: Comparison, name: str) -> tuple[list[Metric], Cells]:
    """Return the metrics of a benchmark that the comparison has no column for, and their cells.

    Where it was judged in several settings, those of the first.
    """
    benchmark: Any = load_benchmark(name)
    judged = isinstance(benchmark.annotator, LLMJudge)
    settings = [column.setting for column in comparison.columns if column.benchmark == name]
    cards = {
        row.label: {
            run.draw: card
            for run in row.runs
            if (card := run.scorecards.get(name)) and Setting.of(card) in settings[:1]
        }
        for row in comparison.rows
    }
    metrics = [
        metric
        for metric in metrics_in(benchmark, [one for of in cards.values() for one in of.values()])
        if not metric.headline
    ]
    cells = {
        metric.name: {
            label: cell
            for label, of in cards.items()
            if (cell := cell_of(of, metric.name, judged=judged)) and not cell.is_withheld
        }
        for metric in metrics
    }
    return [one for one in metrics if cells[one.name]], {k: v for k, v in cells.items() if v}


def parts_table(
    comparison: Comparison, name: str, metrics: Sequence[Metric], cells: Cells
) -> Table:
    """Return the parts of a benchmark, a column for every method."""
    labels = [row.label for row in comparison.rows]
    rows = [
        TableRow(
            metric_name(metric.name),
            [
                TableCell(estimate(cell.official, metric.unit) if cell else MISSING)
                for cell in (cells[metric.name].get(label) for label in labels)
            ],
        )
        for metric in metrics
    ]
    return Table(f"{benchmark_name(name)} by part", ["Part", *labels], rows, unlike(comparison))


def provenance_lines(comparison: Comparison) -> list[str]:
    """Return what made every run, a line each."""
    lines = []
    for row in comparison.rows:
        for run in row.runs:
            name = f"{run.label}, {drawn(*run.draw)}"
            facts = "; ".join(f"{key} {value}" for key, value in run.provenance.items())
            lines.append(f"{name}: {facts or 'not recorded'}")
    return lines
