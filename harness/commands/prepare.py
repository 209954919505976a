"""`prepare`: columns that a method needs, computed ahead."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.columns import COMPUTED
from harness.commands.options.common import AsJson, commands, examples
from harness.commands.options.from_model import given
from harness.commands.options.judging import JUDGING
from harness.llm.messages import ChatSettings
from harness.settings.spec import DataSpec

app = commands()


@app.command(
    epilog=examples(
        "prepare --columns clip_gap --data world:preferences",
        "prepare --columns clip_gap --data pairs.parquet --out with_gap.parquet",
        "prepare --columns clip_gap,extra_words --data pairs.parquet --out with_both.parquet",
        "prepare --columns margin_factor --data scored.parquet --margin-k 0.25 --out out.parquet",
        "prepare --columns token_severity --data world:preferences --out spans.parquet",
        "prepare --columns clip_gap --data pairs.json --splitter local --splitter-model DIR",
        "prepare --columns clip_gap --data pairs.jsonl --splitter endpoint --splitter-model NAME "
        "--judge-url http://localhost:8000/v1",
    )
)
@given(spec=COMPUTED, judging=JUDGING)
def prepare(
    spec: DataSpec,
    judging: ChatSettings,
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="NAME[,NAME]",
            help="What to compute, as `list columns` names it.",
        ),
    ] = "clip_gap",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Parquet file to write the rows to, with the columns; or a folder for it. "
            "Default: the cache, where a run finds them.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute columns of preference data; the same command continues after an interruption."""
    names = tuple(dict.fromkeys(name.strip() for name in columns.split(",")))
    from harness.data.columns.prepare import prepare as run
    from harness.world.places import locate_data

    for prepared in run(locate_data(spec), judging, out, names):
        for line in [prepared.as_json()] if as_json else prepared.lines():
            typer.echo(line)
