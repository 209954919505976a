"""SeVa: `question`, `chosen`, `reject` and the image's file name in `image_id`.

Source: SeVa:data/step3/make_pair_textvqa.py and seva/train_dpo_ours.py (196a15d).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, image_of


def _fits(fields: Fields) -> bool:
    return fields.hold("text", "question", "chosen", "reject", "image_id")


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    image, path = image_of(values, "image_id")
    yield RawPair(values.get("question"), values.get("chosen"), values.get("reject"), image, path)


FORMAT = Format(
    "seva",
    "`question`, `chosen`, `reject`, `image_id`: SeVa",
    _fits,
    _pairs,
    frozenset({"reject", "image_id"}),
)
