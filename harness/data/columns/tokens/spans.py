"""Spans: parts of a response with a number, which the tokens that end in them have."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, NamedTuple

_FIELDS = ("start", "end", "value")
_MOST = (2 - 2**-23) * 2.0**127
"""The largest float32, which tokens have their numbers in."""
_SHOWN = 60


class Span(NamedTuple):
    """Characters of a response with their number."""

    start: int
    """The first character, from zero."""
    end: int
    """The character behind the last one."""
    value: float


PairSpans = tuple[tuple[Span, ...], tuple[Span, ...]]
"""Spans of the chosen and of the rejected response, each in the order of the text."""


def spans_of(held: Any, response: str) -> tuple[Span, ...]:
    """Return the spans of a response in their order, from whatever form they have.

    Args:
        held: A list of [start, end, value] or of {start, end, value}, or such a list as JSON.
        response: The text that they lie in.

    Raises:
        ValueError: It is something else, or spans overlap or leave the response; says what.
    """
    if held is None:
        raise ValueError("nothing is there; write [] where no token has a number")
    if isinstance(held, str):
        try:
            held = json.loads(held)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{_shown(held)} is no JSON ({error})") from error
    many = isinstance(held, list | tuple)
    if not many:
        raise ValueError(f"{_shown(held)} is no list of spans")
    found = sorted(_span(one, response) for one in held)
    for before, after in pairwise(found):
        if after.start < before.end:
            raise ValueError(f"the spans {[*before]} and {[*after]} overlap")
    return tuple(found)


def values_at(characters: Iterable[int], spans: Sequence[Span]) -> list[float]:
    """Return the number of each character: that of the span that it lies in, else 0.

    Args:
        characters: Their places in the response; a negative one lies in no span.
        spans: In the order of the text.
    """
    starts = [span.start for span in spans]
    found = []
    for place in characters:
        before = bisect_right(starts, place) - 1
        inside = before >= 0 and place < spans[before].end
        found.append(spans[before].value if inside else 0.0)
    return found


def _span(held: Any, response: str) -> Span:
    if isinstance(held, Mapping):
        if set(held) != set(_FIELDS):
            raise ValueError(f"span {_shown(held)} has not the fields start, end and value alone")
        held = [held[name] for name in _FIELDS]
    if not isinstance(held, list | tuple) or len(held) != len(_FIELDS):
        raise ValueError(f"{_shown(held)} is no span [start, end, value]")
    start, end, value = (_number(one) for one in held)
    if not math.isfinite(value) or abs(value) > _MOST:
        raise ValueError(f"the value of span {_shown(held)} is no finite number of 32 bits")
    if not (start.is_integer() and end.is_integer()):
        raise ValueError(f"start and end of span {_shown(held)} are no whole numbers")
    if not 0 <= start < end <= len(response):
        raise ValueError(
            f"span {_shown(held)} is empty or lies outside the response, which has "
            f"{len(response)} characters"
        )
    return Span(int(start), int(end), value)


def _number(value: Any) -> float:
    """Return a number as a float, and what is none, or too large, as one that is not finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _shown(value: Any) -> str:
    shown = json.dumps(value, default=str) if not isinstance(value, str) else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
