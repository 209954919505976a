"""`rm`: a run is not needed any more."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command(
    "rm", epilog=examples("rm dama-tiny-seed0-ae7bd8e7aaca", "rm dama-7b-seed0-3fa2c1d40b7e --yes")
)
def rm(
    run: Annotated[str, typer.Argument(help="A run by name (see: list runs) or folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
) -> None:
    """Say what is lost with a run, ask, and remove its folder; tables stay as they are."""
    from harness.console import visible
    from harness.upkeep.remove import finish_removal, losses, removable, remove

    if finish_removal(run, out):
        return
    found = removable(run, out)
    typer.echo(visible(f"{found.path}:"))
    for line in losses(found):
        typer.echo(visible(f"  {line}"))
    if yes or typer.confirm("Remove it?", abort=True):
        remove(found)
