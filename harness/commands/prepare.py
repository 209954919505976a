"""`prepare`: columns that a method needs, computed ahead."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.columns import (
    AggregationName,
    ClipName,
    Data,
    MaxBadRows,
    SplitterModel,
    SplitterName,
    UnscoredRule,
    Where,
    data_spec,
)
from harness.commands.options.common import AsJson, examples
from harness.commands.options.judging import (
    JudgeKeyFile,
    JudgeUrl,
    JudgeWorkers,
    MaxJudgeCalls,
    MaxJudgeTokens,
    chat_settings,
)

app = typer.Typer()


@app.command(
    epilog=examples(
        "prepare --columns clip_gap --data world:preferences",
        "prepare --columns clip_gap --data pairs.parquet --out with_gap.parquet",
        "prepare --columns clip_gap --data pairs.json --splitter local --splitter-model DIR",
        "prepare --columns clip_gap --data pairs.jsonl --splitter endpoint --splitter-model NAME "
        "--judge-url http://localhost:8000/v1",
    )
)
def prepare(
    data: Data,
    columns: Annotated[
        str, typer.Option("--columns", help="What to compute: clip_gap.")
    ] = "clip_gap",
    where: Where = None,
    max_bad_rows: MaxBadRows = 0,
    clip: ClipName = None,
    splitter: SplitterName = "sentences",
    splitter_model: SplitterModel = None,
    aggregation: AggregationName = None,
    unscored: UnscoredRule = "stop",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Parquet file to write the rows to, with the column; or a folder for it. "
            "Default: the cache, where a run finds the column.",
        ),
    ] = None,
    judge_url: JudgeUrl = None,
    judge_key_file: JudgeKeyFile = None,
    judge_workers: JudgeWorkers = 8,
    max_judge_calls: MaxJudgeCalls = None,
    max_judge_tokens: MaxJudgeTokens = None,
    as_json: AsJson = False,
) -> None:
    """Compute a column of preference data; the same command continues after an interruption."""
    if columns != "clip_gap":
        raise typer.BadParameter(
            f"{columns!r}: only clip_gap can be computed.", param_hint="--columns"
        )
    spec = data_spec(
        data, where, max_bad_rows, clip, splitter, splitter_model, aggregation, unscored
    )
    chat = chat_settings(
        judge_url, judge_key_file, judge_workers, max_judge_calls, max_judge_tokens
    )
    from harness.data.columns.prepare import prepare as run

    prepared = run(spec, chat, out)
    if as_json:
        typer.echo(prepared.as_json())
    else:
        for line in prepared.lines():
            typer.echo(line)
