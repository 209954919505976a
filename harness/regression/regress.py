"""Hold the numbers of today against a table, and say what moved."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.console import messages, print_table, results, visible
from harness.errors import ConfigError
from harness.regression.measured import Training, base_anew, records_of, trained_anew
from harness.regression.moves import Held, Move, held_against
from harness.regression.reference import Reference, read_reference
from harness.report.comparison.runs import any_results
from harness.reporting.writers.records import Record


@dataclass(frozen=True)
class Asked:
    """What is held against what."""

    against: Path
    runs: tuple[str, ...]
    """By name or folder; none: numbers are made anew."""
    out: Path
    """Holds the runs that are named."""
    training: Training | None
    """What is trained anew; None: nothing."""
    worlds: tuple[int, ...]
    """Whose base models answer anew where nothing is trained and no run is named."""


def regress(asked: Asked) -> tuple[Held, list[Record]]:
    """Make or read the numbers, print what moved, and return both.

    Raises:
        ConfigError: There is no table or no such run, or the table holds none of the runs.
        HarnessError: A training or an evaluation fails.
    """
    reference = read_reference(asked.against)
    faults: list[str] = []
    records = _numbers(asked, reference, faults)
    for fault in dict.fromkeys(faults):
        messages.print(fault, markup=False)
    held = held_against(records, reference)
    for run in held.unknown:
        messages.print(
            f"{visible(str(run))}: not in {asked.against}, so nothing is said of it.", markup=False
        )
    if not held.runs:
        raise ConfigError(
            f"{asked.against} holds none of these runs. Name another table with --against; "
            "`compare RUN... --format csv --to FILE` writes one."
        )
    show(held, asked.against)
    return held, records


def _numbers(asked: Asked, reference: Reference, faults: list[str]) -> list[Record]:
    if asked.runs:
        return records_of(any_results(asked.runs, asked.out, faults), faults)
    # What lies in a folder is taken as it is: anew means in an empty one.
    with tempfile.TemporaryDirectory(prefix="harness-regress-") as folder:
        out = Path(folder)
        if asked.training is None:
            made = base_anew(asked.worlds, out)
        else:
            made = trained_anew(asked.training.requests(reference, out), out, faults)
        return records_of(made, faults)


def show(held: Held, against: Path) -> None:
    """Print what moved, and how much of all that is."""
    if held.moves:
        titles = ("run", "number", "reference", "now", "standard errors", "")
        print_table("Moved", titles, [_cells(move) for move in held.moves])
    beyond = sum(move.is_beyond for move in held.moves)
    results.print(
        f"{held.compared} numbers of {len(held.runs)} runs against {against}: {len(held.moves)} "
        f"moved, {beyond} of them more than is allowed.",
        markup=False,
        highlight=False,
    )


def _cells(move: Move) -> Sequence[str]:
    errors = "" if move.errors is None else f"{move.errors:.1f}"
    verdict = move.why if move.is_beyond else f"allowed: {move.why}"
    shown = (str(move.run), move.what, move.before, move.after, errors, verdict)
    return [visible(text) for text in shown]
