"""`export`: prepared pairs for other tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.columns import DATA
from harness.commands.options.common import AsJson, commands, examples, print_json
from harness.commands.options.from_model import given
from harness.settings.spec import DataSpec

app = commands()


class Layout(StrEnum):
    """Whose layout is written."""

    TRL = "trl"
    LLAMAFACTORY = "llamafactory"
    PARQUET = "parquet"


@app.command(
    epilog=examples(
        "export --to trl --data pairs.json --out trl.parquet",
        "export --to llamafactory --data world:preferences --out llamafactory",
        "export --to parquet --data 'a.parquet#1000 + b.jsonl' --out mixed.parquet",
    )
)
@given(spec=DATA)
def export(
    spec: DataSpec,
    to: Annotated[Layout, typer.Option("--to", help="Whose layout.")],
    out: Annotated[
        Path, typer.Option("--out", help="File to write; of llamafactory a folder, with images.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write preference pairs for TRL, LLaMA-Factory or as parquet.

    Those that passed every check, with the columns of the data, and clip_gap where it is prepared.
    """
    from harness.inspection.export import export_pairs
    from harness.world.places import locate_data

    place, pairs, columns = export_pairs(locate_data(spec), to.value, out)
    if as_json:
        print_json({"out": str(place), "pairs": pairs, "columns": columns})
    else:
        typer.echo(f"{place}: {pairs:,} pairs with the columns {', '.join(columns) or 'none'}")
