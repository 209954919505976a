"""Images: from stored bytes to pixels, within bounds."""

import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageFile, UnidentifiedImageError

from harness.errors import DataError


class ImageRef(NamedTuple):
    """Which image is meant; whoever needs its content asks the pair for it."""

    row: int
    """The pair's."""
    place: int
    """Among the images of the pair."""
    key: str
    """Equal exactly for equal images."""


LONGEST_SIDE = 16_384
"""Pixels: `pad` makes a square of this side, 0.8 GB."""
MOST_STRETCHED = 200
"""Times that an image may be as long as wide, as Qwen2-VL's processor has it: `center_crop` resizes
the shortest edge, and the whole grows with it, to 23 million pixels at 336."""


def open_image(source: bytes | Path) -> Image.Image:
    """Decode the whole image as RGB.

    Raises:
        DataError: It is missing, cut off, not an image, or too large or too long to be resized.
    """
    where = source if isinstance(source, Path) else f"image of {len(source)} bytes"
    # lmms-eval allows cut off images for its whole process, and PIL fills them with grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        fault = _size_fault(*image.size)
        pixels = None if fault else image.convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError(
            f"{where}: not a readable image (of no known format). Replace the file."
        ) from error
    except Exception as error:  # PIL's readers raise nearly anything on a damaged file
        raise DataError(f"{where}: not a readable image ({error}). Replace the file.") from error
    if pixels is None:
        raise DataError(f"{where}: {fault}. Cut or shrink it.")
    return pixels


def _size_fault(width: int, height: int) -> str | None:
    """Say why an image of this size would need gigabytes where it is made square, or None."""
    shortest, longest = sorted((width, height))
    if longest > LONGEST_SIDE:
        return f"{width} x {height} pixels, and a side may have {LONGEST_SIDE:,}"
    if longest > MOST_STRETCHED * shortest:
        return f"{width} x {height} pixels, more than {MOST_STRETCHED} times as long as wide"
    return None
