"""Reward margins: by how much the chosen response of a pair is better, as the data say.

Rewards of both responses are columns of numbers, whoever gave them: a reward model, a language
model that judged, or people. Where there are none, `origin_split` may count errors. Free of torch:
whether data have margins is asked before anything is loaded.
"""

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import DataError, MissingColumn

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

MARGIN = "margin"
"""A margin as such, as TRL's reward trainer reads it."""
REWARDS = (
    ("chosen_reward", "rejected_reward"),
    ("reward_chosen", "reward_rejected"),
    ("chosen_score", "rejected_score"),
    ("score_chosen", "score_rejected"),
    ("chosen_rating", "rejected_rating"),
)
"""What published preference data call the rewards of both responses; the first that are there."""
NAMES = (MARGIN, *(name for names in REWARDS for name in names))
TOLD = "origin_split"
"""The JSON object of a row. In `errors` it may hold how many sentences of the response that is
rejected are not as they should be, and in `mislabelled` a "yes" where that one was chosen."""
_MOST_ERRORS = 1_000_000


def margin_columns(pairs: "Preferences") -> tuple[str, ...] | None:
    """Return the columns that margins are made of, None where the data have none."""
    numbers = {name for name in pairs.columns if pairs.holds_numbers(name)}
    for names in ((MARGIN,), *REWARDS):
        if numbers.issuperset(names):
            return names
    if TOLD in pairs.columns and counted_errors(next(pairs.values(TOLD), None)) is not None:
        return (TOLD,)
    return None


def margins(pairs: "Preferences") -> list[float]:
    """Return the margin of every pair, negative where the rejected response is the better one.

    Raises:
        MissingColumn: The data have no rewards.
        DataError: A row has none.
    """
    names = margin_columns(pairs)
    if names is None:
        raise MissingColumn(f"{pairs.source}: no column 'margin_factor'. {lacking(pairs)}")
    return list(_margins(pairs, names))


def lacking(pairs: "Preferences") -> str | None:
    """Say what margins would be made of, where the data have nothing of it; else None."""
    if margin_columns(pairs) is not None:
        return None
    known = "; ".join(" and ".join(names) for names in REWARDS)
    return (
        "It is computed of the rewards of both responses, and the data have none. Let a reward "
        f"model score the responses, and add two columns of numbers: {known}; or one, their "
        f"difference: {MARGIN}. Where margins are ignored (mm_dpo --variant released), a "
        "margin_factor of 0 in every row will do."
    )


def said(names: tuple[str, ...]) -> str:
    """Say what margins are made of."""
    return f"errors in {TOLD}" if names == (TOLD,) else " - ".join(names)


def _margins(pairs: "Preferences", names: tuple[str, ...]) -> Iterator[float]:
    columns = zip(*(pairs.values(name) for name in names), strict=True)
    for row, values in enumerate(columns):
        margin = counted_errors(*values) if names == (TOLD,) else _difference(*values)
        if margin is None or not math.isfinite(margin):
            file, file_row = pairs.place(row)
            held = ", ".join(f"{name} is {one!r}" for name, one in zip(names, values, strict=True))
            raise DataError(
                f"{pairs.source}: {file} row {file_row} has no margin: {held}. Give every row its "
                "numbers, or leave this row out."
            )
        yield margin


def _difference(chosen: float | None, rejected: float | None = 0.0) -> float | None:
    """Return the difference of two numbers, of a margin the number itself."""
    return None if chosen is None or rejected is None else chosen - rejected


def counted_errors(text: str | None) -> float | None:
    """Return by how many errors the rejected response is worse, None where a row does not say."""
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    errors = told.get("errors") if isinstance(told, dict) else None
    if not isinstance(errors, int) or not 0 <= errors <= _MOST_ERRORS:
        return None
    return float(-errors if told.get("mislabelled") == "yes" else errors)
