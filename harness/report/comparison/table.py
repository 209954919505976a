"""Any runs in one table, in one of several forms."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import ConfigError
from harness.files.atomic import write_text
from harness.files.faults import require_file
from harness.registry import benchmark_names, load_benchmark
from harness.report.comparison.forms import Form
from harness.report.comparison.runs import any_results
from harness.reporting.compare import Comparison, RunResult, compare
from harness.reporting.over_items.differences import over_items, with_intervals
from harness.reporting.published import read_published
from harness.reporting.words import BENCHMARKS
from harness.reporting.writers.latex import comparison_latex
from harness.reporting.writers.markdown import comparison_markdown
from harness.reporting.writers.provenance import provenance_rows
from harness.reporting.writers.records import comparison_records, csv_text, json_text


def comparison_text(
    names: Sequence[str], out: Path, form: Form, judge: str | None = None
) -> tuple[str, list[str]]:
    """Return a table of runs in one form, and a line for everything that is left out.

    Args:
        names: Runs by name or folder; the base models that they start from stand beside them.
        out: The output folder.
        form: How it is written.
        judge: Whose judgements count where there are several: what its name holds.

    Raises:
        ConfigError: A run is not there, none of them has a number, or none is by that judge.
    """
    faults: list[str] = []
    results = any_results(names, out, faults, judge)
    judged = {name for one in results for name in one.scorecards}
    if not judged:
        told = " ".join(faults)
        raise ConfigError(f"none of these runs has a number to compare. {told}".rstrip())
    order = dict.fromkeys((*BENCHMARKS, *benchmark_names()))
    benchmarks = [load_benchmark(name) for name in order if name in judged]
    size, comparable = _of_one_size(results)
    values = [] if size == "tiny" else read_published()
    comparison = _with_sizes(compare(comparable, size, benchmarks, values), results)
    found = over_items(comparison)
    faults += found.faults
    comparison = with_intervals(comparison, found)
    if form is Form.MARKDOWN:
        return comparison_markdown(comparison, benchmarks, found), faults
    if form is Form.LATEX:
        return comparison_latex(comparison), faults
    records = comparison_records(comparison, benchmarks, found.differences)
    if form is Form.CSV:
        return csv_text(records), faults
    made = provenance_rows([run for row in comparison.rows for run in row.runs])
    return json_text(records, made), faults


def put_table(text: str, form: Form, to: Path) -> Path:
    """Write a table into a file, or into a folder as `comparison`; a folder's name has no ending.

    Raises:
        ConfigError: It cannot be written there.
    """
    file = to if to.suffix and not to.is_dir() else to / f"comparison{form.ending}"
    require_file(file, "--to")
    write_text(file, text)
    return file


def _of_one_size(results: Sequence[RunResult]) -> tuple[str, list[RunResult]]:
    """Return the sizes in words, and the runs as one size; of several each label names its own."""
    sizes = list(dict.fromkeys(one.size for one in results))
    told = ", ".join(sizes)
    if len(sizes) == 1:
        return told, list(results)
    return told, [replace(one, label=_sized_label(one), size=told) for one in results]


def _sized_label(result: RunResult) -> str:
    return f"{result.label}, {result.size}"


def _with_sizes(comparison: Comparison, results: Sequence[RunResult]) -> Comparison:
    """Give the runs of a table of several sizes their own sizes back."""
    sizes = {_sized_label(one): one.size for one in results}
    rows = [
        replace(row, runs=tuple(replace(run, size=sizes[row.label]) for run in row.runs))
        for row in comparison.rows
        if row.label in sizes
    ]
    return replace(comparison, rows=tuple(rows)) if rows else comparison
