"""`report`: one HTML page about runs."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command(
    "report",
    epilog=examples(
        "report --to report.html",
        "report --out results --to report.html --full",
        "report dama-tiny-seed0-ae7bd8e7aaca dpo-tiny-seed0-8eef962a3035 --to two.html",
    ),
)
def report(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The page to write.")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUNS]...", help="Runs by name or folder. Default: all of --out."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    size: Annotated[
        str | None, typer.Option("--size", "-s", help="Which runs, where there are several sizes.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Show the answers of every run, and write whole pictures beside the page.",
        ),
    ] = False,
) -> None:
    """Write one HTML page with tables, charts and every answer beside its picture.

    The page needs no network: everything lies in it. Runs that are damaged, or do not belong beside
    the others, are named on the page and on stderr.
    """
    from harness.console import messages
    from harness.report.folders import asked_for
    from harness.report.make import make_report

    for fault in make_report(asked_for(runs or [], out), to, size, full):
        messages.print(fault, markup=False)
    messages.print(f"{to}", markup=False)
