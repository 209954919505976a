"""ms-swift: `messages` with the preferred answer, and `rejected_response` or `rejected_messages`.

Or `query` and `response` in the place of messages, as MM-RLHF:scripts/convert_to_swift.py writes.
Source: ms-swift:docs/source_en/Customization/Custom-dataset.md (4.6).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.conversation import Turn, answer, apart, earlier, talk, turns_of
from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault

_REJECTED = ("rejected_response", "rejected_messages", "rejected_images")
_MEDIA = ("videos", "audios", "video", "audio")
_QUERY = ("query", "question", "prompt")
_IMAGES = ("images", "image")


def _fits(fields: Fields) -> bool:
    asked = fields.any(*_QUERY) and fields.have("response", "rejected_response")
    return asked or (fields.have("messages") and fields.any(*_REJECTED))


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    if media := next((name for name in _MEDIA if values.get(name)), None):
        raise RowFault(f"{media}, and a pair has one image")
    if values.get("rejected_images") not in (None, [], values.get("images")):
        raise RowFault("rejected_images: the rejected response has another image than the chosen")
    chosen = _chosen(values)
    rejected = _rejected(values, chosen)
    prompt = apart(chosen, rejected)
    texts = (
        answer(chosen[len(prompt) :], "messages"),
        answer(rejected[len(prompt) :], "rejected_response"),
    )
    yield talk(prompt, *texts, values, *_IMAGES)


def _chosen(values: Mapping[str, Any]) -> list[Turn]:
    """Return the whole talk with the preferred answer."""
    query = next((values[name] for name in _QUERY if values.get(name)), None)
    if not isinstance(query, str):
        return turns_of(values.get("messages"), "messages")
    response = values.get("response")
    if not isinstance(response, str):
        raise RowFault("no response")
    system = values.get("system")
    turns = [Turn("system", system)] if isinstance(system, str) and system else []
    return [*turns, *earlier(values), Turn("user", query), Turn("assistant", response)]


def _rejected(values: Mapping[str, Any], chosen: list[Turn]) -> list[Turn]:
    """Return the whole talk with the rejected answer.

    An answer alone, as text or as messages, takes the place of what follows the user's last turn.
    """
    if whole := values.get("rejected_messages"):
        return turns_of(whole, "rejected_messages")
    response = values.get("rejected_response")
    if not response:
        raise RowFault("no rejected_response and no rejected_messages")
    last = max((i for i, turn in enumerate(chosen) if turn.role == "user"), default=-1)
    if isinstance(response, str):
        return [*chosen[: last + 1], Turn("assistant", response)]
    return [*chosen[: last + 1], *turns_of(response, "rejected_response")]


FORMAT = Format(
    "ms_swift",
    "`messages` or `query`, `response`; `rejected_response` or `rejected_messages`: ms-swift",
    _fits,
    _pairs,
    frozenset(
        {"messages", "images", "response", "system", "history", *_REJECTED, *_QUERY, *_MEDIA}
    ),
)
