"""Which rows of a source are taken, and how often."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.files.digests import text_digest
from harness.settings.mixing import MixedSource


def drawn(rows: Sequence[int], source: MixedSource) -> Sequence[int]:
    """Return the rows that a source gives: a cap first, then its weight.

    What is drawn keeps its order; whole passes of a weight follow one another, and then what is
    drawn of one more.
    """
    if source.pairs is not None and source.pairs < len(rows):
        rows = _some(rows, source.pairs, source.seed)
    if source.weight == 1:
        return rows
    passes = int(source.weight)
    rest = round((source.weight - passes) * len(rows))
    return [*list(rows) * passes, *_some(rows, rest, source.seed)]


def _some(rows: Sequence[int], count: int, seed: int) -> list[int]:
    """Return so many of the rows by chance, which is a hash: it never changes with a library."""
    hashes: NDArray[np.uint64] = np.fromiter(
        (int(text_digest(f"{seed} {place}", digits=16), 16) for place in range(len(rows))),
        dtype=np.uint64,
        count=len(rows),
    )
    taken = np.sort(np.argsort(hashes, kind="stable")[:count])
    return [rows[place] for place in taken]
