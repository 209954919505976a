"""General ability of the runs that were asked for it, as every other table has it."""

from collections.abc import Sequence

from harness.report.tables import Table, TableCell, TableRow
from harness.reporting.abilities import abilities
from harness.reporting.compare import RunResult
from harness.reporting.writers.general_ability import (
    HEADERS,
    INTRODUCTION,
    cells_of,
    notes_of,
)

_CAPTION = "The base model beside the runs of each method, task by task"


def abilities_table(runs: Sequence[RunResult]) -> Table | None:
    """Return the base model beside each run, task by task; None where nobody was asked."""
    if not any(run.guard for run in runs):
        return None
    rows = abilities(runs)
    texts = map(cells_of, rows)
    return Table(
        _CAPTION,
        HEADERS,
        [TableRow(label, list(map(TableCell, cells))) for label, *cells in texts],
        [INTRODUCTION, *notes_of(runs, rows)],
    )
