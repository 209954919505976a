"""`check-plugin`: for who writes a method, a benchmark or a column of their own."""

from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command("check-plugin", epilog=examples("check-plugin dpo", "check-plugin clip_gap"))
def check_plugin(
    name: Annotated[str, typer.Argument(help="Name of one, ours or of another package.")],
) -> None:
    """Hold a method, benchmark or column against its contract; ends with 1 if a check fails.

    Of a method, every variant of its smallest preset is checked on made log-probabilities: no
    model, no data. A column is computed of six made pairs; of a benchmark no data are read.
    """
    from harness.plugins.check import check
    from harness.training.contract.check import Result

    failed = False
    for one in check(name):
        typer.echo(one.line())
        failed |= one.result is Result.FAILS
    if failed:
        raise typer.Exit(1)
