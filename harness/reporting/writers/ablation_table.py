"""The ablation table of a method: the rows in the order its preset gives, and what each changes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark
from harness.reporting.compare import Comparison, RunResult, compare
from harness.reporting.folder import put, write_index
from harness.reporting.over_items.differences import (
    NOTHING,
    OverItems,
    over_items,
    with_intervals,
)
from harness.reporting.words import escaped
from harness.reporting.writers.differences import differences_section
from harness.reporting.writers.markdown import notes_below, runs_table, unreadable_replies
from harness.reporting.writers.over_runs import over_runs_section
from harness.reporting.writers.provenance import provenance_section
from harness.reporting.writers.records import csv_text, difference_record, run_records
from harness.settings.spec import drawn

Changes = Mapping[str, Sequence[str]]
"""By label of a row: what it has other than the method, a line each; none for the method itself."""


def write_ablation(
    runs: Sequence[RunResult],
    title: str,
    stem: Path,
    benchmarks: Sequence[Benchmark[Any]],
    changes: Changes,
) -> None:
    """Write `<stem>.md` and `<stem>.csv`."""
    comparison = compare(runs, runs[0].size, benchmarks)
    found = over_items(comparison)
    comparison = with_intervals(comparison, found)
    records = [record for row in comparison.rows for record in run_records(row, benchmarks)]
    records += [difference_record(one, comparison) for one in found.differences]
    text = ablation_markdown(comparison, title, benchmarks, changes, found)
    put(stem.with_name(f"{stem.name}.csv"), csv_text(records))
    put(stem.with_name(f"{stem.name}.md"), text)
    write_index(stem.parent)


def ablation_markdown(
    comparison: Comparison,
    title: str,
    benchmarks: Sequence[Benchmark[Any]],
    changes: Changes,
    found: OverItems = NOTHING,
) -> str:
    """Return the document: the table, what its numbers mean, and what each row is."""
    parts = [
        f"# {escaped(title)}, size {escaped(comparison.size)}",
        runs_table(comparison),
        notes_below(comparison, benchmarks),
    ]
    if section := differences_section(found) or over_runs_section(comparison):
        parts.append(section)
    if unreadable := unreadable_replies(comparison):
        parts.append("## Unreadable judge replies and empty answers")
        parts.append("\n".join(f"- {line}" for line in unreadable))
    parts.append("## Rows")
    parts += [_row(row.label, row.runs, changes) for row in comparison.rows]
    parts.append(provenance_section([run for row in comparison.rows for run in row.runs]))
    return "\n\n".join(parts) + "\n"


def _row(label: str, runs: Sequence[RunResult], changes: Changes) -> str:
    folders = [
        f"{drawn(*run.draw)}, run: {run.provenance.get('run', 'not recorded')}" for run in runs
    ]
    lines = [*changes.get(label, ()), *folders]
    return "\n".join([f"### {escaped(label)}", "", *(f"- {escaped(line)}" for line in lines)])
