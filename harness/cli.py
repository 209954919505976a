"""The command line: words in, a request out. Each command imports what it needs when it runs."""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def _examples(*lines: str) -> str:
    """Lay out the end of a help text; the backspace keeps its lines from being joined."""
    return "\n".join(("\b", "Examples:", *(f"  python -m harness {line}" for line in lines)))


app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with rich takes longer than all the rest of `--help`
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Method = Annotated[str, typer.Option("--method", "-m", help="See: list methods.")]
Size = Annotated[str, typer.Option("--size", "-s", help="See: list sizes.")]
Variant = Annotated[str | None, typer.Option("--variant", help="A variant of the preset.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the preset; repeatable."),
]
Out = Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class Listed(StrEnum):
    """What `list` lists."""

    METHODS = "methods"
    BENCHMARKS = "benchmarks"
    SIZES = "sizes"
    RUNS = "runs"


@app.callback(
    epilog=_examples(
        "reproduce --method dama --size tiny",
        "list methods",
        "show --method dama --size 7b",
    )
)
def harness() -> None:
    """Reproduce alignment methods for multimodal models, from preference data to the table."""


@app.command(
    epilog=_examples(
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
    epilog=_examples(
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
        _print_json(origins)
        return
    from harness.listing import print_table

    rows = [[key, _text(row["value"]), row["source"]] for key, row in origins.items()]
    print_table(f"{resolved.spec.label} {size}", ("key", "value", "source"), rows)


@app.command(
    epilog=_examples(
        "score --benchmark mm_vet --responses answers.jsonl --data mm_vet --judge openai",
        "score --benchmark amber --responses answers.jsonl --data amber --json",
    )
)
def score(
    benchmark: Annotated[str, typer.Option("--benchmark", "-b", help="See: list benchmarks.")],
    responses: Annotated[Path, typer.Option(help='JSONL, one {"id": ..., "response": ...} each.')],
    data: Annotated[Path, typer.Option(help="Folder of the benchmark's own files.")],
    judge: Annotated[
        str | None, typer.Option(help="oracle, openai, openai:MODEL or replay:FILE.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score saved answers; no model and no GPU needed."""
    from harness.evaluation.score import as_json as to_json
    from harness.evaluation.score import score_responses

    scorecard = score_responses(benchmark, responses, data, judge)
    if as_json:
        typer.echo(to_json(scorecard))
        return
    from harness.listing import print_scorecard

    print_scorecard(scorecard)


@app.command(
    "list",
    epilog=_examples(
        "list methods",
        "list sizes --json",
        "list runs --out results",
    ),
)
def list_names(
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    out: Out = Path("results"),
    as_json: AsJson = False,
) -> None:
    """List the methods, benchmarks, sizes or runs there are."""
    from harness import listing

    makers: dict[Listed, Callable[[], list[listing.Row]]] = {
        Listed.METHODS: listing.methods,
        Listed.BENCHMARKS: listing.benchmarks,
        Listed.SIZES: listing.sizes,
        Listed.RUNS: lambda: listing.runs(out),
    }
    rows = makers[what]()
    if as_json:
        _print_json(rows)
    else:
        listing.print_plain(rows, nothing=f"There are no {what} yet.")


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


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))
