"""`margins`: how likely the pairs of a run are before and after its training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.options.common import AsJson, commands, examples, print_json

if TYPE_CHECKING:
    from harness.margins.groups import Group
    from harness.margins.records import Margins
    from harness.runs.rundir import RunDir

app = commands()


@app.command(
    "margins",
    epilog=examples(
        "margins dama-tiny-seed0-ae7bd8e7aaca",
        "margins dpo-7b-seed0-8eef962a3035 --pairs 2048",
        "margins --out results",
    ),
)
def margins(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNS]...",
            help="Runs by name (see: list runs) or folder. Default: all of --out that are trained.",
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", min=1, help="How many to draw; all where there are fewer.")
    ] = 512,
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    as_json: AsJson = False,
) -> None:
    """Score pairs of trained runs before and after training, with both models.

    The log-probabilities go into each run's folder, where `report` draws them by hardness. Of the
    same pairs every run gets the same draw. Killed anywhere, the same command goes on.
    """
    scored = _scored(runs, pairs, out)
    if as_json:
        print_json([_record(name, found) for name, found in scored.items()])
        return
    for name, found in scored.items():
        _print(name, found)


def _scored(runs: list[str] | None, pairs: int, out: Path) -> "dict[str, Margins]":
    """Score the runs that are named; of all runs, name those that cannot be scored."""
    from harness.console import messages
    from harness.errors import HarnessError
    from harness.margins.make import make_margins
    from harness.runs.rundir import RunDir
    from harness.upkeep.folders import run_folder

    named = [RunDir(run_folder(run, out)) for run in runs or ()]
    scored = {}
    for folder in named or _trained(out):
        try:
            scored[folder.path.name] = make_margins(folder, pairs)
        except HarnessError as error:
            if named:
                raise
            messages.print(f"{folder.path.name} is left out: {error}", markup=False)
            continue
        messages.print(f"{folder.margins}", markup=False)
    return scored


def _trained(out: Path) -> "list[RunDir]":
    """Return the trained runs of an output folder; what cannot be read is named."""
    from harness.console import messages
    from harness.files.faults import require_folder
    from harness.reporting.neighbours import neighbours

    require_folder(out, "--out")
    found, faults = neighbours(out)
    for fault in faults:
        messages.print(fault, markup=False)
    trained = [one.folder for one in found if one.is_trained]
    if not trained:
        messages.print(f"There are no trained runs in {out} yet.", markup=False)
    return trained


def _groups(found: "Margins") -> "list[Group]":
    from harness.margins.groups import by_clip_gap, by_kind, everything

    return [everything(found.pairs), *by_clip_gap(found.pairs), *by_kind(found.pairs)]


def _record(name: str, found: "Margins") -> "dict[str, Any]":
    from dataclasses import asdict

    groups = [asdict(one) for one in _groups(found)]
    return {"run": name, "total": found.total, "groups": groups}


def _print(name: str, found: "Margins") -> None:
    """Print a row for each group of a run's pairs, and what the numbers are."""
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
        for one in _groups(found)
    ]
    head = ("by clip_gap or kind", "pairs", "before", "after", "gap", "grown")
    title = (
        f"{name}: margin log p(chosen) - log p(rejected) before and after training, its growth "
        "(the reward gap without beta), and where it has grown; means in nats, pairs drawn from "
        f"{found.total}"
    )
    print_table(title, head, rows)
