"""What is written of a pair besides its texts and its image."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from harness.data.formats.columns import TEXTS
from harness.data.pairs.layout import IMAGES
from harness.data.pairs.preferences import PreferencePair, Preferences

Columns = Mapping[str, Sequence[float]]
"""Computed columns, in the order of the pairs."""


def with_columns(
    pairs: Preferences, computed: Columns
) -> Iterator[tuple[PreferencePair, dict[str, Any]]]:
    """Yield the pairs, each with the values of the data's own columns and of the computed ones."""
    names = kept_columns(pairs, computed)
    own = [pairs.values(name) for name in names]
    values = zip(*own, *computed.values(), strict=True) if own or computed else None
    for pair in pairs:
        row = next(values) if values is not None else ()
        yield pair, dict(zip([*names, *computed], row, strict=True))


def kept_columns(pairs: Preferences, computed: Columns) -> list[str]:
    """Return the data's own columns; a computed one takes the place of one of the same name."""
    known = {"idx", *TEXTS, *chain(*IMAGES), *computed}
    return [name for name in pairs.columns if name not in known]
