"""`reproduce` and `show`: one run, from words to a request."""

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    AsJson,
    Method,
    Out,
    Overrides,
    Size,
    Variant,
    examples,
    print_json,
)

app = typer.Typer()


@app.command(
    epilog=examples(
        "reproduce --method dama --size tiny",
        "reproduce --method dama --variant released --seeds 0,1,2",
        "reproduce --method dpo --set method.beta=0.2 --devices 2",
        "reproduce --method rlhf_v --size 7b --dry-run",
    )
)
def reproduce(
    method: Method,
    size: Size = "tiny",
    variant: Variant = None,
    seeds: Annotated[str, typer.Option(help="Numbers, separated by commas.")] = "0",
    overrides: Overrides = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Training processes, one per device.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan and end.")
    ] = False,
    out: Out = Path("results"),
) -> None:
    """Train with one method, evaluate on all benchmarks and print the comparison table.

    The same command continues an interrupted run and skips what is done.
    """
    numbers = _seeds(seeds)
    from harness.reproduce import reproduce as run
    from harness.request import Request

    run(
        Request(
            method=method,
            size=size,
            variant=variant,
            seeds=numbers,
            overrides=tuple(overrides or ()),
            devices=devices,
            dry_run=dry_run,
            out=out,
        )
    )


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
    """Print every value of a run and where it comes from."""
    from harness.presets import resolve

    resolved = resolve(method, size, variant, overrides or ())
    origins = {
        key: {"value": origin.value, "source": origin.source}
        for key, origin in resolved.origins.items()
    }
    if as_json:
        print_json(origins)
        return
    from harness.listing import print_table

    rows = [[key, _text(row["value"]), row["source"]] for key, row in origins.items()]
    print_table(f"{resolved.spec.label} {size}", ("key", "value", "source"), rows)


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise typer.BadParameter(
            f"{text!r}: write different whole numbers with commas between, as in 0,1,2.",
            param_hint="--seeds",
        )
    return tuple(int(part) for part in parts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
