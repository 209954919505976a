"""`list`: what there is."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import AsJson, Out, examples, print_json

app = typer.Typer()


class Listed(StrEnum):
    """What `list` lists."""

    METHODS = "methods"
    BENCHMARKS = "benchmarks"
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
    out: Out = Path("results"),
    as_json: AsJson = False,
) -> None:
    """List the methods, benchmarks, sizes or runs there are."""
    from harness import listing

    makers: dict[Listed, Callable[[], list[listing.Row]]] = {
        Listed.METHODS: listing.methods,
        Listed.BENCHMARKS: listing.benchmarks,
        Listed.SIZES: listing.sizes,
        Listed.RUNS: lambda: listing.runs(out),
    }
    rows = makers[what]()
    if as_json:
        print_json(rows)
    else:
        listing.print_plain(rows, nothing=f"There are no {what} yet.")
