"""TRL: `prompt`, `chosen`, `rejected` as texts or as messages, and `images` or `image`.

Source: TRL:trl/data_utils.py (1.16.0). MM-RLHF, mDPO's successors and oumi use the same fields.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.conversation import Turn, answer, apart, talk, turns_of
from harness.data.formats.format import Fields, Format
from harness.data.formats.mdpo import question_in
from harness.data.formats.pair import RawPair, RowFault

_IMAGES = ("images", "image", "image_path", "img_path")
_SIDES = ("chosen", "rejected")


def _fits(fields: Fields) -> bool:
    if not fields.have(*_SIDES) or not (fields.hold("list", *_SIDES) or fields.have("prompt")):
        return False
    talks = fields.hold("list", *_SIDES) or fields.hold("list", "prompt")
    return talks or (fields.hold("text", "prompt", *_SIDES) and fields.any(*_IMAGES))


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    if values.get("video") or values.get("videos"):
        raise RowFault("a video, and a pair has one image")
    chosen, rejected = (_side(values, name) for name in _SIDES)
    given = values.get("prompt")
    if given is None:
        prompt = apart(chosen, rejected)
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    elif isinstance(given, str):
        prompt = [Turn("user", question_in(given))]
    else:
        prompt = turns_of(given, "prompt")
    texts = (answer(chosen, "chosen"), answer(rejected, "rejected"))
    yield talk(prompt, *texts, values, *_IMAGES)


def _side(values: Mapping[str, Any], name: str) -> list[Turn]:
    value = values.get(name)
    if value is None:
        raise RowFault(f"no {name}")
    if isinstance(value, list):
        return turns_of(value, name)
    if not isinstance(value, str):
        raise RowFault(f"{name} is {type(value).__name__}, not text or messages")
    return [Turn("assistant", value)]


FORMAT = Format(
    "trl",
    "`prompt`, `chosen`, `rejected` as texts or messages, `images` or `image`: TRL, MM-RLHF, oumi",
    _fits,
    _pairs,
    frozenset({"prompt", *_SIDES, *_IMAGES}),
)
