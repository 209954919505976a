"""Talks as lists of messages: `role` and `content`, or `from` and `value`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.formats.pair import RawPair, RowFault, image_of, picture
from harness.data.templates import IMAGE, TEMPLATES

_PAIR = ("user", "assistant")
_USER = {"user", "human"}
_ASSISTANT = {"assistant", "gpt", "model", "chatgpt", "bot"}
_SYSTEMS = {"", *(template.system for template in TEMPLATES.values())}
"""Texts that the templates bring themselves."""


@dataclass(frozen=True)
class Turn:
    """One message."""

    role: str
    """`system`, `user` or `assistant`."""
    text: str
    """With `<image>` where a picture stands."""
    images: tuple[Any, ...] = ()
    """Pictures that stand in the message itself."""


@dataclass(frozen=True)
class Tags:
    """How messages name their parts and roles, as LLaMA-Factory's `dataset_info.json` may say."""

    role: tuple[str, ...] = ("role", "from")
    content: tuple[str, ...] = ("content", "value")
    user: frozenset[str] = frozenset(_USER)
    assistant: frozenset[str] = frozenset(_ASSISTANT)
    system: str = "system"


TAGS = Tags()


def turns_of(messages: Any, name: str, tags: Tags = TAGS) -> list[Turn]:
    """Read messages.

    Raises:
        RowFault: They are no list of messages, or have another role than system, user, assistant.
    """
    if isinstance(messages, dict):
        messages = [messages]
    if not isinstance(messages, list):
        raise RowFault(f"{name} is no list of messages")
    return [_turn(message, name, tags) for message in messages]


def _turn(message: Any, name: str, tags: Tags) -> Turn:
    if not isinstance(message, dict):
        raise RowFault(f"{name}: a message is {type(message).__name__}, not an object")
    role = next((message[key] for key in tags.role if key in message), None)
    content = next((message[key] for key in tags.content if key in message), None)
    if role in tags.user:
        role = "user"
    elif role in tags.assistant:
        role = "assistant"
    elif role == tags.system:
        role = "system"
    else:
        raise RowFault(f"{name}: a message is of {role!r}, not of the user or the assistant")
    if isinstance(content, str):
        return Turn(role, content)
    if not isinstance(content, list):
        raise RowFault(f"{name}: a message has no text")
    texts, images = [], []
    for part in content:
        text, found = _part(part, name)
        texts.append(text)
        images += found
    return Turn(role, "".join(texts), tuple(images))


def _part(part: Any, name: str) -> tuple[str, list[Any]]:
    """Return the text of a part of a message, and the picture in it."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        text = part.get("text", part.get("value"))
        if not isinstance(text, str):
            raise RowFault(f"{name}: a part of a message has no text")
        return text, []
    if kind in ("image", "image_url"):
        held = {key: value for key, value in part.items() if key != "type" and value}
        # What tables make of parts has all fields in all of them, empty where they say nothing.
        held.pop("text", None)
        return IMAGE, [held] if held else []
    raise RowFault(
        f"{name}: a part of a message is {kind or type(part).__name__}, not text or image"
    )


def earlier(values: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the turns in `history`, a list of questions with their answers."""
    for turn in values.get("history") or ():
        if not isinstance(turn, list) or not all(isinstance(text, str) for text in turn):
            raise RowFault("history: not a list of questions with their answers")
        if len(turn) != len(_PAIR):
            raise RowFault("history: a turn is not a question with its answer")
        yield from map(Turn, _PAIR, turn)


def apart(chosen: Sequence[Turn], rejected: Sequence[Turn]) -> list[Turn]:
    """Return the turns that both talks begin with, as TRL parts a prompt from its responses."""
    shared = []
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        shared.append(one)
    # Where both are the same to the end, the last answer is still the response.
    while shared and shared[-1].role == "assistant" and len(shared) == len(chosen):
        shared.pop()
    return shared


def answer(turns: Sequence[Turn], name: str) -> str:
    """Return the one response.

    Raises:
        RowFault: There is another number of turns, or the turn is not of the assistant.
    """
    if not turns:
        raise RowFault(f"no {name}")
    if len(turns) > 1:
        raise RowFault(
            f"{name} has {len(turns)} turns after what both have in common, and one is compared"
        )
    if turns[0].role != "assistant" or turns[0].images:
        raise RowFault(f"{name} is not a text of the assistant")
    return turns[0].text


def talk(
    prompt: Sequence[Turn], chosen: Any, rejected: Any, values: Mapping[str, Any], *images: str
) -> RawPair:
    """Return the pair of a prompt with earlier turns.

    Args:
        prompt: It ends with the user's turn.
        chosen: The preferred response.
        rejected: The other one.
        values: The row, whose fields `images` hold the picture where no message does.
        images: Names of fields.

    Raises:
        RowFault: Turns do not alternate, there is not one image, or a system text of its own.
    """
    inside = [image for turn in prompt for image in turn.images]
    if len(inside) > 1:
        raise RowFault(f"{len(inside)} images, and a pair has one")
    content, path = picture(inside[0]) if inside else image_of(values, *images)
    turns = list(prompt)
    if turns and turns[0].role == "system":
        if turns[0].text.strip() not in _SYSTEMS:
            raise RowFault("a system message of its own, where the template has another")
        turns = turns[1:]
    roles = [turn.role for turn in turns]
    if not turns or roles != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise RowFault(f"the turns of the prompt are of {', '.join(roles) or 'nobody'}")
    texts = [turn.text for turn in turns]
    history = tuple(zip(texts[:-1:2], texts[1::2], strict=True))
    return RawPair(texts[-1], chosen, rejected, content, path, history)
