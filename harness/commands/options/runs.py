"""Options of the commands that ask for runs."""

from typing import Annotated

import typer

from harness.commands.options.from_model import Flag, Options
from harness.settings.request import Request


def seed_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `--seeds`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise typer.BadParameter(
            f"{text!r}: write different whole numbers with commas between, as in 0,1,2."
        )
    return tuple(int(part) for part in parts)


REQUEST = Options(
    Request.model_fields,
    {
        "method": Flag("--method", "-m"),
        "size": Flag("--size", "-s"),
        "variant": Flag("--variant"),
        "seeds": Flag("--seeds", metavar="TEXT", parse=seed_numbers),
        "overrides": Flag("--set", metavar="KEY=VALUE"),
        "devices": Flag("--devices"),
        "launcher": Flag("--launcher", metavar="NAME"),
        "hostfile": Flag("--hostfile", metavar="FILE"),
        "sbatch": Flag("--sbatch", metavar="KEY=VALUE"),
        "ablate": Flag("--ablate"),
        "crosscheck": Flag("--crosscheck"),
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


def completed(request: Request, max_bad_rows: int | None, **values: object) -> Request:
    """Return a request with other values, where the number of unusable pairs is an override."""
    bad_rows = () if max_bad_rows is None else (f"data.max_bad_rows={max_bad_rows}",)
    overrides = (*request.overrides, *bad_rows)
    return request.model_copy(update={"overrides": overrides, **values})
