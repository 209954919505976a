"""`verify`: whether a run is whole and its numbers are what its answers and replies give."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command(
    "verify",
    epilog=examples(
        "verify dama-tiny-seed0-ae7bd8e7aaca",
        "verify results/runs/* --data data/benchmarks",
    ),
)
def verify(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs by name (see: list runs) or folder.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Folder of the benchmarks' files. Default: where the runs have them."
        ),
    ] = None,
) -> None:
    """Check that runs are whole, and score their stored answers and replies again.

    Nobody is asked and nothing is written. Exit code 1 if anything is missing or differs.
    """
    from harness.upkeep.verify.verify import verify as check

    wrong = False
    for name in runs:
        typer.echo(name)
        for checked in check(name, out, data):
            wrong = wrong or bool(checked.findings)
            for line in _lines(checked.findings, checked.notes):
                typer.echo(f"  {checked.name}: {line}")
    if wrong:
        raise typer.Exit(1)


def _lines(findings: list[str], notes: list[str]) -> list[str]:
    """Return a line that says ok, or one for each finding; notes stand beside."""
    from harness.console import visible

    told = f" ({'; '.join(notes)})" if notes else ""
    if not findings:
        return [visible(f"ok{told}")]
    return [*map(visible, findings), *([visible(f"note{told}")] if notes else [])]
