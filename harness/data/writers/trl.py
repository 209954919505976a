"""TRL: a parquet file of messages and pictures, which `datasets` reads with its image feature.

Source: TRL:docs/source/dataset_formats.md (1.16.0): conversational, with an explicit prompt.
"""

import json
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.writers.columns import Columns, with_columns
from harness.files.atomic import written

_BATCH_ROWS = 64
_TALK = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_PICTURES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_TALKS = ("prompt", "chosen", "rejected")
_TEXT = {"dtype": "string", "_type": "Value"}
_NUMBER = {"dtype": "float64", "_type": "Value"}
_MESSAGES = {"_type": "List", "feature": {"role": _TEXT, "content": _TEXT}}


def write_trl(pairs: Preferences, computed: Columns, target: Path) -> None:
    """Write `prompt`, `chosen`, `rejected`, `images` and the columns to a parquet file."""
    rows = (_row(pair, values) for pair, values in with_columns(pairs, computed))
    head = list(islice(rows, _BATCH_ROWS))
    schema = _schema([name for name in head[0] if name not in ("images", *_TALKS)], pairs, computed)
    waiting = chain(head, rows)
    with written(target, one_writer=True) as part, pq.ParquetWriter(part, schema) as writer:
        while batch := list(islice(waiting, _BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))


def _row(pair: PreferencePair, values: dict[str, Any]) -> dict[str, Any]:
    talk = [("user", "assistant")] * len(pair.history)
    said = zip(chain(*talk), chain(*pair.history), strict=True)
    return {
        "prompt": [_message(*turn) for turn in (*said, ("user", pair.question))],
        "chosen": [_message("assistant", pair.chosen)],
        "rejected": [_message("assistant", pair.rejected)],
        "images": [{"bytes": pair.image, "path": None}],
        "idx": pair.pair_id,
        **values,
    }


def _message(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def _schema(others: list[str], pairs: Preferences, computed: Columns) -> pa.Schema:
    """Return the schema, with the features that `datasets` is to read the columns as."""
    numbers = {name for name in others if name in computed or pairs.holds_numbers(name)}
    types = {name: pa.float64() if name in numbers else pa.string() for name in others}
    features = {
        **dict.fromkeys(_TALKS, _MESSAGES),
        "images": {"_type": "List", "feature": {"_type": "Image"}},
        **{name: _NUMBER if name in numbers else _TEXT for name in others},
    }
    fields = [*((name, _TALK) for name in _TALKS), ("images", _PICTURES), *types.items()]
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})
