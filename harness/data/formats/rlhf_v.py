"""RLHF-V: the three texts as one JSON object in `text`."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.columns import TEXTS, has_image, pair_of_columns
from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault, json_of


def _fits(fields: Fields) -> bool:
    return fields.have("text") and not fields.have(*TEXTS) and has_image(fields)


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    inner = json_of(values, "text")
    if not isinstance(inner, dict):
        raise RowFault("text: JSON, but no object with question, chosen and rejected")
    yield pair_of_columns({**values, **inner})


FORMAT = Format("rlhf_v", "the texts as JSON in `text`: RLHF-V", _fits, _pairs)
