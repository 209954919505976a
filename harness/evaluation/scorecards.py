"""Judgements on disk: the names of their files, and how a scorecard is read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.types import Scorecard
from harness.errors import ConfigError, in_words

IDENTITY = "identity.json"
REPLIES, ITEMS, SCORECARD = "replies.jsonl", "items.jsonl", "scorecard.json"
"""Files of a judgement, the scorecard last: where it stands, everything else does."""


def read_scorecard(file: Path) -> Scorecard:
    """Read a scorecard.

    Raises:
        ConfigError: It is damaged.
    """
    try:
        card = Scorecard(**json.loads(file.read_text("utf-8")))
        _require_types(card)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{file} is not a scorecard ({in_words(error)}). Remove the folder {file.parent}, and "
            "the same command judges the answers again."
        ) from error
    return card


def _require_types(card: Scorecard) -> None:
    """Refuse values that no table could show.

    Raises:
        TypeError: There are some.
    """
    words = (card.benchmark, card.protocol, card.judge, card.data)
    if not all(isinstance(one, str) for one in words):
        raise TypeError("benchmark, protocol, judge and data are texts")
    for values in (card.official, card.careful, card.counts):
        if not isinstance(values, dict):
            raise TypeError("official, careful and counts are objects")
        if not all(isinstance(one, int | float) for one in values.values()):
            raise TypeError("official, careful and counts hold numbers")


def setting_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two judgements must share to be compared: all but who answered."""
    answers = {key: value for key, value in identity["answers"].items() if key != "checkpoint"}
    return {**identity, "answers": answers}
