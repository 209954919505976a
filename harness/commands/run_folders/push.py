"""`push`: a run to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command(
    "push",
    epilog=examples(
        "push dama-7b-seed0-3fa2c1d40b7e --repo me/llava-dama --private",
        "push dama-7b-seed0-3fa2c1d40b7e --adapter --license llama2 --dry-run",
    ),
)
def push(
    run: Annotated[str, typer.Argument(help="A run by name (see: list runs) or folder.")],
    repo: Annotated[
        str | None,
        typer.Option("--repo", metavar="OWNER/NAME", help="Default: the run's name, yours."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="A new repository is seen by its owner alone.")
    ] = False,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Publish what LoRA trained alone, as PEFT loads it.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="As the hub abbreviates it: apache-2.0."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the card and the files; ask nobody.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
) -> None:
    """Put a run on the Hugging Face hub, with a model card made from it.

    The token is HF_TOKEN or that of `hf auth login`. Killed anywhere, the same command goes on.
    """
    from harness.console import messages
    from harness.publishing.card import Asked, card_of
    from harness.publishing.upload import CARD, checked, files_of, upload
    from harness.runs.rundir import RunDir
    from harness.upkeep.folders import run_folder

    folder = RunDir(run_folder(run, out))
    asked = checked(Asked(repo or folder.path.name, licence, adapter))
    if dry_run:
        files = files_of(folder, adapter)
        card, faults = card_of(folder, out, asked)
        sizes = {CARD: len(card.encode())} | {
            name: file.stat().st_size for name, file in files.items()
        }
        typer.echo(card)
        for name, size in sizes.items():
            messages.print(f"{size:>15,}  {name}", markup=False, highlight=False)
    else:
        address, faults = upload(folder, out, asked, private)
        typer.echo(address)
    for fault in faults:
        messages.print(fault, markup=False)
