"""Compute one column, of whatever package, and hold what it gives against what a column is."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness import registry
from harness.data.columns.catalog import (
    code_of_packages,
    column_named,
    column_of_any_kind,
    computable,
    token_column_named,
)
from harness.data.columns.column import Advance
from harness.data.columns.summary import Summary
from harness.data.columns.tokens.spans import PairSpans, spans_of
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError, HarnessError, in_words, raised_at
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

Given = TypeVar("Given")
_MEND = "Mend it; the same command continues."


def compute(
    name: str,
    pairs: Preferences,
    hardness: HardnessSpec,
    cache: Path,
    chat: ChatSettings,
    advance: Advance,
) -> tuple[list[float], Summary]:
    """Return a finite number for every pair, in row order, and their summary.

    Raises:
        ConfigError: The column's package cannot be loaded.
        DataError: Pairs have no number, or the column's own code is at fault; the message names it.
    """
    column = column_named(name)
    found = _called(name, lambda: column.compute(pairs, hardness, cache, chat, advance))
    try:
        values, summary = found
    except (TypeError, ValueError):
        values, summary = None, None
    if values is None or not isinstance(summary, Summary):
        raise _fault(
            name,
            f"`compute` returns {type(found).__name__}; wanted are the numbers of all pairs, and "
            "their Summary",
        )
    return _numbers(name, values, len(pairs)), summary


def compute_spans(
    name: str,
    pairs: Preferences,
    hardness: HardnessSpec,
    cache: Path,
    chat: ChatSettings,
    advance: Advance,
) -> list[PairSpans]:
    """Return the spans of both responses of every pair, in row order.

    Raises:
        ConfigError: The column's package cannot be loaded.
        DataError: Pairs cannot be marked, or the column's own code is at fault.
    """
    column = token_column_named(name)
    found = _called(name, lambda: column.compute(pairs, hardness, cache, chat, advance))
    try:
        told = [(chosen, rejected) for chosen, rejected in found]
    except (TypeError, ValueError):
        raise _fault(
            name,
            f"`compute` returns {type(found).__name__}; wanted are the spans of both responses of "
            "every pair",
        ) from None
    if len(told) != len(pairs):
        raise _fault(
            name, f"`compute` gives spans for {len(told)} pairs, and there are {len(pairs)}"
        )
    return [_spans(name, pairs, row, held) for row, held in enumerate(told)]


def decided_by(name: str, data: str, hardness: HardnessSpec) -> dict[str, Any]:
    """Return what decides the numbers of a column: of a package's also its code.

    Raises:
        ConfigError: The column's package cannot be loaded.
        DataError: The column's own code is at fault.
    """
    column = column_of_any_kind(name)
    decided = _called(name, lambda: column.decided_by(data, hardness))
    if not isinstance(decided, Mapping):
        raise _fault(name, f"`decided_by` returns {type(decided).__name__}; wanted is a mapping")
    code = code_of_packages([name])
    if not code:
        return dict(decided)
    parts = {str(key): str(value) for key, value in decided.items()}
    return {f"column {name}": {**parts, "code": code[name]}}


def _called(name: str, call: Callable[[], Given]) -> Given:
    try:
        return call()
    except (HarnessError, OSError):
        raise
    except Exception as error:  # whatever somebody's column does
        place = raised_at(computable()[name].module, error.__traceback__)
        where = f" ({place})" if place else ""
        raise _fault(name, f"it raised {type(error).__name__}: {in_words(error)}{where}") from error


def _spans(name: str, pairs: Preferences, row: int, held: tuple[Any, Any]) -> PairSpans:
    texts = pairs.texts(row)
    try:
        return spans_of(held[0], texts.chosen), spans_of(held[1], texts.rejected)
    except ValueError as error:
        raise _fault(name, f"`compute` is at fault for row {row}: {error}") from error


def _numbers(name: str, values: Any, pairs: int) -> list[float]:
    found = []
    for row, value in enumerate(values):
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError):
            number = math.nan
        if not math.isfinite(number):
            raise _fault(
                name, f"`compute` gives {value!r} for row {row}; wanted is a finite number"
            )
        found.append(number)
    if len(found) != pairs:
        raise _fault(name, f"`compute` gives {len(found)} numbers for {pairs} pairs; one is wanted")
    return found


def _fault(name: str, problem: str) -> DataError:
    package = registry.find(name, computable(), "column").distribution
    return DataError(f"column {name!r} of package {package!r}: {problem}. {_MEND}")
