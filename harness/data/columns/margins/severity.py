"""The column severity: how bad the rejected response of a pair is, as the data say.

Free of torch: whether data have it is asked before anything is loaded.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.console import messages
from harness.data.columns.column import Advance, Column
from harness.data.columns.margins.rewards import TOLD, counted_errors
from harness.data.columns.summary import Summary
from harness.errors import DataError, MissingColumn
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

GIVEN = "rejected_severity"
"""What a judge or people gave the rejected response."""
NAMES = (GIVEN,)
VERSION = "1"
"""Raise it when the same pairs are to give other numbers."""


def lacking(pairs: "Preferences") -> str | None:
    """Say what severity would be made of, where the data have nothing of it; else None."""
    if _column(pairs) is not None:
        return None
    return (
        "Let a judge rate how badly each rejected response hallucinates, and add the column of "
        f"numbers {GIVEN}. Data of HSA-DPO call it rejected_score, as others call a reward: rename "
        "it."
    )


def compute(
    pairs: "Preferences", hardness: HardnessSpec, cache: Path, chat: ChatSettings, advance: Advance
) -> tuple[list[float], Summary]:
    """Return the severity of every pair, and say what it was made of.

    Where errors are counted it is how many the rejected response has, and 0 where the chosen one
    has them.

    Raises:
        MissingColumn: The data have no severity.
        DataError: A row has none.
    """
    name = _column(pairs)
    if name is None:
        raise MissingColumn(f"{pairs.source}: no column 'severity'. {lacking(pairs)}")
    made_of = f"errors in {TOLD}" if name == TOLD else name
    values = list(_severities(pairs, name))
    messages.print(f"{pairs.source}: severities are {made_of}", markup=False)
    advance(len(values))
    return values, Summary.of(values, {"severities": made_of})


def decided_by(data: str, hardness: HardnessSpec) -> Mapping[str, str]:
    """Return what decides the numbers: the pairs and this code."""
    return {"data": data, "severity": VERSION}


def _column(pairs: "Preferences") -> str | None:
    if GIVEN in pairs.columns and pairs.holds_numbers(GIVEN):
        return GIVEN
    if TOLD in pairs.columns and counted_errors(next(pairs.values(TOLD), None)) is not None:
        return TOLD
    return None


def _severities(pairs: "Preferences", name: str) -> Iterator[float]:
    for row, value in enumerate(pairs.values(name)):
        found = _of_errors(value) if name == TOLD else value
        if found is None or not 0 <= found < math.inf:
            file, file_row = pairs.place(row)
            raise DataError(
                f"{pairs.source}: {file} row {file_row} has no severity: {name} is {value!r}. Give "
                "every row a number, 0 or more, or leave this row out."
            )
        yield found


def _of_errors(text: str | None) -> float | None:
    """Return how many errors the rejected response has: none where they are the chosen one's."""
    errors = counted_errors(text)
    return None if errors is None else max(errors, 0.0)


COLUMN = Column("severity", compute, decided_by)
