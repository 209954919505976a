"""align-anything: better and worse response by name, or two responses and which is better.

Source: align-anything:README.md (AA_TI2T), projects/janus (text_image_to_text_pref_train.json).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault, image_of

_NAMED = ("better_response", "worse_response")
_NUMBERED = ("response_1", "response_2")
_BETTER = "overall_response"


def _fits(fields: Fields) -> bool:
    numbered = fields.have(*_NUMBERED, _BETTER)
    return fields.have("question", "image") and (fields.have(*_NAMED) or numbered)


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    image, path = image_of(values, "image")
    if any(values.get(name) is not None for name in _NAMED):
        better, worse = (values.get(name) for name in _NAMED)
    else:
        responses = [values.get(name) for name in _NUMBERED]
        number = str(values.get(_BETTER)).removesuffix(".0")
        if number not in ("1", "2"):
            raise RowFault(f"{_BETTER} is {values.get(_BETTER)!r}, not 1 or 2")
        better, worse = responses if number == "1" else reversed(responses)
    yield RawPair(values.get("question"), better, worse, image, path)


FORMAT = Format(
    "align_anything",
    "`better_response`, `worse_response` or `response_1`, `response_2`, `overall_response`",
    _fits,
    _pairs,
    frozenset({*_NAMED, *_NUMBERED, _BETTER}),
)
