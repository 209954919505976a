"""`regress`: whether numbers are still what a table says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options.common import commands, examples
from harness.commands.options.from_model import given
from harness.commands.options.runs import REQUEST
from harness.settings.request import Request

if TYPE_CHECKING:
    from harness.regression.measured import Training

app = commands()


@app.command(
    "regress",
    epilog=examples(
        "regress",
        "regress --train --methods dpo --seeds 0",
        "regress --train --methods dama --variant released",
        "regress dpo-7b-seed0-8eef962a3035 --against before.csv",
        "regress results/runs/* --against before.csv --update",
    ),
)
@given(request=REQUEST.of(method="").only(("variant", "seeds", "worlds", "out")))
def regress(
    request: Request,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs by name or folder, read as they are. Default: the tiny base model anew.",
        ),
    ] = None,
    against: Annotated[
        Path, typer.Option("--against", metavar="FOLDER_OR_CSV", help="Tables of numbers.")
    ] = Path("results/tiny"),
    train: Annotated[
        bool, typer.Option("--train", help="Train and evaluate anew, at size tiny.")
    ] = False,
    methods: Annotated[
        str | None,
        typer.Option("--methods", help="With --train, commas between. Default: all of the tables."),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Then write what moved into the tables.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Say what moved between committed numbers and those of today.

    On the shipped tiny worlds every digit must be equal; elsewhere more than chance must not have
    moved. Exit code 1 if anything moved more than is allowed.
    """
    from harness.regression.regress import Asked
    from harness.regression.regress import regress as run

    if runs and train:
        raise typer.BadParameter("name runs that are there, or train anew with --train.")
    training = _training(request, methods) if train else None
    if methods and training is None:
        raise typer.BadParameter("--methods says what to train, with --train.")
    asked = Asked(against, tuple(runs or ()), request.out, training, request.worlds)
    held, records = run(asked)
    if update and held.moves and (yes or typer.confirm(f"Write this into {against}?", err=True)):
        from harness.console import messages
        from harness.regression.update import update as write

        for file in write(against, records):
            messages.print(f"{file}", markup=False)
        return
    if held.is_beyond:
        raise typer.Exit(1)


def _training(request: Request, methods: str | None) -> "Training":
    from harness.regression.measured import Training

    names = tuple(dict.fromkeys(name.strip() for name in (methods or "").split(",") if name))
    return Training(names, request.variant, request.seeds, request.worlds)
