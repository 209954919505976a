"""`inspect`: look at preference pairs, one by one or from hard to easy."""

from enum import StrEnum
from typing import Annotated

import typer

from harness.commands.options.columns import DATA
from harness.commands.options.common import commands, examples
from harness.commands.options.from_model import given
from harness.settings.spec import DataSpec

app = commands()
inspect = commands()
app.add_typer(inspect, name="inspect", help="Look at preference pairs.")


class Rule(StrEnum):
    """Which segments of RLHF-V are shown."""

    PAPER = "paper"
    RELEASED = "released"


class Order(StrEnum):
    """Which end of the data comes first."""

    HARD = "hard"
    EASY = "easy"


@inspect.command(
    epilog=examples(
        "inspect pair --data world:preferences --index 12",
        "inspect pair --data pairs.parquet --index 12 --rule released "
        "--model llava-hf/llava-1.5-7b-hf",
    )
)
@given(spec=DATA)
def pair(
    spec: DataSpec,
    index: Annotated[int, typer.Option("--index", min=0, help="Number of the pair, from zero.")],
    rule: Annotated[
        Rule | None, typer.Option("--rule", help="One rule only. Default: both.")
    ] = None,
    min_match: Annotated[
        int, typer.Option("--min-match", min=1, help="Shorter runs of equal tokens do not count.")
    ] = 3,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Whose tokenizer: hub id, folder or world:base. Only the tiny world's data have "
            "a default.",
        ),
    ] = None,
    template: Annotated[
        str, typer.Option("--template", help="Conversation template of the prompt.")
    ] = "vicuna_v1",
) -> None:
    """Show a pair with the changed tokens coloured, and its hardness if that was prepared."""
    from harness.inspection.pair import print_pair, tokenizer_reference
    from harness.world.places import locate_data

    reference = tokenizer_reference(model, spec.preferences)
    rules = [each.value for each in Rule if rule in (None, each)]
    print_pair(locate_data(spec), index, rules, min_match, reference, template)


@inspect.command(
    epilog=examples(
        "inspect hardness --data world:preferences --top 10",
        "inspect hardness --data pairs.parquet --order easy",
    )
)
@given(spec=DATA)
def hardness(
    spec: DataSpec,
    top: Annotated[int, typer.Option("--top", min=1, help="How many pairs.")] = 20,
    order: Annotated[Order, typer.Option("--order", help="Hardest or easiest first.")] = Order.HARD,
) -> None:
    """Show pairs by clip_gap; hard is where CLIP hardly prefers the chosen response."""
    from harness.inspection.hardness import print_by_hardness
    from harness.world.places import locate_data

    print_by_hardness(locate_data(spec), top, hard_first=order is Order.HARD)
