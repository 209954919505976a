"""WebDataset: tar archives whose files with one name but for what follows its dot are one row."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.data.containers.compressed import DAMAGED, opened
from harness.data.containers.record import Record
from harness.errors import DataError

_IMAGES = {"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"}
_MOST_BYTES = 1 << 28
"""Of one file, which is held in memory."""


def tar_rows(file: Path) -> Iterator[Record]:
    """Yield the rows of an archive: fields of `KEY.json`, `KEY.NAME.txt`, and the image's bytes.

    An id that no file names is the key.
    """
    row, key, parts = 0, None, {}
    try:
        with opened(file) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                name, _, ending = Path(member.name).name.partition(".")
                place = f"{Path(member.name).parent}/{name}"
                if key is not None and place != key:
                    yield _record(row, key, parts)
                    row, parts = row + 1, {}
                key = place
                parts[ending.lower()] = _content(archive, member)
        if key is not None:
            yield _record(row, key, parts)
    except (*DAMAGED, tarfile.TarError) as error:
        raise DataError(
            f"{file}: the archive is cut off or damaged after {row} rows ({error}). Fetch or write "
            "it again."
        ) from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    """Return what a file of the archive holds; None of one that is too large."""
    stream = archive.extractfile(member) if member.size <= _MOST_BYTES else None
    return stream.read() if stream else None


def _record(row: int, key: str, parts: dict[str, bytes | None]) -> Record:
    values: dict[str, Any] = {"idx": Path(key).name}
    images = [content for ending, content in parts.items() if ending.split(".")[-1] in _IMAGES]
    if len(images) > 1:
        return Record(row, values, f"{len(images)} images, and a pair has one")
    for ending, content in parts.items():
        if content is None:
            return Record(row, values, f".{ending}: longer than {_MOST_BYTES:,} bytes")
        try:
            values |= _fields(ending, content)
        except (ValueError, RecursionError) as error:
            return Record(row, values, f".{ending}: cannot be read ({error})")
    if images:
        values["image"] = images[0]
    return Record(row, values)


def _fields(ending: str, content: bytes) -> dict[str, Any]:
    """Return what a file says of the row's fields."""
    if ending == "json":
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError(f"{type(found).__name__} instead of an object with fields")
        return found
    name, _, kind = ending.rpartition(".")
    return {name: content.decode()} if kind == "txt" and name else {}
