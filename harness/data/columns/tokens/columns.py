"""Token columns: the spans of all pairs, read from the data or computed once before training."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.columns.catalog import (
    SIDES,
    computable,
    is_per_token,
    require_token_columns,
    span_columns,
    token_columns_in,
)
from harness.data.columns.column import Advance
from harness.data.columns.computing import compute_spans, decided_by
from harness.data.columns.tokens.spans import PairSpans, Span, spans_of
from harness.data.pairs.export import SPANS
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.texts import Texts
from harness.errors import DataError
from harness.files.atomic import written
from harness.files.digests import digest_of
from harness.files.locks import FileLock
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

_VERSION = 1
"""Raise it when the same data are to give other spans."""
_SCHEMA = pa.schema([(side, SPANS) for side in SIDES])
_BATCH_ROWS = 1000


@dataclass(frozen=True)
class TokenColumns:
    """The spans of all pairs: iterated, those of each pair by column, in row order."""

    files: Mapping[str, Path]
    """By column a parquet file, named by all that decides what is in it."""

    @property
    def key(self) -> dict[str, str]:
        """What decides the spans."""
        return {name: file.stem for name, file in self.files.items()}

    def __iter__(self) -> Iterator[dict[str, PairSpans]]:
        columns = zip(*map(read_spans, self.files.values()), strict=True)
        return (dict(zip(self.files, spans, strict=True)) for spans in columns)


def ensure_token_columns(
    pairs: Preferences,
    needed: Iterable[str],
    hardness: HardnessSpec,
    cache: Path,
    advance: Advance = lambda pairs: None,
    chat: ChatSettings | None = None,
) -> TokenColumns | None:
    """Return the spans of the needed token columns, or None if there are none.

    Those in the preference data are taken as they are, and others computed.

    Args:
        pairs: The pairs.
        needed: Names of token columns.
        hardness: How columns are computed.
        cache: Folder of everything that was computed.
        advance: Told how many more pairs are done; not called for what is there.
        chat: How to reach a language model; None takes the environment's settings.

    Raises:
        MissingColumn: A column is neither there nor computable.
        DataError: What is given are no spans of the responses, or pairs cannot be marked.
    """
    names = sorted(needed)
    if not names:
        return None
    require_token_columns(pairs, names, "the method")
    settings = ChatSettings() if chat is None else chat
    return TokenColumns(
        {name: _ensured(name, pairs, hardness, cache, advance, settings) for name in names}
    )


def read_spans(file: Path) -> Iterator[PairSpans]:
    """Yield the spans of both responses of each pair."""
    for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS):
        for chosen, rejected in zip(
            *(batch.column(side).to_pylist() for side in SIDES), strict=True
        ):
            yield tuple(Span(**one) for one in chosen), tuple(Span(**one) for one in rejected)


def as_cells(spans: Iterable[PairSpans]) -> tuple[list[Any], list[Any]]:
    """Return the cells of both columns, of the type `SPANS`."""
    cells: tuple[list[Any], list[Any]] = ([], [])
    for pair in spans:
        for column, side in zip(cells, pair, strict=True):
            column.append([span._asdict() for span in side])
    return cells


def _ensured(
    name: str,
    pairs: Preferences,
    hardness: HardnessSpec,
    cache: Path,
    advance: Advance,
    chat: ChatSettings,
) -> Path:
    """Return the file of one column; make it where it is not there."""
    given = name in token_columns_in(pairs)
    decided = {} if given else decided_by(name, pairs.digest, hardness)
    key = {"token column": [name, _VERSION], "given": given, "data": pairs.digest, "by": decided}
    file = cache / "columns" / f"{digest_of(key, 16)}.parquet"
    if file.exists():
        return file
    if given:
        spans = list(_given(pairs, name))
    else:
        spans = compute_spans(name, pairs, hardness, cache, chat, advance)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            cells = dict(zip(SIDES, as_cells(spans), strict=True))
            with written(file, one_writer=True) as part:
                pq.write_table(pa.table(cells, _SCHEMA), part)
    return file


def _given(pairs: Preferences, name: str) -> Iterator[PairSpans]:
    columns = span_columns(name)
    before: tuple[Any, Texts | None] = (None, None)
    for row, held in enumerate(zip(*map(pairs.values, columns), strict=True)):
        place, texts = pairs.place(row), pairs.texts(row)
        if place == before[0] and texts != before[1]:
            raise DataError(
                f"{pairs.source}: {place[0]} row {place[1]} makes several pairs, so {columns[0]!r} "
                "and its fellow cannot say whose spans they are. Write each pair as a row of its "
                "own."
            )
        before = place, texts
        chosen, rejected = (
            _read(pairs, row, *one)
            for one in zip(columns, held, (texts.chosen, texts.rejected), strict=True)
        )
        yield chosen, rejected


def _read(pairs: Preferences, row: int, column: str, held: Any, response: str) -> tuple[Span, ...]:
    try:
        return spans_of(held, response)
    except ValueError as error:
        file, file_row = pairs.place(row)
        name = column.partition("_")[2]
        computes = name in computable() and is_per_token(name)
        instead = ", or leave out both columns to have them computed" if computes else ""
        raise DataError(
            f"{pairs.source}: {file} row {file_row}, column {column!r}: {error}. Repair it: it is "
            "a list of [start, end, value], where start is the first character of the response, "
            f"and end the one behind the last{instead}."
        ) from error
