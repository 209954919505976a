"""Pictures and scores of the task tiny_ability; lmms-eval loads this file by its path."""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image


def picture(doc: Mapping[str, Any]) -> list[Image.Image]:
    """Return the picture that a question is about."""
    return [Image.open(doc["image"]).convert("RGB")]


def scores(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Score one answer: right where it is one of the accepted ones, letter case and stop aside.

    It counts among all questions, and among those that ask to read a sign or those that do not.
    """
    right = float(_plain(results[0]) in map(_plain, doc["answer"]))
    return {"accuracy": right, doc["kind"]: right}


def _plain(text: str) -> str:
    return text.strip().rstrip(".").lower()
