"""Image files that rows of preference data name."""

from pathlib import Path

from harness.data.pairs.source import Source
from harness.errors import DataError


def image_file(source: Source, path: str) -> Path:
    """Return the place of an image, whether it is there or not.

    Relative to the data's folder, or to `images` in it.
    """
    beside = source.folder / path
    in_images = source.folder / "images" / path
    return in_images if not _there(beside) and _there(in_images) else beside


def read_image(source: Source, path: str) -> bytes:
    """Read the file of an image.

    Raises:
        DataError: It is not there, or its place is outside the folders of the data, be it by `..`,
            by an absolute path or by a link.
    """
    file = image_file(source, path)
    try:
        resolved = file.resolve()
        if not any(resolved.is_relative_to(folder) for folder in source.trusted):
            raise DataError(f"image path {path!r} leads out of the folder of the data")
        if not resolved.is_file():
            raise DataError(f"no image file {path!r}")
        return resolved.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"image file {path!r} cannot be read ({error})") from error


def _there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
