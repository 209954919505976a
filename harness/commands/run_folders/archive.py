"""`archive` and `unarchive`: a run as one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()

Out = Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")]
OUT = Path("results")


@app.command(
    "archive",
    epilog=examples(
        "archive dama-tiny-seed0-ae7bd8e7aaca",
        "archive dama-7b-seed0-3fa2c1d40b7e --without-checkpoint --to dama.tar.zst",
    ),
)
def archive(
    run: Annotated[str, typer.Argument(help="A run by name (see: list runs) or folder.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Default: RUN.tar.zst, here.")
    ] = None,
    without_checkpoint: Annotated[
        bool, typer.Option("--without-checkpoint", help="Leave out model/ and checkpoints/.")
    ] = False,
    out: Out = OUT,
) -> None:
    """Put a run into one file with a SHA-256 of everything in it."""
    from harness.runs.rundir import RunDir
    from harness.upkeep.archive import archive as pack
    from harness.upkeep.folders import run_folder

    folder = run_folder(run, out)
    file = to or Path(f"{folder.name}.tar.zst")
    pack(RunDir(folder), file, without_checkpoint)
    typer.echo(f"{file}")


@app.command(
    "unarchive",
    epilog=examples(
        "unarchive dama-tiny-seed0-ae7bd8e7aaca.tar.zst", "unarchive dama.tar.zst --out other"
    ),
)
def unarchive(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `archive` wrote.")],
    out: Out = OUT,
) -> None:
    """Check an archive as a whole, then put its run among the runs."""
    from harness.console import messages
    from harness.upkeep.unarchive import unarchive as unpack

    folder, is_new = unpack(file, out)
    if not is_new:
        messages.print("It is there already, with the same files.", markup=False)
    typer.echo(f"{folder}")
