"""`report` and `watch`: look at runs, when they are done and while they go on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import JudgedBy, commands, examples

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
    judge: JudgedBy = None,
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
    write_page(out, to, size, runs=runs or [], full=full, judge=judge)


def write_page(
    out: Path,
    to: Path,
    size: str | None = None,
    *,
    runs: Sequence[str] = (),
    full: bool = False,
    judge: str | None = None,
) -> None:
    """Write the page, and say what is left out of it."""
    from harness.console import messages
    from harness.report.folders import asked_for
    from harness.report.make import make_report

    for fault in make_report(asked_for(runs, out), to, size, full, judge):
        messages.print(fault, markup=False)
    messages.print(f"{to}", markup=False)


@app.command(
    "watch",
    epilog=examples(
        "watch dama-tiny-seed0-ae7bd8e7aaca",
        "watch --out results",
        "watch results/runs/dpo-7b-seed0-8eef962a3035 --once",
    ),
)
def watch(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNS]...",
            help="Runs by name or folder. Default: all of --out, with cells of matrix and jobs.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    once: Annotated[bool, typer.Option("--once", help="Show how they stand now, and end.")] = False,
) -> None:
    """Show how runs go on: steps, curves, speed, time left and the last warnings.

    Only files are read, so it works beside any launcher and on any machine that sees the folder. It
    ends when nobody works on the runs any more; Ctrl-C ends it sooner and touches no run.
    """
    from harness.watching.follow import watch as follow
    from harness.watching.several import places

    follow(places(runs or [], out), out, once)
