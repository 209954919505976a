"""Which pairs are there twice, exactly or nearly, in one source or in several."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harness.data.formats.columns import TEXTS
from harness.errors import DataError
from harness.files.digests import text_digest

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

_END = "."


class Counts(BaseModel):
    """What is only counted, since nothing speaks against training on it."""

    model_config = ConfigDict(frozen=True)

    shared_ids: int = 0
    """Ids of several pairs: data sets that were put together number their parts anew."""
    across_sources: int = 0
    """Pairs whose texts and image stand in an earlier source too."""
    near: int = 0
    """Pairs of the image of an earlier one whose texts differ only in space or a full stop."""
    hardly_different: int = 0
    """Pairs whose two responses differ only so."""


@dataclass(frozen=True)
class Repeats:
    """What was found."""

    of: dict[int, int]
    """Row that has the id and the texts of an earlier one -> that one."""
    counts: Counts


def find_repeats(pairs: "Preferences") -> Repeats:
    """Compare the pairs with one another, by 8 bytes of hashes, so that a million need little.

    A pair that is taken several times is one.
    """
    of, shared = _same_ids(pairs)
    exact, near, hardly = _text_hashes(pairs)
    counts = Counts(
        shared_ids=shared,
        across_sources=_across(pairs, exact),
        near=_nearly(pairs, exact, near),
        hardly_different=hardly,
    )
    return Repeats(of, counts)


def _same_ids(pairs: "Preferences") -> tuple[dict[int, int], int]:
    """Return which rows repeat which earlier pair, and how many ids stand for several pairs.

    An id alone says little: data sets that were put together number their parts anew.
    """
    hashes = np.fromiter(map(_hash, pairs.values("idx")), dtype=np.uint64, count=len(pairs))
    rows = sorted({row for group in _groups(hashes) for row in group})
    first: dict[str, int] = {}
    repeated: dict[int, int] = {}
    ids: Counter[str] = Counter()
    for row in rows:
        question, chosen, rejected, history = pairs.texts(row)
        before = [text for turn in history for text in turn]
        text = "\0".join([pairs.pair_id(row), question, chosen, rejected, *before])
        earlier = first.setdefault(text_digest(text), row)
        if earlier == row:
            ids[pairs.pair_id(row)] += 1
        elif pairs.number(earlier) != pairs.number(row):
            repeated[row] = earlier
    return repeated, sum(count > 1 for count in ids.values())


def _text_hashes(pairs: "Preferences") -> tuple[NDArray[np.uint64], NDArray[np.uint64], int]:
    """Return hashes of the texts of all pairs, as they are and without what hardly counts.

    And how many pairs have two responses that differ only in that.
    """
    exact = np.empty(len(pairs), dtype=np.uint64)
    near = np.empty(len(pairs), dtype=np.uint64)
    hardly = 0
    columns = (pairs.values(name) for name in TEXTS)
    for row, texts in enumerate(zip(*columns, strict=True)):
        plain = [_plain(text) for text in texts]
        exact[row], near[row] = _hash("\0".join(texts)), _hash("\0".join(plain))
        hardly += plain[1] == plain[2] and bool(plain[1]) and texts[1].strip() != texts[2].strip()
    return exact, near, hardly


def _plain(text: str) -> str:
    return " ".join(text.split()).removesuffix(_END).rstrip()


def _across(pairs: "Preferences", hashes: NDArray[np.uint64]) -> int:
    """Count the pairs that an earlier source has too."""
    found = 0
    for group in _groups(hashes):
        if len(set(map(pairs.source_number, group))) == 1:
            continue
        for rows in _by_image(pairs, group):
            first = min(map(pairs.source_number, rows))
            found += len({pairs.number(row) for row in rows if pairs.source_number(row) > first})
    return found


def _nearly(pairs: "Preferences", exact: NDArray[np.uint64], near: NDArray[np.uint64]) -> int:
    """Count the pairs that are nearly, but not exactly, an earlier one."""
    return sum(
        len({int(exact[row]) for row in rows}) - 1
        for group in _groups(near)
        if len({int(exact[row]) for row in group}) > 1
        for rows in _by_image(pairs, group)
    )


def _by_image(pairs: "Preferences", rows: Iterable[int]) -> Iterable[list[int]]:
    """Part rows by their images: many questions of yes or no have the same texts."""
    found: dict[str, list[int]] = {}
    for row in rows:
        try:
            contents = pairs[row].contents
        except DataError:  # it is told as a bad row
            continue
        found.setdefault(text_digest(*contents), []).append(row)
    return found.values()


def _groups(hashes: NDArray[np.uint64]) -> Iterator[list[int]]:
    """Yield the rows, in order, of every hash that several have."""
    order = np.argsort(hashes, kind="stable")
    sorted_ = hashes[order]
    starts = [0, *(np.flatnonzero(sorted_[1:] != sorted_[:-1]) + 1), len(hashes)]
    for start, end in pairwise(starts):
        if end - start > 1:
            yield [int(row) for row in order[start:end]]


def _hash(text: str) -> int:
    return int(text_digest(text, digits=16), 16)
