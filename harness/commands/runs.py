"""`reproduce`, `plan` and `show`: one run, from words to a request."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands.options.common import AsJson, commands, examples, print_json
from harness.commands.options.from_model import given
from harness.commands.options.judging import JUDGING
from harness.commands.options.runs import (
    REQUEST,
    ConfigFile,
    Guard,
    GuardTasks,
    MaxBadRows,
    RunJudge,
    completed,
)
from harness.llm.messages import ChatSettings
from harness.settings.request import Request

app = commands()

PlannedDevices = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="N|NxNAME",
        help="How many of this machine's, or of which kind, as 4xA100-80GB.",
    ),
]


@app.command(
    epilog=examples(
        "reproduce --method dama --size tiny",
        "reproduce --method dama --variant released --seeds 0,1,2",
        "reproduce --method dpo --set method.beta=0.2 --devices 2",
        "reproduce --method dpo --config paper.yaml",
        "reproduce --method dama --ablate --seeds 0,1,2",
        "reproduce --method dama --seeds 0,1,2 --worlds 0,1,2",
        "reproduce --method dama --track tensorboard,wandb",
        "reproduce --method dama --size tiny --guard tiny_ability",
        "reproduce --method dama --again answers",
        "reproduce --method dama --size 7b --judge local:Qwen/Qwen2.5-32B-Instruct",
        "reproduce --method rlhf_v --size 7b --dry-run",
        "reproduce --method dama --size 7b --launcher hostfile --hostfile hosts.txt",
        "reproduce --method dama --size 7b --launcher slurm --sbatch gres=gpu:4",
    )
)
@given(request=REQUEST, judging=JUDGING)
def reproduce(
    request: Request,
    judging: ChatSettings,
    max_bad_rows: MaxBadRows = None,
    judge: RunJudge = None,
    config: ConfigFile = None,
    guard: Guard = None,
    guard_tasks: GuardTasks = None,
) -> None:
    """Train, evaluate on all benchmarks and print the comparison table.

    The same command continues an interrupted run and skips what is done.
    """
    from harness.reproduce.reproduce import reproduce as run

    words = tuple(sys.argv[1:])
    asked = completed(
        request, max_bad_rows, judge, config, guard, guard_tasks, judging=judging, words=words
    )
    run(asked)


@app.command(
    epilog=examples(
        "plan --method dama --size 7b --devices 4xA100-80GB",
        "plan --method dama --size 13b --devices 8xH100 --set training.gradient_checkpointing=auto",
        "plan --method dama --ablate --seeds 0,1,2",
    )
)
@given(
    request=REQUEST.only(
        ("method", "size", "variant", "seeds", "worlds", "overrides", "ablate", "out")
    ),
    judging=JUDGING,
)
def plan(
    request: Request,
    judging: ChatSettings,
    devices: PlannedDevices = None,
    max_bad_rows: MaxBadRows = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the judge one question per benchmark that it judges.")
    ] = False,
    judge: RunJudge = None,
) -> None:
    """Check everything and print what a run would do and cost.

    Nothing is built, trained or, without --ask, paid for. What the tiny world or the hub would
    provide is not known before it is there.
    """
    from harness.planning.show import print_plan

    asked = completed(request, max_bad_rows, judge, judging=judging, dry_run=True)
    print_plan(asked, devices, ask=ask)


@app.command(
    epilog=examples(
        "show --method dama --size 7b",
        "show --method dama --variant released --json",
        "show --method dpo --set method.beta=0.2",
        "show dama-tiny-seed0-3fa2c1d40b7e",
    )
)
@given(request=REQUEST.of(method="").only(("size", "variant", "overrides", "out")))
def show(
    request: Request,
    run: Annotated[str | None, typer.Argument(help="A run, see: list runs.")] = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="See: list methods.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every value of a preset with its source, or what a run is.

    Of a run: its state, what decides it, and its numbers with their judges.
    """
    if run is not None:
        _show_run(run, request.out, as_json)
    elif method is not None:
        _show_preset(request.model_copy(update={"method": method}), as_json)
    else:
        raise typer.BadParameter("name a run (see: list runs), or give --method.")


def _show_run(name: str, out: Path, as_json: bool) -> None:
    from harness.reporting.listing import details_of

    facts = details_of(name, out)
    if as_json:
        print_json(facts)
        return
    from harness.console import print_table

    numbers = facts.pop("numbers")
    decided = facts.pop("decided by", {})
    for key, value in facts.items():
        typer.echo(f"{key}: {value}")
    rows = [[key, _text(value)] for key, value in _leaves(decided)]
    print_table("decided by", ("key", "value"), rows)
    print_table(
        "numbers", ("metric", "value", "judged by"), [list(row.values()) for row in numbers]
    )


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _show_preset(request: Request, as_json: bool) -> None:
    from harness.settings.preset_files import read_preset, short_names
    from harness.settings.resolve import resolve

    resolved = resolve(request.method, request.size, request.variant, request.overrides)
    origins = {
        key: {"value": origin.value, "source": origin.source}
        for key, origin in resolved.origins.items()
    }
    if as_json:
        print_json(origins)
        return
    from harness.console import print_questions, print_table

    rows = [[key, _text(row["value"]), row["source"]] for key, row in origins.items()]
    print_table(f"{resolved.spec.label} {request.size}", ("key", "value", "source"), rows)
    named = short_names(row["source"] for row in origins.values())
    if named:
        print_table("what the sources are short for", ("name", "repository"), [*named.items()])
    print_questions(read_preset(request.method, request.size).open_questions)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
