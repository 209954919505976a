"""`new`: a package of one's own, to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples
from harness.plugins.names import Kind

app = commands()


@app.command(
    epilog=examples(
        "new method my_dpo",
        "new benchmark my_questions --to ../packages",
        "new column word_gap",
    )
)
def new(
    kind: Annotated[Kind, typer.Argument(help="What the package brings.")],
    name: Annotated[
        str, typer.Argument(help="Its name: small letters, digits and _; the folder's name too.")
    ],
    to: Annotated[
        Path, typer.Option("--to", help="Folder in which the package's folder is made.")
    ] = Path(),
) -> None:
    """Write a package with a method, benchmark or column that works, and print what to do next."""
    from harness.plugins.new import new_package

    made = new_package(kind, name, to)
    if made.near:
        typer.echo(f"Names near {name} are there already: {', '.join(made.near)}.", err=True)
    typer.echo(f"{made.folder}: a {kind} that works. Next:\n")
    for step in made.steps:
        typer.echo(f"    {step}")
