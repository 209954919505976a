"""`matrix`: many runs, from words to a request."""

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands.options.common import (
    Devices,
    MaxBadRows,
    Out,
    Overrides,
    Seeds,
    examples,
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

Methods = Annotated[
    str,
    typer.Option("--methods", "-m", help="Names with commas between; a variant is METHOD:VARIANT."),
]
Sizes = Annotated[str, typer.Option("--sizes", "-s", help="Names with commas between.")]
Jobs = Annotated[int, typer.Option(min=1, help="Cells at the same time.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the cells and how they stand, then end.")
]


@app.command(
    epilog=examples(
        "matrix --methods dpo,rlhf_v,dama --sizes 7b,13b --seeds 0,1,2",
        "matrix --methods dama,dama:released --sizes tiny --seeds 0,1 --jobs 2",
        "matrix --methods dpo,dama --sizes 7b,13b --launcher slurm --sbatch gres=gpu:4",
        "matrix --methods dpo,dama --sizes 7b --seeds 0,1,2 --dry-run",
    )
)
def matrix(
    methods: Methods,
    sizes: Sizes = "tiny",
    seeds: Seeds = "0",
    overrides: Overrides = None,
    devices: Devices = None,
    launcher: LauncherName = "local",
    hostfile: Hostfile = None,
    sbatch: Sbatch = None,
    jobs: Jobs = 1,
    max_bad_rows: MaxBadRows = None,
    judge_url: JudgeUrl = None,
    judge_key_file: JudgeKeyFile = None,
    judge_workers: JudgeWorkers = 8,
    max_judge_calls: MaxJudgeCalls = None,
    max_judge_tokens: MaxJudgeTokens = None,
    dry_run: DryRun = False,
    out: Out = Path("results"),
) -> None:
    """Run or submit every method, size and seed, each as its own `reproduce`, and compare them.

    A cell that fails does not stop the others. The same command goes on after an interruption and
    skips what is done; several of them at once share the work. Limits on the judge hold for each
    cell.
    """
    values = with_bad_rows(overrides, max_bad_rows)
    options = {
        "--devices": devices,
        "--launcher": None if launcher == "local" else launcher,
        "--hostfile": hostfile,
        "--judge-url": judge_url,
        "--judge-key-file": judge_key_file,
        "--judge-workers": judge_workers,
        "--max-judge-calls": max_judge_calls,
        "--max-judge-tokens": max_judge_tokens,
    }
    _run(
        _names(methods, "--methods"),
        _names(sizes, "--sizes"),
        jobs,
        _words({**options, "--sbatch": sbatch, "--set": values}),
        seeds=seed_numbers(seeds),
        overrides=values,
        devices=devices,
        launcher=launcher,
        hostfile=hostfile,
        sbatch=tuple(sbatch or ()),
        judging=chat_settings(
            judge_url, judge_key_file, judge_workers, max_judge_calls, max_judge_tokens
        ),
        dry_run=dry_run,
        out=out,
    )


def _run(
    methods: tuple[str, ...], sizes: tuple[str, ...], jobs: int, words: tuple[str, ...], **cell: Any
) -> None:
    from harness.matrix.cells import MatrixRequest
    from harness.matrix.run import run_matrix
    from harness.settings.request import Request

    shared = Request(method="", **cell)
    run_matrix(MatrixRequest(methods=methods, sizes=sizes, shared=shared, words=words, jobs=jobs))


def _names(text: str, option: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise typer.BadParameter(
            f"{text!r}: write different names with commas between.", param_hint=option
        )
    return names


def _words(options: dict[str, Any]) -> tuple[str, ...]:
    """Return the options that were given, as words of a command line; lists word by word."""
    return tuple(
        f"{name}={value}"
        for name, given in options.items()
        for value in (given if isinstance(given, list | tuple) else (given,))
        if value is not None
    )
