"""The token column token_severity: where the wrong response of a pair says what the other does not.

For data that count errors in `origin_split`, as the tiny world's do: responses of short sentences
that end with a full stop. The wrong response is the rejected one, and with `mislabelled: "yes"` the
chosen one. Marked with 1 is each of its sentences, from the first letter to the full stop, that the
right response has not, letter by letter. What it leaves out stands nowhere in it, so an omission is
an error that is counted, and not marked; the right response has no spans.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.data.columns.column import Advance, TokenColumn
from harness.data.columns.margins.rewards import TOLD
from harness.data.columns.tokens.spans import PairSpans, Span
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

VERSION = "1"
"""Raise it when the same pairs are to give other spans."""
_SENTENCE = re.compile(r"[^\s.][^.]*\.?")


def differing(wrong: str, right: str) -> tuple[Span, ...]:
    """Return the sentences of one response that the other has not, each with 1."""
    said = {_words(sentence) for sentence in _SENTENCE.findall(right)}
    return tuple(
        Span(found.start(), found.start() + len(found[0].rstrip()), 1.0)
        for found in _SENTENCE.finditer(wrong)
        if _words(found[0]) not in said
    )


def compute(
    pairs: Preferences, hardness: HardnessSpec, cache: Path, chat: ChatSettings, advance: Advance
) -> list[PairSpans]:
    """Return the spans of every pair.

    Raises:
        DataError: A row does not count its errors.
    """
    return list(_marked(pairs, advance))


def decided_by(data: str, hardness: HardnessSpec) -> Mapping[str, str]:
    """Return what decides the spans: the pairs, and this code."""
    return {"data": data, "token_severity": VERSION}


def lacking(pairs: Preferences) -> str | None:
    """Say that data do not count their errors, or return None."""
    if TOLD in pairs.columns and _told(next(pairs.values(TOLD), None)) is not None:
        return None
    return (
        f"It is computed of data whose {TOLD} counts `errors`, as the tiny world's does, and these "
        "do not. Add both columns of spans to the data, or let a package compute them."
    )


def _marked(pairs: Preferences, advance: Advance) -> Iterator[PairSpans]:
    for row, text in enumerate(pairs.values(TOLD)):
        told = _told(text)
        if told is None:
            file, file_row = pairs.place(row)
            raise DataError(
                f"{pairs.source}: {file} row {file_row} counts no errors: {TOLD} is {text!r}. Give "
                "every row its `errors`, or leave this row out."
            )
        texts = pairs.texts(row)
        if told.get("mislabelled") == "yes":
            yield differing(texts.chosen, texts.rejected), ()
        else:
            yield (), differing(texts.rejected, texts.chosen)
        advance(1)


def _told(text: str | None) -> Mapping[str, Any] | None:
    """Return what a row says of its errors, None where it says nothing."""
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and isinstance(told.get("errors"), int) else None


def _words(sentence: str) -> str:
    return sentence.rstrip(". \n\t")


COLUMN = TokenColumn("token_severity", compute, decided_by, lacking)
