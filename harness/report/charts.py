"""The charts of a report, each with the words that a reader without eyes needs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.apart import Apart, Differences
from harness.report.curves import Curve
from harness.report.svg import Dot, DotRow, Line, dots, lines
from harness.reporting.alike import BASE, paired
from harness.reporting.compare import Cell, Column, Comparison, Row, by_world
from harness.reporting.statistics import estimate_of
from harness.reporting.words import benchmark_name, metric_name, signed

Series = Mapping[str, int]
"""Label of a method -> number of its colour and mark."""


@dataclass(frozen=True)
class Chart:
    """A picture with a caption."""

    title: str
    svg: Markup
    note: str = ""


def forest(comparison: Comparison, found: Differences, series: Series) -> Iterator[Chart]:
    """Yield for every benchmark how far the methods are from the base model.

    The interval is that of the mean difference over seeds and worlds; where one run says nothing of
    spread, there is the difference alone. It is drawn over the worlds that both are from.
    """
    base = _row(comparison, BASE)
    if base is None:
        return
    known = found[BASE]
    for name in dict.fromkeys(column.benchmark for column in comparison.columns):
        rows = []
        for column in (one for one in comparison.columns if one.benchmark == name):
            measured = [
                _difference(row, base, column, series, known.get((row.label, column)))
                for row in comparison.rows
                if row.label != BASE
            ]
            if drawn := [one for one in measured if one is not None]:
                rows.append(DotRow(_metric(column), drawn))
        if rows:
            title = f"{benchmark_name(name)}: difference from the base model"
            yield Chart(title, dots(rows, "difference", in_words(title, rows), zero=True))


def _difference(
    row: Row, base: Row, column: Column, series: Series, known: Apart | None
) -> Dot | None:
    means = _means(row, base, column)
    if means is None:
        return None
    value = known.value if known else means[0] - means[1]
    if not math.isfinite(value):
        return None
    unit, told = column.metric.unit, f"{row.label}: "
    if known is None or known.low is None or known.high is None:
        return Dot(series[row.label], value, told=told + signed(value, unit))
    told += f"{signed(value, unit)} ({signed(known.low, unit)} to {signed(known.high, unit)})"
    return Dot(series[row.label], value, known.low, known.high, told)


def profile(comparison: Comparison, series: Series) -> Chart | None:
    """Return all metrics relative to the base model, in percent of its value; right is better."""
    base = _row(comparison, BASE)
    if base is None:
        return None
    rows = []
    for column in comparison.columns:
        sign = 1 if column.metric.higher_is_better else -1
        found = []
        for row in comparison.rows:
            means = _means(row, base, column) if row.label != BASE else None
            if means is not None and means[1]:
                change = sign * (means[0] / means[1] - 1) * 100
                told = f"{row.label}: {abs(change):.1f} % {'better' if change >= 0 else 'worse'}"
                found.append(Dot(series[row.label], change, told=told))
        if found:
            rows.append(DotRow(f"{benchmark_name(column.benchmark)} {_metric(column)}", found))
    if not rows:
        return None
    title = "All metrics relative to the base model"
    unit = "percent of the base model's value; to the right is better"
    return Chart(title, dots(rows, unit, in_words(title, rows), zero=True))


def breakdown(
    benchmark: str, cells: Mapping[str, Mapping[str, Cell]], series: Series, unit: str
) -> Chart:
    """Return the parts of a benchmark: metric -> method -> number."""
    rows = [
        DotRow(
            metric_name(name),
            [
                Dot(series[label], cell.official.mean, told=f"{label}: {cell.official.mean:.4g}")
                for label, cell in of.items()
                if math.isfinite(cell.official.mean)
            ],
        )
        for name, of in cells.items()
    ]
    title = f"{benchmark_name(benchmark)}: by part"
    return Chart(title, dots(rows, unit, in_words(title, rows)))


def training(found: Mapping[str, Sequence[Curve]], series: Series) -> Iterator[Chart]:
    """Yield a chart for every quantity that was measured in training."""
    for key, curves in found.items():
        drawn = [Line(series[one.label], one.steps, one.mean, one.low, one.high) for one in curves]
        ends = [f"{one.label} from {one.mean[0]:.4g} to {one.mean[-1]:.4g}" for one in curves]
        title = key.replace("_", " ").replace("/", ", ")
        yield Chart(title, lines(drawn, "step", f"{title} by step: {'; '.join(ends)}"))


def _metric(column: Column) -> str:
    arrow = "↑" if column.metric.higher_is_better else "↓"
    return f"{metric_name(column.metric.name)} {arrow} {column.mark}".strip()


def _row(comparison: Comparison, label: str) -> Row | None:
    return next((row for row in comparison.rows if row.label == label), None)


def _means(row: Row, base: Row, column: Column) -> tuple[float, float] | None:
    """Return the means of a row and of the base model over the worlds that both are from."""
    found = paired(row, base, column)
    if not found or not all(math.isfinite(value) for pair in found.values() for value in pair):
        return None
    ours, theirs = (
        estimate_of(by_world({draw: pair[place] for draw, pair in found.items()})).mean
        for place in (0, 1)
    )
    return ours, theirs


def in_words(title: str, rows: Sequence[DotRow]) -> str:
    """Return the whole chart in words."""
    told = (f"{row.label}: {'; '.join(dot.told for dot in row.dots)}" for row in rows)
    return f"{title}. {'. '.join(told)}."
