"""POVID: `conversations` and `rejected_conversations` in LLaVA's form.

Source: POVID:llava/train/train_dpo.py:LazySupervisedDataset (5d55ce6). HA-DPO's and SeVa's loaders
bring their rows into nearly the same form, with `chosen_` and `reject_conversations`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.conversation import answer, apart, talk, turns_of
from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair

_CHOSEN = ("conversations", "chosen_conversations")
_REJECTED = ("rejected_conversations", "reject_conversations")


def _fits(fields: Fields) -> bool:
    return fields.any(*_CHOSEN) and fields.any(*_REJECTED)


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    chosen, rejected = (
        turns_of(next((values[name] for name in names if values.get(name)), None), names[0])
        for names in (_CHOSEN, _REJECTED)
    )
    prompt = apart(chosen, rejected)
    texts = (
        answer(chosen[len(prompt) :], _CHOSEN[0]),
        answer(rejected[len(prompt) :], _REJECTED[0]),
    )
    yield talk(prompt, *texts, values, "image", "images")


FORMAT = Format(
    "povid",
    "`conversations`, `rejected_conversations`, `image`: POVID",
    _fits,
    _pairs,
    frozenset({*_CHOSEN, *_REJECTED, "images"}),
    identity="id",
)
