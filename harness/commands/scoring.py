"""`score`: saved answers to numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options.common import AsJson, commands, examples
from harness.commands.options.config_file import OptionsFile
from harness.commands.options.from_model import given
from harness.commands.options.judging import JUDGING, Judge, JudgeProfile, JudgeRuns
from harness.llm.messages import ChatSettings

if TYPE_CHECKING:
    from harness.evaluation.evaluate import Evaluation

app = commands()


@app.command(
    epilog=examples(
        "score --benchmark mm_vet --responses answers.jsonl --judge openai",
        "score --benchmark amber --responses answers.json --data AMBER/data --json",
        "score --benchmark mmhal --responses answers.json --judge replay:replies.jsonl --per-item",
        "score --benchmark llava_bench --responses a.jsonl --judge replay:eval1.jsonl,eval2.jsonl",
    )
)
@given(judging=JUDGING)
def score(
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", help="See: list benchmarks.")],
    responses: Annotated[
        Path,
        typer.Option(
            help='JSONL of {"id", "response"}, the benchmark\'s own answer file, or '
            "lmms-eval's *_samples_*.jsonl."
        ),
    ],
    judging: ChatSettings,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the benchmark's own files. Default: data/benchmarks/NAME."),
    ] = None,
    judge: Judge = None,
    judge_runs: JudgeRuns = 1,
    judge_profile: JudgeProfile = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="harness, mmhal, muffin, llava, id-text, rlaifv, mm_vet or lmms-eval. Default: "
            "found by content.",
        ),
    ] = None,
    per_item: Annotated[
        bool, typer.Option("--per-item", help="Show what was found in every answer.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Of the items, show so many.")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Show this item; repeatable.")
    ] = None,
    config: OptionsFile = None,
    as_json: AsJson = False,
) -> None:
    """Score saved answers; no model and no GPU needed."""
    from harness.evaluation.score import Asking, evaluate_responses

    asking = Asking(judge, judging, judge_runs, judge_profile)
    evaluation = evaluate_responses(benchmark, responses, data, asking, form)
    if per_item or limit or ids:
        _print_items(evaluation, ids or [], limit, as_json)
    elif as_json:
        from harness.evaluation.score import as_json as to_json
        from harness.registry import load_benchmark
        from harness.reporting.writers.remarks import by_run, remarks

        card, runs = evaluation.scorecard, evaluation.runs
        told = [*remarks(load_benchmark(benchmark), card), *by_run(runs)]
        typer.echo(to_json(card, told, runs))
    if not as_json:
        from harness.registry import load_benchmark
        from harness.reporting.writers.terminal import print_scorecard

        print_scorecard(load_benchmark(benchmark), evaluation.scorecard, evaluation.runs)


def _print_items(
    evaluation: "Evaluation", ids: list[str], limit: int | None, as_json: bool
) -> None:
    """Print what was found in the answers; as JSON one line per answer.

    Raises:
        DataError: There is no item of an id that is asked for.
    """
    from harness.errors import DataError
    from harness.evaluation.score import item_json
    from harness.reporting.writers.terminal import print_items, select

    items = select(evaluation.items, ids, limit)
    if ids and not items:
        raise DataError(f"no answer has the id {', '.join(map(repr, ids))}.")
    if as_json:
        for item in items:
            typer.echo(item_json(item))
    else:
        print_items(items)
