"""The section below a table that says which rows can be told apart, run by run."""

from collections.abc import Sequence

from harness.reporting.alike import AGAINST
from harness.reporting.compare import Comparison
from harness.reporting.over_runs import Difference, over_runs
from harness.reporting.words import MISSING, escaped, grid, number, signed
from harness.reporting.writers.differences import EQUAL
from harness.statistics.compare import LEVEL


def _note(found: Sequence[Difference]) -> str:
    told = sum(one.is_told_apart for one in found)
    return (
        "Run by run on the same world and seed, with the 95 % interval of the mean difference, "
        "over worlds where there are several; the interval is of each difference by itself. "
        f"{EQUAL}: cannot be told apart from zero by these runs: the p-value of Student's t, after "
        f"Holm's correction over all {len(found)} differences of this table, is {LEVEL} or more. "
        f"{told} of {len(found)} can."
    )


def over_runs_section(comparison: Comparison) -> str:
    """Return the section in Markdown; empty where no two pairs of runs are there."""
    found = over_runs(comparison)
    if not found:
        return ""
    parts = ["## Differences", _note(found)]
    for reference in AGAINST:
        if group := [one for one in found if one.against == reference]:
            parts += [f"### Against {escaped(reference)}", _table(comparison, group)]
    return "\n\n".join(parts)


def _table(comparison: Comparison, found: Sequence[Difference]) -> str:
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
