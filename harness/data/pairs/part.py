"""One source of pairs: its files, its stored rows, and which of these are taken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.pairs.drawing import drawn
from harness.data.pairs.image_files import read_image
from harness.data.pairs.layout import IMAGES, MARK
from harness.data.pairs.source import Source, locate
from harness.data.pairs.store import Advance, StoredPairs, store_pairs
from harness.data.pairs.subset import Selection, select
from harness.files.digests import text_digest
from harness.settings.mixing import MixedSource

_SAID = {"start": "began with", "end": "ended with"}


@dataclass(frozen=True)
class Part:
    """A source of pairs."""

    asked: MixedSource
    origin: Source
    stored: StoredPairs
    content: str
    """Digest of the files."""
    selection: Selection
    rows: Sequence[int]
    """Those of the selected ones that are taken, some perhaps several times."""

    @property
    def decisive(self) -> list[str]:
        """Return what decides the pairs besides the contents of files; empty where nothing does."""
        found = [f"as {self.stored.read_as}"] if self.stored.read_as else []
        if self.rows is not self.selection.rows:
            # By the rows, and not by the words that led to them.
            numbers = np.fromiter(self.rows, dtype="<i8", count=len(self.rows))
            found.append(f"drawn {text_digest(numbers.tobytes(), digits=16)}")
        return found

    def images(self, row: int) -> dict[str, bytes]:
        """Return the images of a stored row by name, empty ones where there are none.

        Raises:
            DataError: The file of one cannot be read.
        """
        found = {}
        for image, path_column in IMAGES:
            content, path = self.stored.row(row, (image, path_column)).values()
            if content is None:
                content = read_image(self.origin, path) if path else b""
            found[image] = content
        return found

    def said(self) -> str:
        """Say how the rows were read."""
        told = f"{self.asked.place}: read as {self.stored.format}"
        if len(self.rows) != len(self.selection.rows):
            told += f", {len(self.rows):,} pairs of {len(self.selection.rows):,}"
        marks = Counter(self.stored.values(MARK))
        for mark, words in _SAID.items():
            if marks[mark]:
                told += (
                    f"; {marks[mark]:,} questions {words} <image>, which stands where the model's "
                    "template has it"
                )
        return told


def open_part(
    asked: MixedSource, where: Mapping[str, str], advance: Advance, forced: str | None
) -> Part:
    """Open a source; convert it if need be.

    Raises:
        DataError: There is no such data, or it is damaged.
        MissingColumn: It has another schema.
    """
    origin = locate(asked.place)
    stored, content = store_pairs(origin, advance, forced)
    selection = select(asked.place, stored, where)
    return Part(asked, origin, stored, content, selection, drawn(selection.rows, asked))
