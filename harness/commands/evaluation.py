"""`evaluate` and `judge`: a model that is there already."""

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands.options.common import commands, examples
from harness.commands.options.from_model import given
from harness.commands.options.judging import JUDGING, Judge, JudgeProfile
from harness.commands.options.runs import Guard, GuardTasks, guard_names
from harness.llm.messages import ChatSettings
from harness.settings.request import Again

app = commands()

Out = Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")]
Runs = Annotated[
    int | None,
    typer.Option("--judge-runs", min=1, help="Judge everything this often (mm_vet; paper: 5)."),
]
Benchmarks = Annotated[
    str | None, typer.Option("--benchmarks", metavar="A,B", help="Default: those of the run.")
]
Protocol = Annotated[
    str | None, typer.Option("--protocol", help="Decoding settings, by name. Default: the run's.")
]
OUT = Path("results")


@app.command(
    epilog=examples(
        "evaluate dama-7b-seed0-3fa2c1d40b7e --benchmarks amber,mmhal",
        "evaluate dama-7b-seed0-3fa2c1d40b7e --protocol rlaifv",
        "evaluate dama-7b-seed0-3fa2c1d40b7e --guard pope,mme,mmstar",
        "evaluate openbmb/RLAIF-V-7B --size 7b --judge openai",
    )
)
@given(judging=JUDGING)
def evaluate(
    model: Annotated[
        str, typer.Argument(help="A run (see: list runs), a checkpoint's folder, or a hub name.")
    ],
    judging: ChatSettings,
    judge: Judge = None,
    judge_runs: Runs = None,
    judge_profile: JudgeProfile = None,
    protocol: Protocol = None,
    benchmarks: Benchmarks = None,
    size: Annotated[
        str, typer.Option("--size", "-s", help="For a checkpoint: whose preset says how to ask.")
    ] = "7b",
    guard: Guard = None,
    guard_tasks: GuardTasks = None,
    again: Annotated[
        Again | None, typer.Option("--again", help="Set these aside and make them anew.")
    ] = None,
    out: Out = OUT,
) -> None:
    """Answer and judge with another judge, protocol or benchmarks; nothing is trained.

    What is there already, and is decided by the same things, is kept.
    """
    from harness.errors import ConfigError
    from harness.reproduce.evaluate_one import Wanted, evaluate_one

    if again == "training":
        raise ConfigError("evaluate trains nothing. `reproduce --again training` does.")
    changes = _given(
        judge=judge,
        judge_runs=judge_runs,
        judge_profile=judge_profile,
        protocol=protocol,
        benchmarks=_names(benchmarks),
        guard=guard_names(guard),
        guard_tasks=str(guard_tasks) if guard_tasks else None,
    )
    evaluate_one(model, Wanted(out, changes, judging, size, again=again))


@app.command(
    epilog=examples(
        "judge dama-7b-seed0-3fa2c1d40b7e --judge openai:gpt-4o",
        "judge dama-7b-seed0-3fa2c1d40b7e --judge replay:replies.jsonl --benchmarks mmhal",
    )
)
@given(judging=JUDGING)
def judge(
    model: Annotated[str, typer.Argument(help="A run, see: list runs.")],
    who: Annotated[
        str,
        typer.Option(
            "--judge",
            help="openai, openai:MODEL, local:MODEL, replay:FILE[,FILE...] or oracle (tiny world).",
        ),
    ],
    judging: ChatSettings,
    judge_runs: Runs = None,
    judge_profile: JudgeProfile = None,
    protocol: Protocol = None,
    benchmarks: Benchmarks = None,
    out: Out = OUT,
) -> None:
    """Judge the answers of a run by somebody else; no model and no GPU needed."""
    from harness.reproduce.evaluate_one import Wanted, evaluate_one

    changes = _given(
        judge=who,
        judge_runs=judge_runs,
        judge_profile=judge_profile,
        protocol=protocol,
        benchmarks=_names(benchmarks),
    )
    evaluate_one(model, Wanted(out, changes, judging, only_judge=True))


def _given(**values: Any) -> dict[str, Any]:
    """Return the values of the evaluation that were given."""
    return {key: value for key, value in values.items() if value is not None}


def _names(benchmarks: str | None) -> tuple[str, ...] | None:
    """Return the names of the benchmarks that are listed.

    Raises:
        ConfigError: There is no such benchmark.
    """
    from harness.registry import benchmarks as known
    from harness.registry import find

    names = None if benchmarks is None else tuple(one.strip() for one in benchmarks.split(","))
    for name in names or ():
        find(name, known(), "benchmark")
    return names
