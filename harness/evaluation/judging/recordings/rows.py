"""Rows of files of recorded replies, as their writers lay them out."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from benchmarks.types import FAILED_CALL, SampleId
from harness.errors import DataError
from harness.evaluation.answers.entries import Entry
from harness.llm.messages import well_formed

RowT = TypeVar("RowT", bound=BaseModel)
_OWN = "own"
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "list_type": "must be a list",
    "model_type": "must be an object",
}
"""What is wrong with a field, by pydantic's name of the fault."""


def _wrong(words: str) -> PydanticCustomError:
    return PydanticCustomError(_OWN, words)


def _sample_id(value: Any) -> SampleId:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong("must be text or a whole number")
    return value


def _is_one_reply(value: Any) -> bool:
    """Tell whether a value is a reply itself and no list of them."""
    return isinstance(value, str | int | float) or _is_refused(value)


def _is_refused(value: Any) -> bool:
    return isinstance(value, dict) and "error" in value


def _text(reply: Any) -> str:
    """Return a reply as text; null is an empty reply, an error a refused call."""
    if _is_refused(reply):
        return FAILED_CALL
    if reply is None:
        return ""
    return well_formed(reply) if isinstance(reply, str) else json.dumps(reply)


def _replies(value: Any) -> list[str]:
    """Return one reply or a list of them as texts."""
    if _is_one_reply(value):
        return [_text(value)]
    if not isinstance(value, list):
        raise _wrong("must be a reply or a list of replies")
    return [_text(reply) for reply in value]


def _runs(value: Any) -> list[list[str]]:
    if _is_one_reply(value):
        return [[_text(value)]]
    if not isinstance(value, list) or not value:
        raise _wrong("must be a list with the replies of each run")
    return [[""] if run is None else _replies(run) for run in value]


def _names(value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise _wrong("must be the name of a model, or a list of names")
    return names


Id = Annotated[Any, BeforeValidator(_sample_id)]
Names = Annotated[list[str], BeforeValidator(_names)]
Replies = Annotated[list[str], BeforeValidator(_replies)]


class _Row(BaseModel):
    """Further fields are other programs' own."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class HarnessRow(_Row):
    """Ours: one of `replies` and `runs`."""

    id: Id
    replies: Replies | None = None
    runs: Annotated[list[list[str]], BeforeValidator(_runs)] | None = None
    tagged: Annotated[str, BeforeValidator(_text)] | None = None
    judge: Names = []


class Review(_Row):
    """A line of LLaVA's eval_gpt_review_bench.py."""

    question_id: Id
    category: str | None = None
    content: str | None


class Grade(_Row):
    """The grades of one answer in MM-Vet's *-grade-*runs.json: one text for each run."""

    model: Names = []
    content: Replies


class _Message(_Row):
    content: str | None = None


class _Choice(_Row):
    message: _Message


class Completion(_Row):
    """An answer of a chat endpoint as it came."""

    model: str
    choices: list[_Choice]


class Merged(_Row):
    """A question of MMHal-Bench with answer and review, as RLAIF-V's scripts merge them."""

    question: str | None = None
    gpt4_review: str | None


def checked(kind: type[RowT], entry: Entry, value: Any, expected: str) -> RowT:
    """Return a row as its kind.

    Args:
        kind: What the row is to be.
        entry: Where it stands.
        value: The row, or the part of it that is looked at.
        expected: How such a row is written, for the message.

    Raises:
        DataError: It is something else; says which field.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the row"
        own = {_OWN: first["msg"]}
        words = (_WORDS | own).get(first["type"], "has a wrong value")
        raise DataError(f"{entry.where}: expected {expected}, and {field!r} {words}.") from error


def texts(values: Sequence[str | None]) -> tuple[str, ...]:
    """Return texts that a file can hold; null is an empty one."""
    return tuple(_text(value) for value in values)
