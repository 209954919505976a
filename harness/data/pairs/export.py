"""Write preference data once more, with a column added, a batch of rows at a time."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.formats.columns import TEXTS
from harness.data.pairs.layout import IMAGES
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.records import kind_of
from harness.data.pairs.source import Source, locate
from harness.errors import ConfigError
from harness.files.atomic import written
from harness.settings.mixing import places_of

_BATCH_ROWS = 256
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_with_column(pairs: Preferences, name: str, values: Sequence[float], target: Path) -> None:
    """Write the rows of the pairs with one column more; a column of this name is replaced.

    Rows of parquet files keep all their columns; those of other formats take the RLAIF-V schema,
    with the images in the file.

    Raises:
        ConfigError: `target` is one of the files that are read.
    """
    sources = [locate(place) for place in places_of(str(pairs.source))]
    if target.resolve() in {file.resolve() for source in sources for file in source.files}:
        raise ConfigError(f"--out {target}: this is the data itself. Name another file.")
    parquet = str(pairs.source) == sources[0].name and kind_of(sources[0].files[0]) == "parquet"
    batches = _original(pairs, sources[0]) if parquet else _converted(pairs, name)
    with written(target, one_writer=True) as partial:
        _write(batches, name, values, partial)


def _write(batches: Iterator[Any], name: str, values: Sequence[float], file: Path) -> None:
    writer: Any = None
    start = 0
    try:
        for batch in batches:
            column = pa.array(values[start : start + batch.num_rows], pa.float64())
            start += batch.num_rows
            table = pa.Table.from_batches([batch])
            if name in table.column_names:
                table = table.drop_columns([name])
            table = table.append_column(name, column)
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


def _converted(pairs: Preferences, name: str) -> Iterator[Any]:
    own = {"idx", *TEXTS, *chain(*IMAGES), name}
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
        for pair, values in zip(pairs, more, strict=False)
    )
    while part := list(islice(rows, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(part, schema)


def _type(pairs: Preferences, name: str) -> Any:
    value = next((value for value in pairs.values(name) if value is not None), None)
    return pa.float64() if isinstance(value, float) else pa.string()
