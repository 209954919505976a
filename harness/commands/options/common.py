"""Options that several commands share, and how their help texts end."""

import json
from pathlib import Path
from typing import Annotated

import typer

Method = Annotated[str, typer.Option("--method", "-m", help="See: list methods.")]
Size = Annotated[str, typer.Option("--size", "-s", help="See: list sizes.")]
Variant = Annotated[str | None, typer.Option("--variant", help="A variant of the preset.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the preset; repeatable."),
]
Seeds = Annotated[str, typer.Option(help="Numbers, separated by commas.")]
Devices = Annotated[int | None, typer.Option(min=1, help="Training processes, one per device.")]
MaxBadRows = Annotated[
    int | None,
    typer.Option("--max-bad-rows", min=0, help="Unusable pairs to leave out; more stop the run."),
]
Out = Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def examples(*lines: str) -> str:
    """Lay out the end of a help text; the backspace keeps its lines from being joined."""
    return "\n".join(("\b", "Examples:", *(f"  python -m harness {line}" for line in lines)))


def seed_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `--seeds`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise typer.BadParameter(
            f"{text!r}: write different whole numbers with commas between, as in 0,1,2.",
            param_hint="--seeds",
        )
    return tuple(int(part) for part in parts)


def with_bad_rows(overrides: list[str] | None, max_bad_rows: int | None) -> tuple[str, ...]:
    """Return all values to replace, where the number of unusable pairs is one of them."""
    bad_rows = [] if max_bad_rows is None else [f"data.max_bad_rows={max_bad_rows}"]
    return (*(overrides or ()), *bad_rows)


def print_json(value: object) -> None:
    """Print a value as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2))
