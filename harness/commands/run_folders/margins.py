"""`margins`: how likely the pairs of a run are before and after its training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options.common import AsJson, commands, examples, print_json

if TYPE_CHECKING:
    from harness.margins.groups import Group

app = commands()


@app.command(
    "margins",
    epilog=examples(
        "margins dama-tiny-seed0-ae7bd8e7aaca",
        "margins dpo-7b-seed0-8eef962a3035 --pairs 2048",
    ),
)
def margins(
    run: Annotated[str, typer.Argument(help="A run by name (see: list runs) or folder.")],
    pairs: Annotated[
        int, typer.Option("--pairs", min=1, help="How many to draw; all where there are fewer.")
    ] = 512,
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    as_json: AsJson = False,
) -> None:
    """Score pairs of a finished run before and after its training, with both models.

    The log-probabilities go into the run's folder, where `report` draws them by hardness. Of the
    same pairs every run gets the same draw. Killed anywhere, the same command goes on.
    """
    from dataclasses import asdict

    from harness.console import messages
    from harness.margins.groups import by_clip_gap, by_kind, everything
    from harness.margins.make import make_margins
    from harness.runs.rundir import RunDir
    from harness.upkeep.folders import run_folder

    folder = RunDir(run_folder(run, out))
    found = make_margins(folder, pairs)
    groups = [
        everything(found.pairs),
        *by_clip_gap(found.pairs),
        *by_kind(found.pairs),
    ]
    if as_json:
        print_json({"total": found.total, "groups": [asdict(one) for one in groups]})
    else:
        _print(groups, found.total)
    messages.print(f"{folder.margins}", markup=False)


def _print(groups: "list[Group]", total: int) -> None:
    """Print a row for each group, and what the numbers are."""
    from harness.console import print_table
    from harness.margins.groups import spanned
    from harness.reporting.words import signed

    rows = [
        [
            spanned(one.name, one.span),
            str(one.pairs),
            f"{one.before:.2f}",
            f"{one.after:.2f}",
            signed(one.reward_gap, "score"),
            f"{one.grown:.1f} %",
        ]
        for one in groups
    ]
    head = ("by clip_gap or kind", "pairs", "before", "after", "gap", "grown")
    title = (
        f"Margin log p(chosen) - log p(rejected) before and after training, its growth (the reward "
        f"gap without beta), and where it has grown; means in nats, pairs drawn from {total}"
    )
    print_table(title, head, rows)
