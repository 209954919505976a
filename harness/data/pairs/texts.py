"""The texts of a pair."""

import json
from typing import NamedTuple

History = tuple[tuple[str, str], ...]
"""Earlier turns: question and answer of each."""


class Texts(NamedTuple):
    """What a pair says."""

    question: str
    """The last one."""
    chosen: str
    rejected: str
    history: History = ()


def read_history(text: str | None) -> History:
    """Read earlier turns from JSON."""
    return tuple((question, answer) for question, answer in json.loads(text)) if text else ()
