"""Options of the commands that ask for runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.from_model import Flag, Options
from harness.settings.overrides import read_config
from harness.settings.request import Request
from harness.settings.spec import LARGEST_SEED

_DIGITS = len(str(LARGEST_SEED))
_SHOWN = 80


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `--seeds` or `--worlds`."""
    parts = [part.strip() for part in text.split(",")]
    # Digits are counted first: Python refuses to read thousands of them.
    are_numbers = all(part.isdecimal() and len(part) <= _DIGITS for part in parts)
    found = tuple(map(int, parts)) if are_numbers else ()
    if len(set(found)) < len(parts) or max(found) > LARGEST_SEED:
        raise typer.BadParameter(
            f"{text[:_SHOWN]!r}: write different whole numbers with commas between, as in 0,1,2; "
            f"none above {LARGEST_SEED:,}."
        )
    return found


def trackers(text: str) -> tuple[str, ...]:
    """Return the names of `--track`."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


REQUEST = Options(
    Request.model_fields,
    {
        "method": Flag("--method", "-m"),
        "size": Flag("--size", "-s"),
        "variant": Flag("--variant"),
        "seeds": Flag("--seeds", metavar="TEXT", parse=numbers),
        "worlds": Flag("--worlds", metavar="TEXT", parse=numbers),
        "overrides": Flag("--set", metavar="KEY=VALUE"),
        "devices": Flag("--devices"),
        "launcher": Flag("--launcher", metavar="NAME"),
        "hostfile": Flag("--hostfile", metavar="FILE"),
        "sbatch": Flag("--sbatch", metavar="KEY=VALUE"),
        "ablate": Flag("--ablate"),
        "crosscheck": Flag("--crosscheck"),
        "track": Flag("--track", metavar="NAMES", parse=trackers),
        "again": Flag("--again", metavar="training|answers|judgements"),
        "dry_run": Flag("--dry-run"),
        "out": Flag("--out"),
    },
    Request,
)
MaxBadRows = Annotated[
    int | None,
    typer.Option("--max-bad-rows", min=0, help="Unusable pairs to leave out; more stop the run."),
]

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="YAML of the keys of --set, which wins over the file."
    ),
]


RunJudge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="openai, openai:MODEL, local:MODEL, replay:FILE, later, or oracle (tiny world). "
        "Default: the preset's.",
    ),
]


Guard = Annotated[
    str | None,
    typer.Option(
        "--guard",
        metavar="NAMES",
        help="Tasks of lmms-eval, with commas between, that show whether general ability is kept: "
        "pope,mme,mmbench_en_dev_static,mmstar,scienceqa_img; tiny_ability in a tiny world.",
    ),
]
GuardTasks = Annotated[
    Path | None,
    typer.Option("--guard-tasks", metavar="FOLDER", help="More tasks, in lmms-eval's YAML form."),
]


def guard_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names of `--guard`."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        raise typer.BadParameter(
            f"{text[:_SHOWN]!r}: write names with commas between.", param_hint="--guard"
        )
    return names


def completed(
    request: Request,
    max_bad_rows: int | None,
    judge: str | None,
    config: Path | None = None,
    guard: str | None = None,
    guard_tasks: Path | None = None,
    **values: object,
) -> Request:
    """Return a request with other values; from low to high: file, `--set`, the other flags."""
    given = {
        "data.max_bad_rows": max_bad_rows,
        "evaluation.judge": judge,
        "evaluation.guard": guard_names(guard),
        "evaluation.guard_tasks": str(guard_tasks) if guard_tasks else None,
    }
    added = (f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None)
    below = read_config(config) if config else ()
    overrides = (*below, *request.overrides, *added)
    return request.model_copy(update={"overrides": overrides, **values})
