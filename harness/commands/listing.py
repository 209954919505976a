"""`list`: what there is."""

import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.options.common import AsJson, commands, examples, print_json

if TYPE_CHECKING:
    from harness.registry import Entry

app = commands()

Row = Mapping[str, Any]


class Listed(StrEnum):
    """What `list` lists."""

    METHODS = "methods"
    BENCHMARKS = "benchmarks"
    COLUMNS = "columns"
    SIZES = "sizes"
    RUNS = "runs"


@app.command(
    "list",
    epilog=examples(
        "list methods",
        "list sizes --json",
        "list runs --out results",
    ),
)
def list_names(
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    as_json: AsJson = False,
) -> None:
    """List the methods, benchmarks, columns, sizes or runs there are."""
    makers: dict[Listed, Callable[[], list[Row]]] = {
        Listed.METHODS: methods,
        Listed.BENCHMARKS: benchmarks,
        Listed.COLUMNS: columns,
        Listed.SIZES: sizes,
        Listed.RUNS: lambda: runs(out),
    }
    rows = makers[what]()
    if as_json:
        print_json(rows)
    elif not rows:
        typer.echo(f"There are no {what} yet.", err=True)
    elif what is Listed.RUNS:
        print_runs(rows)
    else:
        print_plain(rows)


def methods() -> list[Row]:
    """Return name and package of every method; none is imported."""
    from harness import registry

    return _packages(registry.methods().values())


def benchmarks() -> list[Row]:
    """Return name and package of every benchmark; none is imported."""
    from harness import registry

    return _packages(registry.benchmarks().values())


def columns() -> list[Row]:
    """Return every column that `prepare` can compute; none is imported."""
    from harness.data.columns.catalog import computable

    return [{"name": name} for name in computable()]


def sizes() -> list[Row]:
    """Return every size with the methods that have a preset for it.

    Methods that cannot be loaded are named on stderr.
    """
    from harness import registry
    from harness.errors import ConfigError
    from harness.settings.preset_files import sizes as sizes_of

    owners: dict[str, list[str]] = {}
    for method in registry.method_names():
        try:
            found = sizes_of(method)
        except ConfigError as error:
            typer.echo(str(error), err=True)
            continue
        for size in found:
            owners.setdefault(size, []).append(method)
    return [{"size": size, "methods": ", ".join(names)} for size, names in owners.items()]


def runs(out: Path) -> list[Row]:
    """Return the runs below `out/runs`; those that cannot be read are named on stderr."""
    from harness.reporting.listing import run_rows

    rows, faults = run_rows(out)
    for fault in faults:
        typer.echo(fault, err=True)
    return list(rows)


def _packages(entries: "Iterable[Entry]") -> list[Row]:
    return [{"name": entry.name, "package": entry.distribution} for entry in entries]


def print_plain(rows: Sequence[Row]) -> None:
    """Print rows in aligned columns, without rich: it would be half of the time `list` takes."""
    titles = list(rows[0])
    widths = [max(len(title), *(len(row[title]) for row in rows)) for title in titles]
    for cells in (titles, *([row[title] for title in titles] for row in rows)):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def print_runs(rows: Sequence[Row]) -> None:
    """Print a run in a few lines that fit the terminal: its name, what it is, and its numbers."""
    width = shutil.get_terminal_size().columns
    for row in rows:
        typer.echo(row["run"])
        what = (row["what"], row["state"], row["on disk"], row["begun"], f"base {row['base']}")
        numbers = (
            f"{judge}: {', '.join(f'{name} {value}'.strip() for name, value in named.items())}"
            for judge, named in row["numbers"].items()
        )
        for line in ("; ".join(what), *numbers):
            typer.echo(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="    "))
