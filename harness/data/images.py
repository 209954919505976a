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
_HEAD = 1000
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""Brands of files that hold pictures as frames of H.265."""


def open_image(source: bytes | Path) -> Image.Image:
    """Decode the whole image as RGB, as `Image.open(...).convert("RGB")` does.

    As LLaVA reads it: what EXIF says of turning is not looked at, transparency is dropped, and of
    an animation the first picture counts.

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
        told = _unknown(source)
        raise DataError(f"{where}: not a readable image ({told}). Replace the file.") from error
    except Exception as error:  # PIL's readers raise nearly anything on a damaged file
        raise DataError(f"{where}: not a readable image ({error}). Replace the file.") from error
    if pixels is None:
        raise DataError(f"{where}: {fault}. Cut or shrink it.")
    return pixels


def _unknown(source: bytes | Path) -> str:
    """Say what that is which PIL does not know."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        return "it is empty"
    if b"<svg" in head.lower():
        return "SVG, which has no pixels: draw it as PNG"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "HEIC, which Pillow cannot read: convert it to PNG or JPEG"
    return "of no known format"


def _size_fault(width: int, height: int) -> str | None:
    """Say why an image of this size would need gigabytes where it is made square, or None."""
    shortest, longest = sorted((width, height))
    if longest > LONGEST_SIDE:
        return f"{width} x {height} pixels, and a side may have {LONGEST_SIDE:,}"
    if longest > MOST_STRETCHED * shortest:
        return f"{width} x {height} pixels, more than {MOST_STRETCHED} times as long as wide"
    return None
