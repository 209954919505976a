"""`score`: saved answers to numbers."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import AsJson, examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "score --benchmark mm_vet --responses answers.jsonl --data mm_vet --judge openai",
        "score --benchmark amber --responses answers.jsonl --data amber --json",
    )
)
def score(
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", help="See: list benchmarks.")],
    responses: Annotated[Path, typer.Option(help='JSONL, one {"id": ..., "response": ...} each.')],
    data: Annotated[Path, typer.Option(help="Folder of the benchmark's own files.")],
    judge: Annotated[
        str | None, typer.Option(help="oracle, openai, openai:MODEL or replay:FILE.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score saved answers; no model and no GPU needed."""
    from harness.evaluation.score import as_json as to_json
    from harness.evaluation.score import score_responses

    scorecard = score_responses(benchmark, responses, data, judge)
    if as_json:
        typer.echo(to_json(scorecard))
        return
    from harness.listing import print_scorecard

    print_scorecard(scorecard)
