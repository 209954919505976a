"""A column for each text: RLAIF-V's parquet, DAMA's JSON, and one's own."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.format import TABLES, Fields, Format
from harness.data.formats.pair import RawPair, decoded, picture

TEXTS = ("question", "chosen", "rejected")
LOGITS = ("chosen_logits", "rejected_logits")


def has_image(fields: Fields) -> bool:
    """Say whether rows have an image: in tables with its bytes, else also by its path alone."""
    return fields.have("image") or (fields.file not in TABLES and fields.have("image_path"))


def pair_of_columns(values: Mapping[str, Any]) -> RawPair:
    """Return the pair of a row with `question`, `chosen`, `rejected`, `image` and `image_path`."""
    image: Any = values.get("image")
    path = values.get("image_path")
    if isinstance(image, dict):
        content = image.get("bytes")
        content = decoded(content) if isinstance(content, str) else content
        image, path = content or None, image.get("path") or (None if content else path)
    elif isinstance(image, str):
        image, named = picture(image)
        path = path if image is not None else named
    question, chosen, rejected = (values.get(name) for name in TEXTS)
    return RawPair(question, chosen, rejected, image, path)


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    yield pair_of_columns(values)


def _is_columns(fields: Fields) -> bool:
    return fields.have(*TEXTS) and has_image(fields)


RLAIF_V = Format(
    "rlaif_v",
    "parquet with a column for each text and the image's bytes: RLAIF-V, SPA-VL",
    lambda fields: _is_columns(fields) and fields.file in TABLES,
    _pairs,
)
DAMA = Format(
    "dama",
    "the same with the JSON lists `chosen_logits` and `rejected_logits`",
    lambda fields: _is_columns(fields) and fields.have(*LOGITS),
    _pairs,
)
PLAIN = Format("plain", "a field for each text and the image's path", _is_columns, _pairs)
