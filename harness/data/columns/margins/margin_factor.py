"""The column margin_factor: how much MM-DPO lets beta grow, by the reward margin of a pair."""

import math
from collections.abc import Mapping
from pathlib import Path

from harness.console import messages
from harness.data.columns.column import Advance, Column
from harness.data.columns.margins.rewards import margin_columns, margins, said
from harness.data.columns.summary import Summary
from harness.data.pairs.preferences import Preferences
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

VERSION = "1"
"""Raise it when the same pairs are to give other numbers."""


def factor(margin: float, k: float) -> float:
    """Return 1 - exp(-k * margin), between 0 and 1; 0 where the margin is negative.

    Below 0 the formula falls without bound, and beta would change its sign. A pair whose rejected
    response has the higher reward keeps beta as it is instead; no source says what it should do.
    Source: arXiv:2502.10391, dynamic reward scaling; k is in no released file.
    """
    return -math.expm1(-k * max(margin, 0.0))


def compute(
    pairs: Preferences, hardness: HardnessSpec, cache: Path, chat: ChatSettings, advance: Advance
) -> tuple[list[float], Summary]:
    """Return the factor of every pair, and say what the margins were made of."""
    found = margins(pairs)
    made_of = said(margin_columns(pairs) or ())
    negative = sum(margin < 0 for margin in found)
    messages.print(
        f"{pairs.source}: margins are {made_of}; {negative:,} of {len(found):,} are below 0",
        markup=False,
    )
    advance(len(found))
    values = [factor(margin, hardness.margin_k) for margin in found]
    return values, Summary.of(values, {"margins": made_of, "k": repr(hardness.margin_k)})


def decided_by(data: str, hardness: HardnessSpec) -> Mapping[str, str]:
    """Return what decides the numbers: the pairs, how fast the factor grows, and this code."""
    return {"data": data, "margin_k": repr(hardness.margin_k), "margin_factor": VERSION}


COLUMN = Column("margin_factor", compute, decided_by)
