"""Rows for `list`, and the tables that `list` and `show` print on stdout."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import typer

from harness import registry
from harness.preset_files import sizes as sizes_of

Row = Mapping[str, str]


def methods() -> list[Row]:
    """Return name and package of every method; none is imported."""
    return _packages(registry.methods().values())


def benchmarks() -> list[Row]:
    """Return name and package of every benchmark; none is imported."""
    return _packages(registry.benchmarks().values())


def sizes() -> list[Row]:
    """Return every size with the methods that have a preset for it."""
    owners: dict[str, list[str]] = {}
    for method in registry.method_names():
        for size in sizes_of(method):
            owners.setdefault(size, []).append(method)
    return [{"size": size, "methods": ", ".join(names)} for size, names in owners.items()]


def runs(out: Path) -> list[Row]:
    """Return the runs below `out/runs` and how far each of them is."""
    from harness.rundir import RunDir

    found = [RunDir(file.parent) for file in sorted((out / "runs").glob("*/run.yaml"))]
    rows: list[Row] = []
    for run in found:
        scored = sorted(file.stem for file in run.scorecards.glob("*.json"))
        state = "trained" if run.model.exists() else "training not finished"
        rows.append({"run": run.path.name, "state": state, "scored": ", ".join(scored)})
    return rows


def print_plain(rows: Sequence[Row], nothing: str) -> None:
    """Print rows in aligned columns, without rich: it would be half of the time `list` takes."""
    if not rows:
        typer.echo(nothing, err=True)
        return
    titles = list(rows[0])
    widths = [max(len(title), *(len(row[title]) for row in rows)) for title in titles]
    for cells in (titles, *([row[title] for title in titles] for row in rows)):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def print_table(title: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table whose cells wrap."""
    from rich.table import Table
    from rich.text import Text

    from harness.console import results

    table = Table(*titles, title=title)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    results.print(table)


def print_questions(questions: Sequence[str]) -> None:
    """Print what no source settles about the values of a run."""
    if questions:
        print_table("open questions", ("no source settles",), [[text] for text in questions])


def _packages(entries: Iterable[registry.Entry]) -> list[Row]:
    return [{"name": entry.name, "package": entry.distribution} for entry in entries]
