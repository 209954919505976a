"""Preference pairs of any known format, mapped into memory and checked before any work starts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from harness.data.images import ImageRef, open_image
from harness.data.pairs.formats import FAULT, FILE, IMAGES, ROW, TEXTS
from harness.data.pairs.image_files import image_file, leads_out, read_image
from harness.data.pairs.source import locate
from harness.data.pairs.store import store_pairs
from harness.data.pairs.subset import Selection, rows_without, select
from harness.data.templates import IMAGE
from harness.errors import DataError
from harness.files.digests import content_digest, text_digest

Advance = Callable[[int], object]
"""Told how many more pairs are done."""
MOST_CHARACTERS = 1_000_000
"""Of a text; a tokenizer takes some hundred bytes for each."""


class PreferencePair(BaseModel):
    """One row: a question about an image, a preferred response and one that is not."""

    model_config = ConfigDict(frozen=True)

    row: int
    pair_id: str
    question: str
    chosen: str
    rejected: str
    image: bytes

    @property
    def contents(self) -> tuple[bytes, ...]:
        """The bytes of its images, in the order in which the prompt has them."""
        return (self.image,)

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """References to its images, in that order."""
        return tuple(
            ImageRef(self.row, place, text_digest(content))
            for place, content in enumerate(self.contents)
        )

    def fault(self) -> str | None:
        """Say why this pair cannot be trained on, or None.

        Questions carry no `<image>`: the template adds it.
        """
        for name in TEXTS:
            text = getattr(self, name)
            if not text.strip():
                return f"empty {name}"
            if len(text) > MOST_CHARACTERS:
                return f"{name} has {len(text):,} characters, more than {MOST_CHARACTERS:,}"
            if IMAGE in text:
                return f"{name} contains {IMAGE}"
        if self.chosen.strip() == self.rejected.strip():
            return "chosen equals rejected"
        try:
            for content in self.contents:
                open_image(content)
        except DataError as error:
            return f"unreadable image: {error}"
        return None


class Preferences:
    """The pairs of a file, of a folder, or of a data set on the hub; `where` selects some.

    `row` counts the pairs that are selected; `place` tells where a pair came from.

    Raises:
        DataError: There is no such data, or it is damaged.
        MissingColumn: It has another schema.
    """

    def __init__(
        self,
        source: Path | str,
        where: Mapping[str, str] = MappingProxyType({}),
        advance: Advance = lambda rows: None,
    ) -> None:
        self.source = source
        self._origin = locate(str(source))
        self._stored, self._content = store_pairs(self._origin, advance)
        self.selection: Selection = select(str(source), self._stored, where)
        self._rows: Sequence[int] = self.selection.rows
        self._left_out: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> PreferencePair:
        values = self._stored.row(self._rows[row], ("idx", *TEXTS, *chain(*IMAGES)))
        for image, path_column in IMAGES:
            path = values.pop(path_column)
            if values[image] is None:
                values[image] = read_image(self._origin, path) if path else b""
        return PreferencePair(row=row, pair_id=values.pop("idx"), **values)

    def __iter__(self) -> Iterator[PreferencePair]:
        return (self[row] for row in range(len(self)))

    @property
    def format(self) -> str:
        """One of `harness.data.pairs.formats.Format`."""
        return self._stored.format

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns that can be read."""
        return tuple(name for name in self._stored.schema.names if not name.startswith("_"))

    def column(self, name: str) -> list[Any]:
        """Return one column in row order."""
        return list(self.values(name))

    def values(self, name: str) -> Iterator[Any]:
        """Yield one column in row order, reading no other."""
        stored = enumerate(self._stored.values(name))
        for wanted in self._rows:
            yield next(value for row, value in stored if row == wanted)

    def pair_id(self, row: int) -> str:
        """Return the id of a pair, of one without its row in the whole data."""
        return str(self._stored.row(self._rows[row], ("idx",))["idx"])

    def texts(self, row: int) -> tuple[str, str, str]:
        """Return question, chosen and rejected response without touching the image."""
        question, chosen, rejected = self._stored.row(self._rows[row], TEXTS).values()
        return question, chosen, rejected

    def place(self, row: int) -> tuple[str, int]:
        """Return the file that a pair stands in, and its row there."""
        found = self._stored.row(self._rows[row], (FILE, ROW))
        return self._origin.file_name(found[FILE]), found[ROW]

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of all files of the data, as reports show them."""
        return tuple(map(self._origin.file_name, range(len(self._origin.files))))

    def paths_leading_out(self) -> list[str]:
        """Return the image paths of rows, selected or not, that lead out of the data's folder."""
        paths = self._stored.paths_without_bytes()
        return sorted({path for path in paths if leads_out(self._origin, path)})

    def form_fault(self, row: int) -> str | None:
        """Say what was wrong with the form of a row when it was read, or None."""
        fault: str | None = self._stored.row(self._rows[row], (FAULT,))[FAULT]
        return fault

    @cached_property
    def digest(self) -> str:
        """Hash of the selected data: of all files' bytes, images included, and of the selection."""
        parts = [self._content, content_digest(self._image_files)]
        if self.selection.values or self._left_out:
            # A pattern is called by what it found: the rows count, and not the words for them.
            parts.append(f"{sorted(self.selection.values.items())} {self._left_out}")
        return text_digest(" ".join(parts), digits=16)

    def without(self, rows: Iterable[int]) -> Self:
        """Return the pairs without some; the others keep their order."""
        left_out = sorted(set(rows))
        if not left_out:
            return self
        rest = object.__new__(type(self))
        rest.__dict__ = {key: value for key, value in self.__dict__.items() if key != "digest"}
        rest._left_out = (*self._left_out, *(self._rows[row] for row in left_out))
        rest._rows = rows_without(self._rows, left_out)
        return rest

    def _image_files(self) -> Iterator[Path]:
        """Yield the image files of all rows, selected or not, that hold no bytes."""
        for path in self._stored.paths_without_bytes():
            yield image_file(self._origin, path)
