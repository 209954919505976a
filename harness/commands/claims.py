"""`claims`: what a paper says of its method, against the runs that are there."""

from typing import Annotated

import typer

from harness.commands.options.common import AsJson, commands, examples, print_json
from harness.commands.options.from_model import given
from harness.commands.options.runs import REQUEST
from harness.settings.request import Request

app = commands()


@app.command(
    epilog=examples(
        "claims --method dama --size tiny",
        "claims --method dama --size 7b --out results",
        "claims --method rlhf_v --size 7b rlhf_v-7b-seed0-3fa2c1d40b7e --json",
    )
)
@given(request=REQUEST.only(("method", "size", "variant", "out")))
def claims(
    request: Request,
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Runs of the method, see: list runs. Default: all of them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what of a paper's claims the runs support.

    Each is supported, not supported, cannot be told (with how many seeds or pictures would do) or
    not comparable. On the tiny world only claims of direction are judged.
    """
    from harness.console import results
    from harness.reporting.claims.runs import claims_by_folders
    from harness.reporting.claims.show import as_json as verdicts
    from harness.reporting.claims.show import lines_of
    from harness.settings.preset_files import read_preset

    if not read_preset(request.method, request.size).claims:
        typer.echo(f"The presets of {request.method} hold no claims.", err=True)
        return
    found = claims_by_folders(request, runs or ())
    if as_json:
        print_json(verdicts(found))
        return
    for line in lines_of(found):
        results.print(line, markup=False, highlight=False)
