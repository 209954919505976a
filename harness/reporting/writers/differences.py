"""The section below a table that says which rows can be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.markup import escape
from rich.table import Table

from harness.reporting.alike import AGAINST
from harness.reporting.over_items.differences import Difference, OverItems
from harness.reporting.words import MISSING, escaped, grid, number, signed
from harness.statistics.compare import LEVEL

EQUAL = "\u2248"
"""Stands before a difference that is not shown."""
HEADERS = ("Metric", "Method", "difference", "95 % interval", "p", "would show")


@dataclass(frozen=True)
class Line:
    """One difference in words."""

    metric: str
    row: str
    difference: str
    interval: str
    p: str
    smallest: str

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of the headers."""
        return self.metric, self.row, self.difference, self.interval, self.p, self.smallest


def lines_of(differences: Sequence[Difference]) -> list[Line]:
    """Return differences in words, those that are not shown with a mark."""
    return [_line(one) for one in differences]


def _line(one: Difference) -> Line:
    measured, unit = one.measured, one.column.metric.unit
    low, high = measured.low, measured.high
    value = signed(measured.value, unit)
    return Line(
        one.column.header,
        one.row,
        value if one.is_shown else f"{EQUAL} {value}",
        MISSING if low is None or high is None else _signed_interval(low, high, unit),
        p_text(one.adjusted),
        number(measured.smallest, unit) if measured.error else MISSING,
    )


def _signed_interval(low: float, high: float, unit: str) -> str:
    return f"{signed(low, unit)} to {signed(high, unit)}"


def p_text(value: float) -> str:
    """Return a p-value with three decimals; a small one as a bound."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def notes_of(found: OverItems) -> list[str]:
    """Return what the columns mean, and which items say nothing."""
    faults = [f"No interval over items: {fault}" for fault in found.faults]
    if not found.differences:
        return faults
    notes = [
        "The method's number less that of the row it is compared with, on the same items; all "
        "items of a picture are drawn and exchanged together.",
        f"p: paired permutation; with several seeds by the error over items and seeds. Holm's "
        f"correction over all {len(found.differences)} differences of this table.",
        f"{EQUAL}: cannot be told apart (p is {LEVEL} or more).",
        "would show: the smallest true difference that is found in 80 of 100 cases, before the "
        "correction.",
    ]
    return notes + faults


def differences_section(found: OverItems) -> str:
    """Return the section in Markdown; empty if there is nothing to say."""
    if not found.differences and not found.faults:
        return ""
    parts = ["## Differences"]
    for against, group in groups(found).items():
        rows = [[escaped(cell) for cell in line.cells] for line in lines_of(group)]
        parts += [f"### Against {escaped(against)}", grid(HEADERS, rows)]
    parts.append("\n".join(f"- {escaped(note)}" for note in notes_of(found)))
    return "\n\n".join(parts)


def groups(found: OverItems) -> dict[str, list[Difference]]:
    """Return the differences by the row that they are from."""
    grouped = {
        against: [one for one in found.differences if one.against == against] for against in AGAINST
    }
    return {against: group for against, group in grouped.items() if group}


def differences_table(against: str, group: Sequence[Difference]) -> Table:
    """Return the differences from one row for a terminal, in 80 columns."""
    table = Table(title=escape(f"Differences from {against}"), box=box.SIMPLE, padding=(0, 1, 0, 0))
    for place, head in enumerate(("Metric", "Method", "diff.", "95 %", "p", "shows")):
        table.add_column(head, justify="left" if place < 2 else "right")
    for line in lines_of(group):
        table.add_row(*map(escape, line.cells))
    return table
