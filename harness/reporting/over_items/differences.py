"""Every row of a comparison against base and against DPO, on the same items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.reporting.alike import AGAINST, BASE, shared_draws
from harness.reporting.compare import Column, Comparison, Draw, Row, Setting
from harness.reporting.over_items.drawing import RowItems, row_items, statistics_of
from harness.statistics.compare import LEVEL, holm, permutation, student
from harness.statistics.measure import Measured, measure


@dataclass(frozen=True)
class Difference:
    """One metric of a row less that of another, on the same items."""

    column: Column
    row: str
    against: str
    measured: Measured
    p: float
    """By permutation of pictures; by the error over items and seeds where there are several."""
    adjusted: float = 1.0
    """Holm's, over all differences of the table."""

    @property
    def is_shown(self) -> bool:
        """Whether the two rows can be told apart."""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class OverItems:
    """What the items of a comparison's runs say about its numbers."""

    intervals: Mapping[tuple[str, Column], Measured]
    """By label of the row: of rows with one seed, whose seeds say nothing."""
    differences: tuple[Difference, ...]
    faults: tuple[str, ...]
    """Files of items that say nothing, and why."""


NOTHING = OverItems({}, (), ())


def with_intervals(comparison: Comparison, found: OverItems) -> Comparison:
    """Return the comparison with the intervals over items in its cells."""
    rows = [
        replace(
            row,
            cells={
                column: replace(cell, over_items=found.intervals.get((row.label, column)))
                for column, cell in row.cells.items()
            },
        )
        for row in comparison.rows
    ]
    return replace(comparison, rows=tuple(rows))


def over_items(comparison: Comparison) -> OverItems:
    """Measure the rows of a comparison; a row without stored items has neither.

    Rows over several worlds are of other items in each: how they differ, `over_runs` says.
    """
    if comparison.worlds > 1:
        return NOTHING
    columns: dict[tuple[str, Setting], list[Column]] = {}
    for column in comparison.columns:
        columns.setdefault((column.benchmark, column.setting), []).append(column)
    parts = [_of_setting(comparison, own) for own in columns.values()]
    differences = [one for part in parts for one in part.differences]
    adjusted = holm([one.p for one in differences])
    found = [replace(one, adjusted=p) for one, p in zip(differences, adjusted, strict=True)]
    return OverItems(
        {key: value for part in parts for key, value in part.intervals.items()},
        tuple(sorted(found, key=lambda one: AGAINST.index(one.against))),
        tuple(dict.fromkeys(fault for part in parts for fault in part.faults)),
    )


def _of_setting(comparison: Comparison, columns: Sequence[Column]) -> OverItems:
    """Measure the rows in the columns of one benchmark and setting."""
    benchmark, setting = columns[0].benchmark, columns[0].setting
    files = {row.label: _files(row, benchmark, setting) for row in comparison.rows}
    rows, faults = row_items(benchmark, [one.metric.name for one in columns], files)
    shown = {
        row.label: [one for one in columns if (cell := row.cells.get(one)) and not cell.is_withheld]
        for row in comparison.rows
    }
    intervals = {
        (label, column): measured
        for label, row in rows.items()
        for column in shown[label]
        if (measured := _interval(row, column.metric.name)) is not None
    }
    differences = [
        one
        for (label, first), (against, second) in _pairs(rows)
        for one in _differences(
            [one for one in shown[label] if one in shown[against]],
            (label, first),
            (against, second),
        )
    ]
    order = {column: place for place, column in enumerate(columns)}
    return OverItems(
        intervals,
        tuple(sorted(differences, key=lambda one: order[one.column])),
        tuple(faults),
    )


Pair = tuple[tuple[str, RowItems], tuple[str, RowItems]]


def _pairs(rows: Mapping[str, RowItems]) -> Iterator[Pair]:
    """Yield row and the row it is compared with, by label; no two the other way round as well.

    Of both only what was trained with the same seeds; rows that share none are not compared.
    """
    for place, against in enumerate(AGAINST):
        for label, row in rows.items():
            if label in AGAINST[: place + 1] or against not in rows:
                continue
            other = rows[against]
            shared = shared_draws(row.runs, other.runs, with_base=against == BASE)
            if shared and row.is_over_the_items_of(other):
                yield (
                    (label, row.of(shared)),
                    (
                        against,
                        other if against == BASE else other.of(shared),
                    ),
                )


def difference(first: Any, second: Any) -> Any:
    """Return how much the first is above the second."""
    return first - second


def p_values(
    benchmark: str,
    measured: Mapping[str, Measured],
    first: RowItems,
    second: RowItems,
) -> list[float]:
    """Return the p-values of differences of two rows, by metric."""
    if len(first.runs) == len(second.runs) == 1:
        tables = first.first.table, second.first.table
        return permutation(*tables, statistics_of(benchmark, measured))
    return [student(one) for one in measured.values()]


def _files(row: Row, benchmark: str, setting: Setting) -> dict[Draw, Path]:
    """Return the items of the seeds that were judged in a setting, by world and seed."""
    return {
        run.draw: run.items[benchmark]
        for run in row.runs
        if benchmark in run.items and Setting.of(run.scorecards[benchmark]) == setting
    }


def _interval(row: RowItems, metric: str) -> Measured | None:
    """Return the interval over items of a row with one seed; several have theirs over seeds."""
    sampled = row.metric(metric)
    if sampled is None or len(row.runs) > 1:
        return None
    return measure(lambda value: value, row.clusters, sampled)


def _differences(
    columns: Sequence[Column], row: tuple[str, RowItems], other: tuple[str, RowItems]
) -> Iterator[Difference]:
    (label, first), (against, second) = row, other
    measured: dict[str, Measured] = {}
    for column in columns:
        one, two = first.metric(column.metric.name), second.metric(column.metric.name)
        if one is not None and two is not None:
            measured[column.metric.name] = measure(difference, first.clusters, one, two)
    if not measured:
        return
    values = p_values(columns[0].benchmark, measured, first, second)
    named = {column.metric.name: column for column in columns}
    for name, p in zip(measured, values, strict=True):
        yield Difference(named[name], label, against, measured[name], p)
