"""The section below a table that says which rows can be told apart, run by run."""

from harness.reporting.compare import Comparison
from harness.reporting.over_items.differences import AGAINST
from harness.reporting.over_runs import Difference, differences
from harness.reporting.words import MISSING, escaped, grid, number, signed
from harness.reporting.writers.differences import EQUAL

_NOTE = (
    "Run by run on the same world and seed, with the 95 % interval of the mean difference, over "
    f"worlds where there are several. {EQUAL}: cannot be told apart from zero by these runs; each "
    "comparison by itself, so of twenty that are zero one is taken for more."
)


def over_runs_section(comparison: Comparison) -> str:
    """Return the section in Markdown; empty where no two pairs of runs are there."""
    parts = []
    for reference in AGAINST:
        if found := list(differences(comparison, reference)):
            parts += [f"### Against {escaped(reference)}", _table(comparison, found)]
    return "\n\n".join(["## Differences", _NOTE, *parts]) if parts else ""


def _table(comparison: Comparison, found: list[Difference]) -> str:
    by_place = {(one.row, one.column): one for one in found}
    rows = dict.fromkeys(one.row for one in found)
    return grid(
        ["Method", *(escaped(column.header) for column in comparison.columns)],
        [
            [
                escaped(row),
                *(difference_text(by_place.get((row, column))) for column in comparison.columns),
            ]
            for row in rows
        ],
    )


def difference_text(one: Difference | None) -> str:
    """Return such as `-12.3 ± 4.5`, with a mark where it cannot be told apart from zero."""
    if one is None or one.estimate.half_width is None:
        return MISSING
    unit = one.column.metric.unit
    text = f"{signed(one.estimate.mean, unit)} ± {number(one.estimate.half_width, unit)}"
    return text if one.is_told_apart else f"{EQUAL} {text}"
