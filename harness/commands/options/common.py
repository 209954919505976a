"""What several commands share: options, how a help text ends, how JSON is printed."""

import json
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
JudgedBy = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="NAME",
        help="Whose numbers to show where several judged: a name that tables have, or a part of "
        "it. Default: whoever judged most runs, then the latest.",
    ),
]


def commands() -> typer.Typer:
    """Return what holds the commands of a file; drawing help with rich takes longest of all."""
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def examples(*lines: str) -> str:
    """Lay out the end of a help text; the backspace keeps its lines from being joined."""
    return "\n".join(("\b", "Examples:", *(f"  python -m harness {line}" for line in lines)))


def print_json(value: object) -> None:
    """Print a value as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2))
