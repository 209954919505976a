"""Judgements on disk: the names of their files, and how a scorecard is read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.types import Scorecard
from harness.errors import ConfigError, DataError, in_words
from harness.files.atomic import write_text
from harness.files.digests import content_digest

IDENTITY = "identity.json"
REPLIES, ITEMS, MADE_FROM, SCORECARD = (
    "replies.jsonl",
    "items.jsonl",
    "made-from.json",
    "scorecard.json",
)
"""Files of a judgement, the scorecard last: where it stands, everything else does."""
_ANSWERS = "answers"


def seal(folder: Path, answers: Path) -> None:
    """Write down the contents of the answers and items that a scorecard is made from.

    Args:
        folder: That of the judgement.
        answers: A file beside it, in the run's folder of answers.
    """
    seals = {ITEMS: _content(folder / ITEMS), _ANSWERS: _content(answers)}
    write_text(folder / MADE_FROM, json.dumps(seals | {"file": answers.name}, indent=2) + "\n")


def stale(folder: Path) -> str | None:
    """Return which file changed since a scorecard was made from it; None where none did.

    Scorecards of versions that wrote nothing down, and files that are gone, tell nothing; the
    command `verify` scores the answers again.

    Raises:
        DataError: What was written down is damaged.
    """
    file = folder / MADE_FROM
    if not file.exists():
        return None
    try:
        seals = json.loads(file.read_text("utf-8"))
        # Of a foreign run the name may be anything: only the run's own answers are looked at.
        answers = folder.parents[1] / "responses" / Path(seals["file"]).name
        places = {folder / ITEMS: seals[ITEMS], answers: seals[_ANSWERS]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file} is damaged ({in_words(error)}). Remove the folder {folder}, and the same "
            "command judges the answers again."
        ) from error
    for place, sealed in places.items():
        if place.exists() and _content(place) != sealed:
            return place.name
    return None


def _content(file: Path) -> str:
    return content_digest(lambda: [file])


def current_scorecard(file: Path) -> Scorecard:
    """Read a scorecard of the answers and items that are there.

    Raises:
        ConfigError: It is damaged.
        DataError: They changed since it was made.
    """
    if (changed := stale(file.parent)) is not None:
        raise DataError(
            f"{file}: {changed} changed since this was made from it, so the numbers are not those "
            "of what is there. The command that judged the answers does so again."
        )
    return read_scorecard(file)


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
