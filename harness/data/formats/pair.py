"""What every format makes of a row, and the pieces that many formats are made of."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.data.templates import IMAGE

Mark = Literal["missing", "start", "end"]
"""Where the question had `<image>`."""

_INSIDE = ("path", "url", "image", "image_url", "value")
"""Names under which a part of a message, or a picture, holds its path."""


class RowFault(Exception):
    """A row cannot be used; the text says why."""


@dataclass(frozen=True)
class RawPair:
    """A pair as a row has it; types are checked later, so that a fault is told of its row."""

    question: Any
    chosen: Any
    rejected: Any
    image: Any = None
    """Bytes of the image, where the row holds them."""
    image_path: Any = None
    """Path of its file, where it does not."""
    history: tuple[tuple[Any, Any], ...] = ()
    """Earlier turns of the same talk: question and answer of each."""
    mark: Mark = "missing"


def unmarked(pair: RawPair) -> RawPair:
    """Take `<image>` off the start or the end of the first question: the template has its own.

    Source: LLaVA:llava/train/train.py:preprocess_multimodal, which takes it off wherever it stands,
    strips what is left and puts it before all.

    Raises:
        RowFault: It stands anywhere else, or more than once.
    """
    turns = [question for question, _ in pair.history] + [pair.question]
    counts = [turn.count(IMAGE) if isinstance(turn, str) else 0 for turn in turns]
    if not any(counts):
        return pair
    if sum(counts) > 1:
        raise RowFault(f"question contains {IMAGE} {sum(counts)} times, and a pair has one image")
    if not counts[0]:
        raise RowFault(
            f"question contains {IMAGE} in turn {1 + counts.index(1)}, and the template has it in "
            "the first"
        )
    text, mark = _without_mark(turns[0])
    if pair.history:
        return replace(pair, history=((text, pair.history[0][1]), *pair.history[1:]), mark=mark)
    return replace(pair, question=text, mark=mark)


def _without_mark(text: str) -> tuple[str, Mark]:
    words = text.strip()
    if words.startswith(IMAGE):
        return words.removeprefix(IMAGE).strip(), "start"
    if words.endswith(IMAGE):
        return words.removesuffix(IMAGE).strip(), "end"
    raise RowFault(f"question contains {IMAGE} amid its words, and the template has it before them")


def image_of(values: Mapping[str, Any], *names: str) -> tuple[Any, Any]:
    """Return the bytes of the one image of a row, or the path of its file.

    Args:
        values: The row.
        names: Fields that may hold it, the first that does counts.

    Raises:
        RowFault: There is none, or there are several.
    """
    held = (values.get(name) for name in names)
    found = next((one for one in held if one is not None and one != []), None)
    if isinstance(found, list):
        if len(found) > 1:
            raise RowFault(f"{len(found)} images, and a pair has one")
        found = found[0]
    if found is None or found == "":
        raise RowFault("no image")
    return picture(found)


def picture(value: Any) -> tuple[Any, Any]:
    """Return the bytes of an image, or the path of its file, from what stands for it in a row.

    Raises:
        RowFault: It is not base64.
    """
    if isinstance(value, dict):
        content = value.get("bytes")
        content = decoded(content) if isinstance(content, str) else content
        if content:
            return content, value.get("path")
        inside = (value.get(name) for name in _INSIDE)
        found = next((one for one in inside if one), None)
        if found is None:
            raise RowFault("no image")
        return picture(found)
    if not isinstance(value, str):
        return value, None
    if value.startswith("data:"):
        return decoded(value), None
    return None, value.removeprefix("file://")


def decoded(text: str, name: str = "image") -> bytes:
    """Return the bytes of a text in base64, with or without `data:image/...;base64,` before it."""
    try:
        return base64.b64decode(text.partition(",")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RowFault(f"{name}: not base64 ({error})") from error


def json_of(values: Mapping[str, Any], name: str) -> Any:
    """Return what the JSON text in a field says, or a field that is no text as it is."""
    value = values.get(name)
    if value is None:
        raise RowFault(f"no {name}")
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise RowFault(f"{name}: invalid JSON ({error})") from error
