"""HA-DPO's questions with yes or no: `question`, `chosen`, `reject`, and Visual Genome's number.

Source: HA-DPO:ha_dpo/models/llava-v1_5/train_dpo.py:pope_process (abdc44b). Its descriptions are no
list of rows, and their questions are drawn by chance when they are read.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault


def _fits(fields: Fields) -> bool:
    return fields.have("question", "chosen", "reject", "image_id", "correct")


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    if values.get("correct"):
        raise RowFault("marked as correct, and HA-DPO trains on the others only")
    if values.get("image_id") is None:
        raise RowFault("no image")
    path = f"{values['image_id']}.jpg"
    yield RawPair(values.get("question"), values.get("chosen"), values.get("reject"), None, path)


FORMAT = Format(
    "ha_dpo",
    "`question`, `chosen`, `reject`, `correct`, Visual Genome's number in `image_id`: HA-DPO",
    _fits,
    _pairs,
    frozenset({"reject", "image_id", "correct", "answer"}),
)
