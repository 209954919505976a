"""Image files that rows of preference data name."""

from pathlib import Path

from harness.data.pairs.source import Source
from harness.errors import DataError

_DATA_URL = "data:image/png;base64,"
_ENCODED = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR")
"""How JPEG, PNG, GIF and WebP begin in base64."""
_ADDRESSES = ("http://", "https://", "s3://", "gs://", "hf://")
_SHOWN = 80


def image_file(source: Source, path: str) -> Path:
    """Return the place of an image, whether it is there or not.

    Relative to the data's folder, or to `images` in it.
    """
    beside = source.folder / path
    in_images = source.folder / "images" / path
    return in_images if not _there(beside) and _there(in_images) else beside


def leads_out(source: Source, path: str) -> bool:
    """Say whether the place of an image is outside the folders of the data.

    Be it by `..`, by an absolute path or by a link.
    """
    try:
        return _is_outside(source, image_file(source, path).resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def read_image(source: Source, path: str) -> bytes:
    """Read the file of an image.

    Raises:
        DataError: It is not there, or its place is outside the folders of the data.
    """
    try:
        resolved = image_file(source, path).resolve()
        if _is_outside(source, resolved):
            raise DataError(f"image path {_shown(path)} leads out of the folder of the data")
        if not resolved.is_file():
            raise DataError(f"no image file {_shown(path)}")
        return resolved.read_bytes()
    except OSError as error:
        # Its own text repeats the whole path.
        raise DataError(f"image file {_shown(path)} cannot be read ({error.strerror})") from error
    except (ValueError, RuntimeError) as error:
        raise DataError(f"image file {_shown(path)} cannot be read ({error})") from error


def _is_outside(source: Source, resolved: Path) -> bool:
    return not any(resolved.is_relative_to(folder) for folder in source.trusted)


def _shown(path: str) -> str:
    """Return the start of a path, and what it may be if it is no path."""
    told = repr(path if len(path) <= _SHOWN else f"{path[:_SHOWN]}...")
    if path.startswith(_ENCODED):
        told += f" (an image in base64 needs {_DATA_URL!r} before it)"
    if path.startswith(_ADDRESSES):
        told += " (on the network: fetch it and name the file)"
    return told


def _there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
