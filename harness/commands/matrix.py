"""`matrix`: many runs, from words to a request."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples
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

Methods = Annotated[
    str,
    typer.Option("--methods", "-m", help="Names with commas between; a variant is METHOD:VARIANT."),
]
Sizes = Annotated[str, typer.Option("--sizes", "-s", help="Names with commas between.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Cells at the same time.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the cells and how they stand, then end.")
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write the page of `report` on all runs of --out, when no cell failed.",
    ),
]
PASSED_ON = REQUEST.only(("overrides", "devices", "launcher", "hostfile", "sbatch", "track"))
"""What every cell's own `reproduce` is told as well."""


@app.command(
    epilog=examples(
        "matrix --methods dpo,rlhf_v,dama --sizes 7b,13b --seeds 0,1,2",
        "matrix --methods dama,dama:released --sizes tiny --seeds 0,1 --worlds 0,1,2 --jobs 2",
        "matrix --methods dpo,dama --sizes 7b,13b --launcher slurm --sbatch gres=gpu:4",
        "matrix --methods dpo,dama --sizes 7b --seeds 0,1,2 --track tensorboard",
        "matrix --methods dpo,dama --sizes tiny --guard tiny_ability",
        "matrix --methods dpo,rlhf_v,dama --seeds 0,1,2 --report report.html",
        "matrix --methods dpo,dama --sizes 7b --seeds 0,1,2 --dry-run",
    )
)
@given(
    shared=REQUEST.only(("seeds", "worlds", *PASSED_ON.flags, "out")).of(method=""), judging=JUDGING
)
def matrix(
    methods: Methods,
    shared: Request,
    judging: ChatSettings,
    sizes: Sizes = "tiny",
    jobs: Jobs = 1,
    max_bad_rows: MaxBadRows = None,
    judge: RunJudge = None,
    config: ConfigFile = None,
    guard: Guard = None,
    guard_tasks: GuardTasks = None,
    report: Report = None,
    dry_run: DryRun = False,
) -> None:
    """Run or submit every method, size and seed, each as its own `reproduce`, and compare them.

    A cell that fails does not stop the others. The same command goes on after an interruption and
    skips what is done; several of them at once share the work. Limits on the judge hold for each
    cell.
    """
    from harness.commands.report import write_page
    from harness.files.faults import require_file
    from harness.matrix.cells import MatrixRequest
    from harness.matrix.run import run_matrix

    shared = completed(
        shared, max_bad_rows, judge, config, guard, guard_tasks, judging=judging, dry_run=dry_run
    )
    asked = MatrixRequest(
        methods=_names(methods, "--methods"),
        sizes=_names(sizes, "--sizes"),
        shared=shared,
        words=(*PASSED_ON.words(shared), *JUDGING.words(judging)),
        jobs=jobs,
    )
    if report is None or dry_run:
        run_matrix(asked)
        return
    if len(asked.sizes) > 1:
        raise typer.BadParameter("a page is about one size.", param_hint="--report")
    require_file(report, "--report")
    run_matrix(asked)
    write_page(shared.out, report, asked.sizes[0])


def _names(text: str, option: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise typer.BadParameter(
            f"{text!r}: write different names with commas between.", param_hint=option
        )
    return names
