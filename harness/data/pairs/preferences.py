"""Preference pairs of any known format, mapped into memory and checked before any work starts."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from harness.data.formats.columns import TEXTS
from harness.data.images import ImageRef, open_image
from harness.data.pairs.image_files import image_file, leads_out
from harness.data.pairs.layout import FAULT, FILE, HISTORY, ROW
from harness.data.pairs.part import Part, open_part
from harness.data.pairs.subset import Rows, Selection, rows_without
from harness.data.pairs.texts import History, Texts, read_history
from harness.data.templates import IMAGE
from harness.errors import DataError
from harness.files.digests import content_digest, text_digest
from harness.settings.mixing import sources_of

Advance = Callable[[int], object]
"""Told how many more pairs are done."""
MOST_CHARACTERS = 1_000_000
"""Of a text; a tokenizer takes some hundred bytes for each."""


class PreferencePair(BaseModel):
    """A question about an image, a preferred response and one that is not."""

    model_config = ConfigDict(frozen=True)

    row: int
    pair_id: str
    question: str
    chosen: str
    rejected: str
    image: bytes
    history: History = ()
    """Earlier turns of the same talk; the image stands before the first."""

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
        for turn in self.history:
            if not all(text.strip() for text in turn):
                return "empty text in an earlier turn"
            if any(IMAGE in text for text in turn):
                return f"an earlier turn contains {IMAGE}"
        if self.chosen.strip() == self.rejected.strip():
            return "chosen equals rejected"
        try:
            for content in self.contents:
                open_image(content)
        except DataError as error:
            return f"unreadable image: {error}"
        return None


class Preferences:
    """The pairs of files, of folders, or of data sets on the hub; `where` selects some.

    `row` counts the pairs that are taken; `place` tells where a pair came from.

    Args:
        source: A source, or several with how much of each is taken, as `data.preferences` has it.
        where: Which rows are meant.
        advance: Told how many more rows are converted.
        form: The format of all sources; None to find it by the rows of each.

    Raises:
        DataError: There is no such data, or it is damaged.
        MissingColumn: It has another schema.
    """

    def __init__(
        self,
        source: Path | str,
        where: Mapping[str, str] = MappingProxyType({}),
        advance: Advance = lambda rows: None,
        form: str | None = None,
    ) -> None:
        self.source = source
        self._parts: tuple[Part, ...] = tuple(
            open_part(one, where, advance, form) for one in sources_of(str(source))
        )
        sizes = [len(part.stored) for part in self._parts]
        self._starts = [0, *accumulate(sizes[:-1])]
        self._rows: Sequence[int] = _numbered(self._parts, self._starts)
        self._left_out: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> PreferencePair:
        part, stored = self._at(row)
        return PreferencePair(
            row=row,
            pair_id=self.pair_id(row),
            **self.texts(row)._asdict(),
            **part.images(stored),
        )

    def __iter__(self) -> Iterator[PreferencePair]:
        return (self[row] for row in range(len(self)))

    @property
    def format(self) -> str:
        """Name of the format, of several sources all their formats."""
        return " + ".join(dict.fromkeys(part.stored.format for part in self._parts))

    @property
    def selection(self) -> Selection:
        """The rows that `where` selects, before any are drawn."""
        if len(self._parts) == 1:
            return self._parts[0].selection
        total = sum(len(part.selection.rows) for part in self._parts)
        return Selection(range(total), "; ".join(part.selection.said for part in self._parts))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns that can be read, of several sources those that all have."""
        names = [part.stored.schema.names for part in self._parts]
        return tuple(
            name
            for name in names[0]
            if not name.startswith("_") and all(name in others for others in names)
        )

    def holds_numbers(self, name: str) -> bool:
        """Say whether a column holds numbers, of several sources in all of them."""
        return all(
            pa.types.is_floating(part.stored.schema.field(name).type) for part in self._parts
        )

    def said(self) -> list[str]:
        """Say of each source how its rows were read."""
        return [part.said() for part in self._parts]

    def column(self, name: str) -> list[Any]:
        """Return one column in row order."""
        return list(self.values(name))

    def values(self, name: str) -> Iterator[Any]:
        """Yield one column in row order, reading no other."""
        reading: Part | None = None
        at, value = -1, None
        for row in range(len(self)):
            part, wanted = self._at(row)
            if part is not reading or wanted < at:
                reading, at, stored = part, -1, enumerate(part.stored.values(name))
            while at < wanted:
                at, value = next(stored)
            yield value

    def pair_id(self, row: int) -> str:
        """Return the id of a pair, of one without its row in the whole data."""
        part, stored = self._at(row)
        return str(part.stored.row(stored, ("idx",))["idx"])

    def texts(self, row: int) -> Texts:
        """Return the texts of a pair without touching the image."""
        part, stored = self._at(row)
        found = part.stored.row(stored, (*TEXTS, HISTORY))
        history = read_history(found.pop(HISTORY))
        return Texts(**found, history=history)

    def place(self, row: int) -> tuple[str, int]:
        """Return the file that a pair stands in, and its row there."""
        part, stored = self._at(row)
        found = part.stored.row(stored, (FILE, ROW))
        return self._file_name(part, found[FILE]), found[ROW]

    def number(self, row: int) -> int:
        """Return the number of a pair among all rows of all sources: a pair taken twice has one."""
        return int(self._rows[row])

    def source_number(self, row: int) -> int:
        """Return the number of the source that a pair is of."""
        return bisect_right(self._starts, self._rows[row]) - 1

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of all files of the data, as reports show them."""
        return tuple(
            self._file_name(part, number)
            for part in self._parts
            for number in range(len(part.origin.files))
        )

    def paths_leading_out(self) -> list[str]:
        """Return the image paths of rows, selected or not, that lead out of the data's folder."""
        return sorted(
            {
                path
                for part in self._parts
                for path in part.stored.paths_without_bytes()
                if leads_out(part.origin, path)
            }
        )

    def form_fault(self, row: int) -> str | None:
        """Say what was wrong with the form of a row when it was read, or None."""
        part, stored = self._at(row)
        fault: str | None = part.stored.row(stored, (FAULT,))[FAULT]
        return fault

    @cached_property
    def digest(self) -> str:
        """Hash of the pairs: of all files' bytes, images included, and of which rows are taken."""
        parts: list[str] = []
        for part in self._parts:
            parts += [part.content, content_digest(lambda part=part: _image_files(part))]  # type: ignore[misc]
            if part.selection.values and len(self._parts) > 1:
                parts.append(f"{sorted(part.selection.values.items())}")
            parts += part.decisive
        selected = self._parts[0].selection.values if len(self._parts) == 1 else {}
        if selected or self._left_out:
            # A pattern is called by what it found: the rows count, and not the words for them.
            parts.append(f"{sorted(selected.items())} {self._left_out}")
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

    def _at(self, row: int) -> tuple[Part, int]:
        """Return the source that a pair is of, and its row among the stored ones."""
        number = self._rows[row]
        part = bisect_right(self._starts, number) - 1
        return self._parts[part], number - self._starts[part]

    def _file_name(self, part: Part, number: int) -> str:
        name = part.origin.file_name(number)
        if len(self._parts) == 1:
            return name
        place = part.asked.place
        return place if Path(place).name == name else f"{place}/{name}"


def _numbered(parts: Sequence[Part], starts: Sequence[int]) -> Sequence[int]:
    """Return the rows of all parts, numbered on from one to the next."""
    if len(parts) == 1:
        return parts[0].rows
    numbers = [
        np.fromiter(part.rows, dtype=np.int64, count=len(part.rows)) + start
        for part, start in zip(parts, starts, strict=True)
    ]
    return Rows(np.concatenate(numbers))


def _image_files(part: Part) -> Iterator[Path]:
    """Yield the image files of all rows, selected or not, that hold no bytes."""
    for path in part.stored.paths_without_bytes():
        yield image_file(part.origin, path)
