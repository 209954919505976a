"""LLaMA-Factory: ShareGPT or messages with `chosen` and `rejected`, Alpaca's fields, or its v1.

A `dataset_info.json` beside the data may give fields and roles other names.
Source: LLaMA-Factory:data/README.md and src/llamafactory/data/converter.py (ff6d4d1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from harness.data.formats.conversation import (
    TAGS,
    Tags,
    Turn,
    answer,
    apart,
    earlier,
    talk,
    turns_of,
)
from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault

_MESSAGES = ("conversations", "messages")
_SIDES = ("chosen", "rejected")
_V1 = ("chosen_messages", "rejected_messages")
_IMAGES = ("images", "image")
_MEDIA = ("videos", "audios", "video", "audio")
_FIELDS = {
    "messages": "conversations",
    "prompt": "instruction",
    "query": "input",
    "history": "history",
    "system": "system",
    "chosen": "chosen",
    "rejected": "rejected",
    "images": "images",
    "videos": "videos",
    "audios": "audios",
}
"""What `columns` of a `dataset_info.json` calls a field -> what it is called here."""


def _fits(fields: Fields) -> bool:
    if fields.have(*_V1):
        return True
    if not fields.have(*_SIDES):
        return False
    talks = fields.any(*_MESSAGES) and fields.hold("object", *_SIDES)
    return talks or (fields.hold("text", "instruction", *_SIDES) and fields.any(*_IMAGES))


def _pairs(tags: Tags, values: Mapping[str, Any]) -> Iterator[RawPair]:
    if media := next((name for name in _MEDIA if values.get(name)), None):
        raise RowFault(f"{media}, and a pair has one image")
    if any(values.get(name) is not None for name in _V1):
        chosen, rejected = (turns_of(values.get(name), name, tags) for name in _V1)
        prompt = apart(chosen, rejected)
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    else:
        prompt = _prompt(values, tags)
        chosen, rejected = (_side(values, name, tags) for name in _SIDES)
    texts = (answer(chosen, "chosen"), answer(rejected, "rejected"))
    yield talk(prompt, *texts, values, *_IMAGES)


def _prompt(values: Mapping[str, Any], tags: Tags) -> list[Turn]:
    """Return the prompt: messages, or Alpaca's instruction and input with a line between."""
    system = values.get("system")
    before = [Turn("system", system)] if isinstance(system, str) and system else []
    messages = next((values[name] for name in _MESSAGES if values.get(name)), None)
    if messages is not None:
        return before + turns_of(messages, "conversations", tags)
    before += earlier(values)
    asked = [values[name] for name in ("instruction", "input") if values.get(name)]
    if not all(isinstance(text, str) for text in asked):
        raise RowFault("instruction is no text")
    return [*before, Turn("user", "\n".join(asked))]


def _side(values: Mapping[str, Any], name: str, tags: Tags) -> list[Turn]:
    value = values.get(name)
    if value is None:
        raise RowFault(f"no {name}")
    return [Turn("assistant", value)] if isinstance(value, str) else turns_of(value, name, tags)


FORMAT = Format(
    "llama_factory",
    "ShareGPT or messages with `chosen` and `rejected`, or `instruction`: LLaMA-Factory",
    _fits,
    partial(_pairs, TAGS),
    frozenset({*_MESSAGES, *_SIDES, *_V1, *_IMAGES, "instruction", "input", "history", "system"}),
)


def described_by(entry: Mapping[str, Any]) -> Format:
    """Return the format that an entry of a `dataset_info.json` describes."""
    columns = entry.get("columns") or {}
    names = {str(columns.get(name, own)): own for name, own in _FIELDS.items()}
    tags = _tags(entry.get("tags") or {})

    def pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
        return _pairs(tags, {names.get(name, name): value for name, value in values.items()})

    return replace(FORMAT, pairs=pairs, consumed=FORMAT.consumed | names.keys())


def _tags(given: Mapping[str, str]) -> Tags:
    """Return the names of roles and parts of messages, with LLaMA-Factory's where none is given."""
    return Tags(
        role=(given["role_tag"],) if "role_tag" in given else TAGS.role,
        content=(given["content_tag"],) if "content_tag" in given else TAGS.content,
        user=frozenset({given["user_tag"]}) if "user_tag" in given else TAGS.user,
        assistant=(
            frozenset({given["assistant_tag"]}) if "assistant_tag" in given else TAGS.assistant
        ),
        system=given.get("system_tag", TAGS.system),
    )
