"""`check-plugin`: for who writes a method of their own."""

from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command("check-plugin", epilog=examples("check-plugin dpo", "check-plugin slic"))
def check_plugin(
    name: Annotated[str, typer.Argument(help="Name of a method, ours or of another package.")],
) -> None:
    """Hold a method against the contract of all methods; ends with 1 if a check fails.

    Checked is every variant of its smallest preset, on made log-probabilities: no model, no data.
    """
    from harness.training.contract.check import Result, check_method

    failed = False
    for check in check_method(name):
        typer.echo(check.line())
        failed |= check.result is Result.FAILS
    if failed:
        raise typer.Exit(1)
