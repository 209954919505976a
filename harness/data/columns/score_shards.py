"""Raw CLIP scores of all sub-sentences, in files of a few hundred pairs that appear whole.

How the scores become one number is decided when they are read: another aggregation, or another
treatment of responses that were not split, computes nothing anew.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.columns.clip import clip_digest
from harness.data.columns.splitters import splitter_identity
from harness.errors import DataError
from harness.files.atomic import write_text
from harness.files.digests import digest_of
from harness.settings.spec import HardnessSpec

SHARD_PAIRS = 512


@dataclass(frozen=True)
class ScoredSide:
    """One response: its pieces, and their cosines to the image."""

    pieces: tuple[str, ...]
    cosines: tuple[float, ...]
    """Float32 values; empty if the image cannot be read."""
    fault: str | None
    """Why the pieces are those of the rule and not the language model's."""


@dataclass(frozen=True)
class ScoredPair:
    """One pair of the data."""

    row: int
    scale: float
    """Factor between a cosine and a logit."""
    image_fault: str | None
    """Why there are no cosines."""
    chosen: ScoredSide
    rejected: ScoredSide


_SIDE = pa.struct(
    [
        ("pieces", pa.list_(pa.string())),
        ("cosines", pa.list_(pa.float32())),
        ("fault", pa.string()),
    ]
)
_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("scale", pa.float64()),
        ("image_fault", pa.string()),
        ("chosen", _SIDE),
        ("rejected", _SIDE),
    ]
)


@dataclass(frozen=True)
class Shards:
    """The files of one data set, splitter and CLIP."""

    folder: Path
    pairs: int

    @classmethod
    def of(cls, data: str, pairs: int, hardness: HardnessSpec, cache: Path) -> "Shards":
        """Return the place of the scores; what decides them is written into it.

        Args:
            data: Digest of the pairs.
            pairs: How many there are.
            hardness: Its `clip` and its splitter count.
            cache: The cache folder.
        """
        parts = key_parts(data, hardness)
        shards = cls(cache / "hardness" / digest_of(parts, 16), pairs)
        if not (shards.folder / "key.json").exists():
            write_text(shards.folder / "key.json", json.dumps(parts, indent=2))
        return shards

    def __len__(self) -> int:
        return -(-self.pairs // SHARD_PAIRS)

    def rows(self, number: int) -> range:
        """Return the rows of a shard."""
        start = number * SHARD_PAIRS
        return range(start, min(start + SHARD_PAIRS, self.pairs))

    def pairs_in(self, shards: int) -> int:
        """Return how many pairs the first shards have."""
        return min(self.pairs, shards * SHARD_PAIRS)

    def file(self, number: int) -> Path:
        """Return the file of a shard; where it is, it is whole."""
        return self.folder / f"shard-{number:06d}.parquet"

    def read(self, number: int) -> Iterator[ScoredPair]:
        """Yield the pairs of a shard.

        Raises:
            DataError: The file is damaged.
        """
        file = self.file(number)
        try:
            rows = pq.read_table(file, schema=_SCHEMA).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{file}: damaged ({error}). Remove it; the same command computes it again."
            ) from error
        for row in rows:
            sides = {name: _side(row[name]) for name in ("chosen", "rejected")}
            yield ScoredPair(**(row | sides))

    def pair(self, row: int) -> ScoredPair | None:
        """Return one pair, or None if it has not been scored yet."""
        number, place = divmod(row, SHARD_PAIRS)
        if not self.file(number).exists():
            return None
        return list(self.read(number))[place]


def key_parts(data: str, hardness: HardnessSpec) -> dict[str, str]:
    """Return everything that decides the raw scores."""
    return {
        "data": data,
        "clip": clip_digest(hardness.clip),
        "splitter": splitter_identity(hardness),
    }


def write_scores(scored: Sequence[ScoredPair], path: Path) -> None:
    """Write what a shard holds."""
    table = pa.Table.from_pylist([asdict(pair) for pair in scored], schema=_SCHEMA)
    pq.write_table(table, path)


def _side(values: Mapping[str, Any]) -> ScoredSide:
    return ScoredSide(tuple(values["pieces"]), tuple(values["cosines"]), values["fault"])
