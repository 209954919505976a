"""Names of contents: hashes of values, texts, files and folders. All are SHA-256, in hex digits."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.files.atomic import write_text
from harness.files.cache import cache_dir

_log = logging.getLogger(__name__)
_WHOLE = 64
_BLOCK = 1 << 20


def digest_of(values: Mapping[str, Any] | Sequence[Any], digits: int = _WHOLE) -> str:
    """Hash JSON values; the order of keys does not count."""
    return text_digest(json.dumps(values, sort_keys=True), digits=digits)


def text_digest(*parts: str | bytes, digits: int = _WHOLE) -> str:
    """Hash texts or bytes that follow one another; nothing parts them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()[:digits]


def sha256() -> "hashlib._Hash":
    """Return a hash that is fed block by block, for what passes only once."""
    return hashlib.sha256()


def file_digest(path: Path) -> str:
    """Hash the content of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(path: Path) -> str:
    """Hash a file, or all files below a folder with their relative names."""
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        if file != path:
            digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def content_digest(files: Callable[[], Iterable[Path]]) -> str:
    """Hash the contents of files, in their order.

    It is remembered, as `remembered` says. A file that is not there or cannot be read counts as
    empty; files may repeat, and there may be millions, so they are asked for anew whenever they are
    gone through.
    """

    def digest() -> str:
        content = hashlib.sha256()
        for file in files():
            content.update(_bytes_digest(file) or b"\0")
        return content.hexdigest()

    return remembered(files, digest)


def remembered(
    files: Callable[[], Iterable[Path]], digest: Callable[[], str], name: str = ""
) -> str:
    """Return a digest of files, remembered while none changes on its disk, in size or in time.

    So gigabytes are hashed once; where the cache cannot be written to, every time. By which path a
    file is reached does not count.

    Args:
        files: What the digest is made of.
        digest: Makes it.
        name: Tells digests of the same files apart; holds the files' names if these count.
    """
    known = hashlib.sha256(f"{name}\n".encode(errors="surrogateescape"))
    for file in files():
        known.update(_state(file).encode())
    memory = cache_dir() / "preferences" / "digests" / known.hexdigest()[:32]
    if memory.exists():
        return memory.read_text("utf-8")
    found = digest()
    try:
        write_text(memory, found)
    except OSError as error:  # it is a matter of time only, and finished tables are still shown
        _log.info("%s is not remembered: %s", memory, error)
    return found


def _bytes_digest(file: Path) -> bytes | None:
    try:
        return bytes.fromhex(file_digest(file))
    except (OSError, ValueError):  # also a name that is too long, or with a zero byte
        return None


def _state(file: Path) -> str:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return "not there\n"
    times = f"{found.st_mtime_ns} {found.st_ctime_ns}"
    return f"{found.st_dev} {found.st_ino} {found.st_size} {times}\n"
