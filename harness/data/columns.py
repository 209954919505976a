"""Columns: numbers per pair that a method needs and that are computed once, before training."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from filelock import FileLock
from jaxtyping import Float
from torch import Tensor

from harness.data import splitting
from harness.data.clip import Clip, clip_digest
from harness.data.images import open_image
from harness.data.preferences import PreferencePair, Preferences, file_digest
from harness.errors import DataError, MissingColumn
from harness.spec import HardnessSpec

COMPUTABLE = frozenset({"clip_gap"})
_BATCH_PAIRS = 32

Advance = Callable[[int], object]
"""Told how many more pairs are done."""


def ensure_columns(
    preferences: Path | str,
    needed: frozenset[str],
    hardness: HardnessSpec,
    cache: Path,
    advance: Advance = lambda pairs: None,
) -> Path | None:
    """Return a parquet file of the needed columns, one row per pair, or None if there are none.

    A column in the preference data is taken as it is; `clip_gap` is computed otherwise, once for a
    data file, CLIP weights, splitter and aggregation.

    Raises:
        MissingColumn: A column is neither there nor computable.
    """
    if not needed:
        return None
    pairs = Preferences(preferences)
    given = needed & set(pairs.columns)
    if unknown := needed - given - COMPUTABLE:
        raise MissingColumn(
            f"{preferences}: no column {', '.join(map(repr, sorted(unknown)))}, which the method "
            f"needs, and only {', '.join(map(repr, sorted(COMPUTABLE)))} can be computed. Add it "
            "to the data."
        )
    file = cache / "columns" / f"{_key(pairs, needed, given, hardness)}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            values = {name: _given(pairs, name) for name in sorted(given)}
            if needed - given:
                values["clip_gap"] = clip_gaps(pairs, hardness, advance)
            partial = file.with_suffix(".partial")
            pq.write_table(pa.table(values), partial)
            partial.replace(file)
    return file


def read_columns(file: Path, names: frozenset[str]) -> Mapping[str, Float[Tensor, " all_rows"]]:
    """Read columns in row order, float32."""
    table = pq.read_table(file, columns=sorted(names))
    return {
        name: torch.tensor(table[name].to_pylist(), dtype=torch.float32)
        for name in table.column_names
    }


def clip_gaps(pairs: Preferences, hardness: HardnessSpec, advance: Advance) -> list[float]:
    """Return, per pair, how much better CLIP matches the chosen response's pieces to the image.

    Source: Eq. 3-5 of arXiv:2502.01943. With `sum_of_cosines` the sum of the cosines of the chosen
    response's sub-sentences minus that of the rejected one's; with `sum_of_joint_softmax` the same
    over their shares in one softmax over all of them, so that it lies between -1 and 1.
    """
    clip = Clip(hardness.clip)
    gaps: list[float] = []
    for batch in _batches(pairs):
        gaps += _batch_gaps(batch, clip, hardness)
        advance(len(batch))
    return gaps


def _batch_gaps(batch: Sequence[PreferencePair], clip: Clip, hardness: HardnessSpec) -> list[float]:
    """Encode every distinct image of the batch once."""
    by_key = {pair.image_key: pair.image for pair in batch}
    vectors = clip.images([open_image(image) for image in by_key.values()])
    images = dict(zip(by_key, vectors, strict=True))
    pieces = [
        [clip.fitting(splitting.split_sentences(text)) for text in (pair.chosen, pair.rejected)]
        for pair in batch
    ]
    counts = [len(texts) for sides in pieces for texts in sides]
    encoded = clip.texts([text for sides in pieces for texts in sides for text in texts])
    sides = iter(torch.split(encoded, counts))
    return [
        response_gap(
            next(sides) @ images[pair.image_key],
            next(sides) @ images[pair.image_key],
            clip.scale,
            hardness,
        )
        for pair in batch
    ]


def response_gap(
    chosen: Float[Tensor, " chosen"],
    rejected: Float[Tensor, " rejected"],
    scale: float,
    hardness: HardnessSpec,
) -> float:
    """Aggregate the cosines of both responses' sub-sentences to one number."""
    if hardness.aggregation == "sum_of_joint_softmax":
        shares = torch.softmax(scale * torch.cat([chosen, rejected]), dim=0)
        chosen, rejected = torch.split(shares, [len(chosen), len(rejected)])
    return float(chosen.sum() - rejected.sum())


def _batches(pairs: Preferences) -> Iterator[list[PreferencePair]]:
    for start in range(0, len(pairs), _BATCH_PAIRS):
        yield [pairs[row] for row in range(start, min(start + _BATCH_PAIRS, len(pairs)))]


def _given(pairs: Preferences, name: str) -> list[float]:
    try:
        return [float(value) for value in pairs.column(name)]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{pairs.source}: column {name!r} must hold one number in every row ({error})."
        ) from error


def _key(
    pairs: Preferences, needed: frozenset[str], given: frozenset[str], hardness: HardnessSpec
) -> str:
    parts = {"data": pairs.digest, "needed": sorted(needed), "given": sorted(given)}
    if needed - given:
        parts |= {
            "clip": clip_digest(hardness.clip),
            "splitter": f"{hardness.splitter} {file_digest(Path(splitting.__file__))}",
            "aggregation": hardness.aggregation,
        }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
