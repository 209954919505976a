"""VLFeedback: several completions with ratings; Silkie compares each two of them.

Source: VLFeedback:run_dpo.py:make_vlfeedback_paired_dataset (e6ddec7).
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault, image_of


def _fits(fields: Fields) -> bool:
    return fields.have("prompt", "completions") and fields.any("img_path", "image")


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    image, path = image_of(values, "image", "img_path")
    found = False
    for one, other in combinations(_completions(values.get("completions")), 2):
        # Faithful: completions with a rating that is no number, or with equal means, are no pair.
        if one[0] is None or other[0] is None or one[0] == other[0]:
            continue
        worse, better = sorted((one, other), key=lambda completion: completion[0])
        found = True
        yield RawPair(values.get("prompt"), better[1], worse[1], image, path)
    if not found:
        raise RowFault("no two completions with different ratings")


def _completions(value: Any) -> list[tuple[Any, Any]]:
    """Return mean rating and text of each; as rows of `datasets` they are one object of lists."""
    if isinstance(value, dict):
        names = list(value)
        value = [dict(zip(names, one, strict=True)) for one in zip(*value.values(), strict=False)]
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise RowFault("completions: not a list of completions")
    return [(_mean(one.get("annotations")), one.get("response")) for one in value]


def _mean(annotations: Any) -> float | None:
    try:
        ratings = [float(aspect["Rating"]) for aspect in annotations.values()]
        return sum(ratings) / len(ratings)
    except (AttributeError, TypeError, KeyError, ValueError, ZeroDivisionError):
        return None


FORMAT = Format(
    "vlfeedback",
    "`prompt`, `completions` with ratings, `img_path`: VLFeedback, each two as Silkie does",
    _fits,
    _pairs,
    frozenset({"prompt", "completions", "models", "img_path"}),
    identity="id",
)
