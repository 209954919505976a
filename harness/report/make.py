"""Make a report: read the runs, draw the charts, write the page."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchmarks.types import Metric
from harness.files.atomic import write_text
from harness.files.faults import require_file
from harness.registry import load_benchmark
from harness.report import charts
from harness.report.apart import differences_of
from harness.report.browser import browser_data, items_of, shown_models
from harness.report.charts import Chart, Series
from harness.report.curves import curves
from harness.report.gather import Gathered, gather
from harness.report.page import render
from harness.report.parts.general_ability import abilities_table
from harness.report.parts.lengths import lengths, words_of
from harness.report.parts.margins import margins_part
from harness.report.pictures import Pictures
from harness.report.svg import mark
from harness.report.tables import (
    Cells,
    apart_tables,
    parts_of,
    parts_table,
    provenance_lines,
    results_table,
)
from harness.report.verdicts import verdicts_of
from harness.reporting.alike import unlike
from harness.reporting.compare import Comparison, compare
from harness.reporting.over_items.differences import with_intervals

_INTERVALS = (
    "A line is the 95 % interval of the difference: over the items, all of a picture together, and "
    "over seeds and worlds where there are several. Of single runs it says nothing of how far "
    "another training would be from it."
)
_TRAINING = "The mean over the runs of a method; the band spans from the least to the greatest run."
_ONE_RUN = "Of every method its first run is shown."
_EVERY_RUN = "All runs are shown."


def make_report(
    folders: Iterable[Path],
    to: Path,
    size: str | None = None,
    full: bool = False,
    judge: str | None = None,
) -> list[str]:
    """Write the report on the runs in folders, and return what is left out of it.

    Args:
        folders: Of runs, and of base models that were evaluated.
        to: The file to write.
        size: Which runs are meant, where there are several sizes.
        full: Whether the browser shows every run, and whole pictures lie in a folder beside `to`.
        judge: Whose judgements count where there are several: what its name holds.

    Raises:
        ConfigError: There is no run, nothing by that judge, or the file cannot be written.
    """
    require_file(to, "--to")
    gathered = gather(folders, size, judge)
    results = [one.result for one in gathered.models]
    benchmarks = [load_benchmark(name) for name in gathered.benchmarks]
    comparison = compare(results, gathered.size, benchmarks)
    series = {row.label: number for number, row in enumerate(comparison.rows)}
    ordered = sorted(gathered.models, key=lambda one: (series[one.result.label], one.result.draw))
    gathered = replace(gathered, models=tuple(ordered))
    models = shown_models(gathered, full)
    items = items_of(models, gathered.faults)
    pictures = Pictures(to.with_name(f"{to.stem}-pictures") if full else None)
    order = {name: place for place, name in enumerate(gathered.benchmarks)}
    data = browser_data(models, items, order, pictures, gathered.faults)
    context = {
        **_shown(comparison, series),
        "verdicts": list(verdicts_of(gathered)),
        "lengths": lengths(words_of(gathered.models, gathered.faults), order, series),
        "margins": margins_part(gathered.models, series, gathered.faults),
        "abilities": abilities_table([one.result for one in gathered.models]),
        "training": list(charts.training(curves(gathered.models, gathered.faults), series)),
        "training_note": " ".join([_TRAINING, *unlike(comparison)]),
        "items_note": _EVERY_RUN if full else _ONE_RUN,
        # Answers that cannot be read are missed by the browser and by the lengths.
        "faults": list(dict.fromkeys(gathered.faults)),
    }
    write_text(to, render(_headed(context, gathered, comparison), data))
    return list(context["faults"])


def _shown(comparison: Comparison, series: Series) -> dict[str, Any]:
    """Return the tables and charts of the numbers."""
    found, items = differences_of(comparison)
    comparison = with_intervals(comparison, items)
    return {
        "results": results_table(comparison),
        "apart": list(apart_tables(comparison, found)),
        "forest": list(charts.forest(comparison, found, series)),
        "profile": charts.profile(comparison, series),
        "interval_note": " ".join([_INTERVALS, *unlike(comparison)]),
        "breakdowns": list(_breakdowns(comparison, series)),
        "provenance": provenance_lines(comparison),
        "legend": [
            {"label": label, "mark": Markup(mark(number, 8, 8))} for label, number in series.items()
        ],
    }


def _headed(
    context: Mapping[str, Any], gathered: Gathered, comparison: Comparison
) -> dict[str, Any]:
    names = ", ".join(row.label for row in comparison.rows)
    runs = sum(one.result.method != "base" for one in gathered.models)
    worlds = f" in {comparison.worlds} worlds" if comparison.worlds > 1 else ""
    parts = (
        ("results", "Results", True),
        ("verdicts", "Claims", context["verdicts"]),
        ("differences", "Differences", context["forest"] or context["profile"]),
        ("breakdowns", "By type", context["breakdowns"]),
        ("abilities", "General ability", context["abilities"]),
        ("lengths", "Length", context["lengths"]),
        ("margins", "Reward gap", context["margins"]),
        ("training", "Training", context["training"]),
        ("items", "Questions and answers", True),
        ("provenance", "Provenance", True),
        ("left-out", "Left out", context["faults"]),
    )
    return {
        **context,
        "title": f"Report, size {gathered.size}",
        "summary": f"{names}: {runs} trained run{'s' * (runs != 1)}{worlds}.",
        "parts": [(name, title) for name, title, there in parts if there],
    }


def _breakdowns(comparison: Comparison, series: Series) -> Iterator[dict[str, Any]]:
    """Yield chart and table of the parts of every benchmark that has parts."""
    for name in dict.fromkeys(column.benchmark for column in comparison.columns):
        metrics, cells = parts_of(comparison, name)
        if metrics:
            yield {
                "chart": _chart(name, metrics, cells, series),
                "table": parts_table(comparison, name, metrics, cells),
            }


def _chart(name: str, metrics: Sequence[Metric], cells: Cells, series: Series) -> Chart:
    """Draw the F1 of the parts where they have one, else all numbers of the commonest unit."""
    unit = Counter(one.unit for one in metrics).most_common(1)[0][0]
    drawn = [one for one in metrics if one.name.endswith("/f1")] or [
        one for one in metrics if one.unit == unit
    ]
    return charts.breakdown(name, {one.name: cells[one.name] for one in drawn}, series, unit)
