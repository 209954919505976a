"""The section that says what can be told apart: each method minus the base model, and minus DPO."""

from harness.reporting.compare import Comparison
from harness.reporting.differences import REFERENCES, Difference, differences
from harness.reporting.words import DIGITS, MISSING, escaped, grid, number

_NOTE = (
    "Run by run on the same world and seed, with the 95 % interval of the mean difference; each "
    "comparison by itself, so of twenty true zeros one is bold. Bold: told apart from zero. All "
    "others cannot be told apart by these runs."
)


def differences_section(comparison: Comparison) -> str:
    """Return the section in Markdown; empty where no two runs can be paired twice."""
    parts = []
    for reference in REFERENCES:
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
    """Return such as `-12.3 ± 4.5`, bold where it is told apart from zero."""
    if one is None or one.estimate.half_width is None:
        return MISSING
    unit = one.column.metric.unit
    mean = f"{one.estimate.mean:+.{DIGITS[unit]}f}"
    text = f"{mean} ± {number(one.estimate.half_width, unit)}"
    return f"**{text}**" if one.is_told_apart else text
