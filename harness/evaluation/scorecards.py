"""Judgements on disk: the names of their files, and how a scorecard is read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.types import Scorecard
from harness.errors import ConfigError

IDENTITY = "identity.json"
REPLIES, ITEMS, SCORECARD = "replies.jsonl", "items.jsonl", "scorecard.json"
"""Files of a judgement, the scorecard last: where it stands, everything else does."""


def read_scorecard(file: Path) -> Scorecard:
    """Read a scorecard.

    Raises:
        ConfigError: It is damaged.
    """
    try:
        return Scorecard(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{file} is not a scorecard ({error}). Remove the folder {file.parent}, and the same "
            "command judges the answers again."
        ) from error


def setting_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two judgements must share to be compared: all but who answered."""
    answers = {key: value for key, value in identity["answers"].items() if key != "checkpoint"}
    return {**identity, "answers": answers}
