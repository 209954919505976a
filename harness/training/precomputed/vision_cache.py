"""Features of the frozen vision tower on the disk, as many as a bound allows."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.data.images import ImageRef
from harness.data.rows.batch import PairTokens
from harness.data.rows.collate import ImageStore, distinct_images
from harness.data.rows.views import Pairs
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
        numbers: Of every image that is kept its number, by its key.
    """

    def __init__(self, folder: Path, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._open = lru_cache(_OPEN_SHARDS)(lambda number: _open(_file(folder, number)))

    def __contains__(self, image: ImageRef) -> bool:
        return image.key in self._numbers

    def __getitem__(self, image: ImageRef) -> Float[Tensor, "patches d"]:
        number, place = divmod(self._numbers[image.key], SHARD_IMAGES)
        found: Tensor = self._open(number)[place]
        return found


class VisionCache:
    """A tower that is asked only for images whose features are not on the disk."""

    def __init__(self, tower: Tower, kept: KeptFeatures | None = None) -> None:
        self._tower = tower
        self._kept = kept

    def keeps(self, image: ImageRef) -> bool:
        """Say whether the features of an image are on the disk: it need not be decoded."""
        return self._kept is not None and image in self._kept

    def features(self, batch: PairTokens) -> Float[Tensor, "images patches d"]:
        """Return the features of the distinct images of a batch; `images` lacks those kept."""
        kept = self._kept
        if kept is None or not any(map(self.keeps, batch.image_refs)):
            return self._tower.features(batch.images)
        encoded = iter(self._tower.features(batch.images) if len(batch.images) else ())
        device = batch.packed.input_ids.device
        return torch.stack(
            [
                kept[image].to(device) if image in kept else next(encoded)
                for image in batch.image_refs
            ]
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
    distinct = list(distinct_images(pairs[row] for row in range(len(pairs))).values())

    def encode(some: Sequence[ImageRef]) -> Tensor:
        pixels = torch.stack([images.tensor(image) for image in some])
        return tower.features(pixels.to(device)).cpu().contiguous()

    image_bytes = encode(distinct[:1]).nbytes
    count = _fitting(len(distinct), int(bound_gb * 1e9) // image_bytes)
    tell(
        f"Features of {len(distinct)} images take {_said(len(distinct) * image_bytes)}; "
        f"{count} of them, {_said(count * image_bytes)}, are kept in {cache / 'vision'} "
        f"(training.vision_cache_gb={bound_gb:g})."
    )
    if not count:
        return VisionCache(tower)
    folder, kept = key.folder(cache), distinct[:count]

    def make(number: int, path: Path) -> None:
        some = kept[number * SHARD_IMAGES : (number + 1) * SHARD_IMAGES]
        save_file({_NAME: encode(some)}, path)

    ensure_files(
        [_file(folder, number) for number in range(-(-count // SHARD_IMAGES))],
        make,
        ranks.rank,
        ranks.count,
        lambda files: advance(min(count, files * SHARD_IMAGES), count),
    )
    numbers = {image.key: number for number, image in enumerate(kept)}
    return VisionCache(tower, KeptFeatures(folder, numbers))


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
