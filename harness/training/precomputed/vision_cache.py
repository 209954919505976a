"""Features of the frozen vision tower on the disk, as many as a bound allows."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.data.rows.batch import PairTokens
from harness.data.rows.collate import ImageStore, Pairs
from harness.files.atomic import write_text
from harness.files.digests import text_digest
from harness.files.sealed import ensure_files
from harness.training.step.protocols import Ranks

SHARD_IMAGES = 16
"""About 19 MB for LLaVA-1.5."""
_OPEN_SHARDS = 16
_NAME = "features"


class Tower(Protocol):
    """What encodes images."""

    def features(self, images: Float[Tensor, "images 3 h w"]) -> Float[Tensor, "images patches d"]:
        """Encode distinct images."""
        ...


class VisionKey(NamedTuple):
    """Everything that the features and their order depend on."""

    model: str
    data: str
    image_transform: str
    dtype: str
    device: str
    torch: str

    def folder(self, cache: Path) -> Path:
        """Return the place of the features in the cache; the key is written into it."""
        text = json.dumps(self._asdict(), sort_keys=True, indent=2)
        folder = cache / "vision" / text_digest(text, digits=16)
        if not (folder / "key.json").exists():
            write_text(folder / "key.json", text + "\n")
        return folder


class KeptFeatures:
    """Features on the disk.

    Args:
        folder: Holds the files.
        slots: Of every row the number of its image if that is kept, else -1.
    """

    def __init__(self, folder: Path, slots: Int[Tensor, " rows"]) -> None:
        self._slots = slots
        self._open = lru_cache(_OPEN_SHARDS)(lambda number: _open(_file(folder, number)))

    def __contains__(self, row: int) -> bool:
        return int(self._slots[row]) >= 0

    def __getitem__(self, row: int) -> Float[Tensor, "patches d"]:
        number, place = divmod(int(self._slots[row]), SHARD_IMAGES)
        found: Tensor = self._open(number)[place]
        return found


class VisionCache:
    """A tower that is asked only for images whose features are not on the disk."""

    def __init__(self, tower: Tower, kept: KeptFeatures | None = None) -> None:
        self._tower = tower
        self._kept = kept

    def keeps(self, row: int) -> bool:
        """Say whether the features of a row's image are on the disk: it need not be decoded."""
        return self._kept is not None and row in self._kept

    def features(self, batch: PairTokens) -> Float[Tensor, "images patches d"]:
        """Return the features of the distinct images of a batch; `images` lacks those kept."""
        kept = self._kept
        if kept is None or not any(map(self.keeps, batch.image_rows)):
            return self._tower.features(batch.images)
        encoded = iter(self._tower.features(batch.images) if len(batch.images) else ())
        device = batch.packed.input_ids.device
        return torch.stack(
            [kept[row].to(device) if row in kept else next(encoded) for row in batch.image_rows]
        )


def ensure_vision_cache(
    key: VisionKey,
    cache: Path,
    tower: Tower,
    pairs: Pairs,
    images: ImageStore,
    bound_gb: float,
    ranks: Ranks,
    tell: Callable[[str], object],
    device: torch.device,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> VisionCache:
    """Return the cache of the first images that fit, after encoding those that are missing.

    Args:
        key: Names the folder.
        cache: The cache folder.
        tower: Encodes images.
        pairs: Their images, in order of first appearance, are kept.
        images: Decodes them.
        bound_gb: Most gigabytes (10^9 bytes) of features; 0 keeps none.
        ranks: This process among those that start together and share the work.
        tell: Told the size of all features and of what is kept, before anything is written.
        device: The tower's.
        advance: Told how many images of how many are done by now; it may raise to stop.
    """
    if bound_gb <= 0:
        return VisionCache(tower)
    slots, firsts = _distinct(pairs)

    def encode(rows: list[int]) -> Tensor:
        pixels = torch.stack([images.tensor(row, pairs[row].image_key) for row in rows])
        return tower.features(pixels.to(device)).cpu().contiguous()

    image_bytes = encode(firsts[:1]).nbytes
    count = _fitting(len(firsts), int(bound_gb * 1e9) // image_bytes)
    tell(
        f"Features of {len(firsts)} images take {_said(len(firsts) * image_bytes)}; "
        f"{count} of them, {_said(count * image_bytes)}, are kept in {cache / 'vision'} "
        f"(training.vision_cache_gb={bound_gb:g})."
    )
    if not count:
        return VisionCache(tower)
    folder = key.folder(cache)

    def make(number: int, path: Path) -> None:
        rows = firsts[number * SHARD_IMAGES : min(count, (number + 1) * SHARD_IMAGES)]
        save_file({_NAME: encode(rows)}, path)

    ensure_files(
        [_file(folder, number) for number in range(-(-count // SHARD_IMAGES))],
        make,
        ranks.rank,
        ranks.count,
        lambda files: advance(min(count, files * SHARD_IMAGES), count),
    )
    return VisionCache(tower, KeptFeatures(folder, torch.where(slots < count, slots, -1)))


def _distinct(pairs: Pairs) -> tuple[Int[Tensor, " rows"], list[int]]:
    """Number the images in order of first appearance; return each row's, and each image's row."""
    numbers: dict[bytes, int] = {}
    firsts: list[int] = []
    slots = torch.zeros(len(pairs), dtype=torch.int32)
    for row in range(len(pairs)):
        key = bytes.fromhex(pairs[row].image_key)
        if key not in numbers:
            numbers[key] = len(firsts)
            firsts.append(row)
        slots[row] = numbers[key]
    return slots, firsts


def _fitting(images: int, room: int) -> int:
    """Return how many images are kept: all, or whole files."""
    return images if images <= room else room // SHARD_IMAGES * SHARD_IMAGES


def _said(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"


def _open(file: Path) -> Any:
    # A slice reads from the memory map when it is asked for.
    stored: Any = safe_open(str(file), framework="pt")
    return stored.get_slice(_NAME)


def _file(folder: Path, number: int) -> Path:
    return folder / f"images-{number:06d}.safetensors"
