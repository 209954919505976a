"""The comparison as Markdown: the table of runs, what its numbers mean, and published numbers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.types import Benchmark
from harness.reporting.alike import unlike
from harness.reporting.compare import MOST_UNREADABLE, Cell, Comparison, Row, settings_of
from harness.reporting.judge_card.card import lines_of
from harness.reporting.over_items.differences import NOTHING, OverItems
from harness.reporting.words import (
    MISSING,
    benchmark_name,
    escaped,
    estimate,
    grid,
    header,
    interval,
)
from harness.reporting.writers.differences import differences_section
from harness.reporting.writers.general_ability import ability_section
from harness.reporting.writers.over_runs import over_runs_section
from harness.reporting.writers.provenance import provenance_section
from harness.reporting.writers.published_table import published_section

_INTERVAL = "±: half-width of the 95 % interval of the mean over seeds (Student's t)."
_INTERVAL_OVER_WORLDS = (
    "Mean of the worlds' means. ±: half-width of its 95 % interval, Student's t over these means, "
    "which vary by world and by seed (seeds are nested in worlds); a row of one world has that of "
    "its seeds."
)


def comparison_markdown(
    comparison: Comparison, benchmarks: Sequence[Benchmark[Any]], found: OverItems = NOTHING
) -> str:
    """Return the whole document of one size; `found` is what its items say."""
    parts = [
        f"# Comparison, size {escaped(comparison.size)}",
        runs_table(comparison),
        notes_below(comparison, benchmarks),
    ]
    if section := differences_section(found) or over_runs_section(comparison):
        parts.append(section)
    if unreadable := unreadable_replies(comparison):
        parts.append("## Unreadable judge replies and empty answers")
        causes = [f"{name}: {cause}" for name, cause in _causes(comparison, benchmarks)]
        parts.append("\n".join(f"- {line}" for line in [*unreadable, *causes]))
    if section := ability_section([run for row in comparison.rows for run in row.runs]):
        parts.append(section)
    parts.append(provenance_section([run for row in comparison.rows for run in row.runs]))
    parts.append("## Published numbers")
    parts.append(published_section(comparison, benchmarks))
    return "\n\n".join(parts) + "\n"


def notes_below(comparison: Comparison, benchmarks: Sequence[Benchmark[Any]]) -> str:
    """Return what stands below the table of runs: signs, unlike rows, judges, data, protocols."""
    told = map(escaped, unlike(comparison))
    notes = [*legend(comparison), *told, *settings(comparison, benchmarks)]
    return "\n".join(f"- {note}" for note in notes)


def runs_table(comparison: Comparison) -> str:
    """Return one row per method; the best value of a column is bold."""
    headers = [
        "Method",
        of_runs(comparison),
        *(escaped(column.header) for column in comparison.columns),
    ]
    return grid(headers, [_run_row(comparison, row) for row in comparison.rows])


def _run_row(comparison: Comparison, row: Row) -> list[str]:
    cells = []
    for column in comparison.columns:
        cell = row.cells.get(column)
        text = MISSING if cell is None else cell_text(cell, column.metric.unit, len(row.runs))
        cells.append(f"**{text}**" if comparison.is_best(row, column) else text)
    return [escaped(row.label), runs_text(row), *cells]


def of_runs(comparison: Comparison) -> str:
    """Return the head of the column of `runs_text`."""
    return "Worlds x seeds" if comparison.worlds > 1 else "Seeds"


def runs_text(row: Row) -> str:
    """Return how many runs a row is the mean of, such as `3 x 2` for two seeds in three worlds."""
    by_world = Counter(run.world for run in row.runs)
    sizes = set(by_world.values())
    if len(by_world) == 1:
        return str(len(row.runs))
    if len(sizes) == 1:
        return f"{len(by_world)} x {sizes.pop()}"
    return " + ".join(str(by_world[world]) for world in sorted(by_world))


def cell_text(cell: Cell, unit: str, runs: int) -> str:
    """Return the mean with its interval, the number of seeds if some lack it, † if unreadable.

    The interval is that over seeds; of a single seed that over its items, in brackets.
    Instead of a number that is withheld stands the share of the replies that cannot be read.
    """
    if cell.is_withheld:
        return f"{MISSING} ({cell.unscored / cell.samples:.0%} unreadable)"
    text = estimate(cell.official, unit)
    measured = cell.over_items
    if measured is not None and measured.low is not None and measured.high is not None:
        text += f" ({interval(measured.low, measured.high, unit)})"
    if cell.official.count != runs:
        text += f" (n={cell.official.count})"
    return f"{text} †" if cell.unscored else text


def legend(comparison: Comparison) -> list[str]:
    """Return what bold, ± and † stand for, as far as they occur."""
    cells = [cell for row in comparison.rows for cell in row.cells.values()]
    notes = ["Numbers count as the published scripts count. Bold: best of the rows above."]
    if any(cell.official.half_width is not None for cell in cells):
        notes.append(_INTERVAL_OVER_WORLDS if comparison.worlds > 1 else _INTERVAL)
    if any(cell.over_items and cell.over_items.low is not None for cell in cells):
        notes.append(
            "(low\u2013high): 95 % interval over the items of a single seed, all of a picture "
            "drawn together. It says nothing about other trainings."
        )
    if any(cell.unscored for cell in cells):
        notes.append("†: holds unreadable judge replies, listed below.")
    if any(cell.is_withheld for cell in cells):
        notes.append(
            f"{MISSING} (… unreadable): no number, because more than {MOST_UNREADABLE:.0%} of the "
            "judge's replies cannot be read."
        )
    return notes


def settings(comparison: Comparison, benchmarks: Sequence[Benchmark[Any]]) -> list[str]:
    """Return judge with its card, data version and protocol, by the mark of the columns."""
    runs = [run for row in comparison.rows for run in row.runs]
    lines = []
    for benchmark in benchmarks:
        shown = {
            column.setting: column.mark
            for column in comparison.columns
            if column.benchmark == benchmark.name
        }
        for setting in settings_of(runs, benchmark.name):
            name = f"{benchmark_name(benchmark.name)} {shown.get(setting, '')}".strip()
            lines.append(
                f"{escaped(name)}: judge {escaped(setting.judge)}; data "
                f"`{setting.data}`; protocol {escaped(setting.protocol)}"
            )
            cards = lines_of(benchmark.name, setting.judge)
            lines += [f"{escaped(name)}: {escaped(line)}" for line in cards]
    return lines


def _causes(
    comparison: Comparison, benchmarks: Sequence[Benchmark[Any]]
) -> Iterator[tuple[str, str]]:
    """Yield what the published script makes of unreadable replies, where there are any."""
    for benchmark in benchmarks:
        if any(
            cell.unscored and column.benchmark == benchmark.name
            for row in comparison.rows
            for column, cell in row.cells.items()
        ):
            cause = f"unreadable replies {benchmark.unreadable}."
            yield escaped(benchmark_name(benchmark.name)), escaped(cause)


def unreadable_replies(comparison: Comparison) -> list[str]:
    """Return one line per method and metric whose samples were not all answered and judged."""
    lines = []
    for row in comparison.rows:
        for column, cell in row.cells.items():
            if not cell.unscored and not cell.empty and not cell.missing:
                continue
            careful = (
                f"; {estimate(cell.careful, column.metric.unit)} without the unreadable ones"
                if cell.unscored and cell.careful and not cell.is_withheld
                else ""
            )
            missing = f", {cell.missing} not answered" if cell.missing else ""
            name = f"{header(column.benchmark, column.metric)} {column.mark}".strip()
            lines.append(
                f"{escaped(row.label)}, {escaped(name)}: {cell.unscored} of {cell.samples} replies "
                f"unreadable, {cell.empty} answers empty{missing}{careful}"
            )
    return lines
