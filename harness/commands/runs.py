"""`reproduce` and `show`: one run, from words to a request."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands.options.common import (
    AsJson,
    Devices,
    MaxBadRows,
    Method,
    Out,
    Overrides,
    Seeds,
    Size,
    Variant,
    examples,
    print_json,
    seed_numbers,
    with_bad_rows,
)
from harness.commands.options.judging import (
    JudgeKeyFile,
    JudgeUrl,
    JudgeWorkers,
    MaxJudgeCalls,
    MaxJudgeTokens,
    chat_settings,
)
from harness.commands.options.machines import Hostfile, LauncherName, Sbatch

app = typer.Typer()

Crosscheck = Annotated[
    bool,
    typer.Option("--crosscheck", help="Also score with lmms-eval's own tasks, where it has them."),
]
PlannedDevices = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="N|NxNAME",
        help="How many of this machine's, or of which kind, as 4xA100-80GB.",
    ),
]
Ablate = Annotated[
    bool, typer.Option("--ablate", help="Run and print the method's ablation table instead.")
]


@app.command(
    epilog=examples(
        "reproduce --method dama --size tiny",
        "reproduce --method dama --variant released --seeds 0,1,2",
        "reproduce --method dpo --set method.beta=0.2 --devices 2",
        "reproduce --method dama --ablate --seeds 0,1,2",
        "reproduce --method rlhf_v --size 7b --dry-run",
        "reproduce --method dama --size 7b --launcher hostfile --hostfile hosts.txt",
        "reproduce --method dama --size 7b --launcher slurm --sbatch gres=gpu:4",
    )
)
def reproduce(
    method: Method,
    size: Size = "tiny",
    variant: Variant = None,
    seeds: Seeds = "0",
    overrides: Overrides = None,
    devices: Devices = None,
    launcher: LauncherName = "local",
    hostfile: Hostfile = None,
    sbatch: Sbatch = None,
    ablate: Ablate = False,
    crosscheck: Crosscheck = False,
    max_bad_rows: MaxBadRows = None,
    judge_url: JudgeUrl = None,
    judge_key_file: JudgeKeyFile = None,
    judge_workers: JudgeWorkers = 8,
    max_judge_calls: MaxJudgeCalls = None,
    max_judge_tokens: MaxJudgeTokens = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="The same as the command plan.")
    ] = False,
    out: Out = Path("results"),
) -> None:
    """Train, evaluate on all benchmarks and print the comparison table.

    The same command continues an interrupted run and skips what is done.
    """
    _run(
        method=method,
        size=size,
        variant=variant,
        seeds=seed_numbers(seeds),
        overrides=with_bad_rows(overrides, max_bad_rows),
        devices=devices,
        launcher=launcher,
        hostfile=hostfile,
        sbatch=tuple(sbatch or ()),
        words=tuple(sys.argv[1:]),
        ablate=ablate,
        judging=chat_settings(
            judge_url, judge_key_file, judge_workers, max_judge_calls, max_judge_tokens
        ),
        crosscheck=crosscheck,
        dry_run=dry_run,
        out=out,
    )


@app.command(
    epilog=examples(
        "plan --method dama --size 7b --devices 4xA100-80GB",
        "plan --method dama --size 13b --devices 8xH100 --set training.gradient_checkpointing=auto",
        "plan --method dama --ablate --seeds 0,1,2",
    )
)
def plan(
    method: Method,
    size: Size = "tiny",
    variant: Variant = None,
    seeds: Seeds = "0",
    overrides: Overrides = None,
    devices: PlannedDevices = None,
    ablate: Ablate = False,
    max_bad_rows: MaxBadRows = None,
    judge_key_file: JudgeKeyFile = None,
    out: Out = Path("results"),
) -> None:
    """Check everything and print what a run would do and cost.

    Nothing is built, trained or paid for. What the tiny world or the hub would provide is not
    known before it is there.
    """
    from harness.planning.show import print_plan
    from harness.settings.request import Request

    request = Request(
        method=method,
        size=size,
        variant=variant,
        seeds=seed_numbers(seeds),
        overrides=with_bad_rows(overrides, max_bad_rows),
        ablate=ablate,
        judging=chat_settings(judge_key_file=judge_key_file),
        dry_run=True,
        out=out,
    )
    print_plan(request, devices)


@app.command(
    epilog=examples(
        "show --method dama --size 7b",
        "show --method dama --variant released --json",
        "show --method dpo --set method.beta=0.2",
    )
)
def show(
    method: Method,
    size: Size = "tiny",
    variant: Variant = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print every value of a run, its source, and open questions."""
    from harness.settings.preset_files import read_preset
    from harness.settings.resolve import resolve

    resolved = resolve(method, size, variant, overrides or ())
    questions = read_preset(method, size).open_questions
    origins = {
        key: {"value": origin.value, "source": origin.source}
        for key, origin in resolved.origins.items()
    }
    if as_json:
        print_json(origins)
        return
    from harness.console import print_questions, print_table

    rows = [[key, _text(row["value"]), row["source"]] for key, row in origins.items()]
    print_table(f"{resolved.spec.label} {size}", ("key", "value", "source"), rows)
    print_questions(questions)


def _run(**values: Any) -> None:
    from harness.reproduce import reproduce as run
    from harness.settings.request import Request

    run(Request(**values))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
