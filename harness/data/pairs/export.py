"""Write preference data once more, with columns added, a batch of rows at a time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise, repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.formats.columns import TEXTS
from harness.data.pairs.layout import IMAGES
from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.pairs.records import kind_of
from harness.data.pairs.source import Source, locate
from harness.errors import ConfigError, DataError
from harness.files.atomic import written
from harness.settings.mixing import places_of

_BATCH_ROWS = 256
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("value", pa.float64())]))
"""A list of spans of a response: characters from `start` to before `end`, and their number."""


def write_with_columns(
    pairs: Preferences, columns: Mapping[str, Sequence[Any]], target: Path
) -> None:
    """Write the rows of the pairs with columns more; a column of the same name is replaced.

    A column holds a number of each pair, or a list of spans, each as a dictionary.

    Rows of parquet files keep all their columns; those of other formats take the RLAIF-V schema,
    with the images in the file.

    Raises:
        ConfigError: `target` is one of the files that are read.
        DataError: A pair has earlier turns, for which that schema has no column.
    """
    sources = [locate(place) for place in places_of(str(pairs.source))]
    if target.resolve() in {file.resolve() for source in sources for file in source.files}:
        raise ConfigError(f"--out {target}: this is the data itself. Name another file.")
    whole = str(pairs.source) == sources[0].name and kind_of(sources[0].files[0]) == "parquet"
    if whole and _one_of_each_row(pairs):
        with written(target, one_writer=True) as partial:
            _write(_original(pairs, sources[0]), columns, partial)
    else:
        write_pairs(pairs, columns, target)


def _one_of_each_row(pairs: Preferences) -> bool:
    places = (pairs.place(row) for row in range(len(pairs)))
    return all(one != other for one, other in pairwise(places))


def write_pairs(pairs: Preferences, columns: Mapping[str, Sequence[Any]], target: Path) -> None:
    """Write the pairs in the RLAIF-V schema, with the images in the file, and with more columns.

    Raises:
        DataError: A pair has earlier turns, for which that schema has no column.
    """
    with written(target, one_writer=True) as partial:
        _write(_converted(pairs, columns), columns, partial)


def _write(batches: Iterator[Any], columns: Mapping[str, Sequence[Any]], file: Path) -> None:
    writer: Any = None
    start = 0
    try:
        for batch in batches:
            table = pa.Table.from_batches([batch])
            for name, values in columns.items():
                kind = SPANS if isinstance(values[0], list) else pa.float64()
                column = pa.array(values[start : start + batch.num_rows], kind)
                if name in table.column_names:
                    table = table.drop_columns([name])
                table = table.append_column(name, column)
            start += batch.num_rows
            if writer is None:
                writer = pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _original(pairs: Preferences, source: Source) -> Iterator[Any]:
    """Yield the rows of parquet files that belong to pairs, which stand in the order of files."""
    places = (pairs.place(row) for row in range(len(pairs)))
    wanted = next(places, None)
    for number, file in enumerate(source.files):
        name, first = source.file_name(number), 0
        for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS):
            kept: list[int] = []
            while wanted is not None and wanted[0] == name and wanted[1] < first + batch.num_rows:
                kept.append(wanted[1] - first)
                wanted = next(places, None)
            first += batch.num_rows
            if kept:
                yield batch.take(pa.array(kept))


def _converted(pairs: Preferences, columns: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    own = {"idx", *TEXTS, *chain(*IMAGES), *columns}
    others = [other for other in pairs.columns if other not in own]
    schema = pa.schema(
        [
            ("idx", pa.string()),
            *((text, pa.string()) for text in TEXTS),
            *((image, _IMAGE) for image, _ in IMAGES),
            *((other, _type(pairs, other)) for other in others),
        ]
    )
    more = zip(*(pairs.values(other) for other in others), strict=True) if others else repeat(())
    rows = (
        {
            "idx": pair.pair_id,
            **{text: getattr(pair, text) for text in TEXTS},
            **{image: {"bytes": getattr(pair, image), "path": None} for image, _ in IMAGES},
            **dict(zip(others, values, strict=True)),
        }
        for pair, values in zip(map(_of_one_turn, pairs), more, strict=False)
    )
    while part := list(islice(rows, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(part, schema)


def _of_one_turn(pair: PreferencePair) -> PreferencePair:
    if pair.history:
        raise DataError(
            f"row {pair.row}: has {len(pair.history)} earlier turns, and parquet with a column for "
            "each text has no place for them. Write it with export --to trl."
        )
    return pair


def _type(pairs: Preferences, name: str) -> Any:
    value = next((value for value in pairs.values(name) if value is not None), None)
    return pa.float64() if isinstance(value, float) else pa.string()
