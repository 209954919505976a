"""The section on general ability: lmms-eval's own tasks and scorers, base beside each run."""

from collections.abc import Iterator, Sequence

from harness.console import print_table, results
from harness.reporting.abilities import BASE, AbilityRow, Measured, abilities, by_setting
from harness.reporting.compare import RunResult
from harness.reporting.statistics import Estimate
from harness.reporting.words import MISSING, escaped, grid
from harness.settings.spec import drawn

TITLE = "General ability"
INTRODUCTION = (
    "lmms-eval's own tasks and scorers on the same models, in the scale of each task. No part of "
    "the benchmarks above. ▼: below the base model."
)
HEADERS = ("Method", "Task", "Base", "Run", "Difference")
_SHOWN = 6
"""Digits of a hash."""


def ability_section(runs: Sequence[RunResult]) -> str:
    """Return the section in Markdown; empty where no run was asked."""
    if not any(run.guard for run in runs):
        return ""
    parts = [
        f"## {TITLE}",
        INTRODUCTION,
    ]
    if rows := abilities(runs):
        parts.append(grid(HEADERS, [[escaped(cell) for cell in cells_of(row)] for row in rows]))
    notes = notes_of(runs, rows)
    parts.append("\n".join(f"- {escaped(note)}" for note in notes))
    return "\n\n".join(parts)


def print_abilities(runs: Sequence[RunResult]) -> None:
    """Print the same on stdout; nothing where no run was asked."""
    if not any(run.guard for run in runs):
        return
    if rows := abilities(runs):
        print_table(f"{TITLE} (▼: below the base model)", HEADERS, map(cells_of, rows))
    for note in notes_of(runs, rows):
        results.print(note, markup=False, highlight=False)


def notes_of(runs: Sequence[RunResult], rows: Sequence[AbilityRow]) -> list[str]:
    """Return what is said below the table of the rows of these runs."""
    return [*legend(rows), *origins(runs), *failures(runs)]


def legend(rows: Sequence[AbilityRow]) -> list[str]:
    """Return what stands behind the numbers, as far as it occurs."""
    measured = [one for row in rows for one in (row.own, row.base) if one is not None]
    notes = []
    if any(one.stderr is not None for one in measured):
        notes.append("In brackets: lmms-eval's standard error over the items, of a single run.")
    if any(one.estimate.half_width is not None for one in measured):
        notes.append("±: half-width of the 95 % interval of the mean over runs (Student's t).")
    return notes


def origins(runs: Sequence[RunResult]) -> list[str]:
    """Return version, data and number of items of every task that gave numbers."""
    return [
        f"{task}: {origin}"
        for task, found in by_setting(runs).items()
        for origin in dict.fromkeys(
            f"lmms-eval {one.identity.get('lmms_eval')}, task version "
            f"{one.identity.get('version')} (files {_short(one.identity.get('config'))}), data "
            f"{_short(one.identity.get('data'))}, {one.items} items"
            for _, one in found
            if not one.failed
        )
    ]


def failures(runs: Sequence[RunResult]) -> list[str]:
    """Return which run has no number of which task, and why."""
    return [
        f"{run.label}, {drawn(*run.draw)}, {task}: no number, because {one.failed}"
        for task, found in by_setting(runs).items()
        for run, one in found
        if one.failed
    ]


def cells_of(row: AbilityRow) -> list[str]:
    """Return a row as text, one for each of the headers."""
    return list(_texts(row))


def _texts(row: AbilityRow) -> Iterator[str]:
    yield row.label
    yield f"{row.task} {row.metric} {'↑' if row.higher_is_better else '↓'}"
    alone = row.label == BASE
    yield _text(row.own if alone else row.base, row.digits)
    yield _text(None if alone else row.own, row.digits)
    yield _signed(row.difference, row.digits) + (" ▼" if row.is_worse else "")


def _text(measured: Measured | None, digits: int) -> str:
    if measured is None:
        return MISSING
    text = f"{measured.estimate.mean:.{digits}f}{_spread(measured.estimate, digits)}"
    return text if measured.stderr is None else f"{text} ({measured.stderr:.{digits}f})"


def _signed(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return MISSING
    text = f"{estimate.mean:+.{digits}f}"
    plain = text if float(text) else f"{0:.{digits}f}"
    return f"{plain}{_spread(estimate, digits)}"


def _spread(estimate: Estimate, digits: int) -> str:
    width = estimate.half_width
    return "" if width is None else f" ± {width:.{digits}f}"


def _short(digest: object) -> str:
    return str(digest)[:_SHOWN]
