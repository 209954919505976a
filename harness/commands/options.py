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
Out = Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def examples(*lines: str) -> str:
    """Lay out the end of a help text; the backspace keeps its lines from being joined."""
    return "\n".join(("\b", "Examples:", *(f"  python -m harness {line}" for line in lines)))


def print_json(value: object) -> None:
    """Print a value as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2))
