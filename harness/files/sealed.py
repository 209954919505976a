"""Files of the cache that are made once, appear whole, and are found out when they are damaged.

Beside `name` stands `name.json` with its length and checksum. A file without both counts as not
there, so whoever is killed while writing leaves nothing that counts.
"""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import Timeout

from harness.errors import DataError
from harness.files.atomic import write_text, written
from harness.files.digests import file_digest
from harness.files.locks import FileLock

Make = Callable[[int, Path], object]
"""Writes what belongs at a place of the list to a path."""

_POLL_S = 0.1
_log = logging.getLogger(__name__)


def is_intact(file: Path) -> bool:
    """Say whether a file is there and holds what was written; this reads it once."""
    try:
        told = json.loads(_seal(file).read_text("utf-8"))
        return bool(file.stat().st_size == told["bytes"] and file_digest(file) == told["sha256"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def ensure_files(
    files: Sequence[Path],
    make: Make,
    rank: int = 0,
    ranks: int = 1,
    advance: Callable[[int], object] = lambda done: None,
) -> None:
    """Return when all files are there and intact; make those that are not.

    Any number of processes, of one run or of several, may do so at once: each makes the files that
    no other is making, and waits for the rest.

    Args:
        files: What must be there.
        make: Writes one of them.
        rank: This process among those that start together; each starts with a share of its own.
        ranks: Their number.
        advance: Told how many files are done, by all processes, before and after each that is
            missing and while this process waits for another; it may raise to stop.

    Raises:
        DataError: The disk is full or cannot be written to. What is done is kept.
    """
    shares = [range(start % ranks, len(files), ranks) for start in range(rank, rank + ranks)]
    missing = deque(i for share in shares for i in share if not is_intact(files[i]))
    advance_at_end = bool(missing)
    refused = 0
    while missing:
        advance(len(files) - len(missing))
        number = missing.popleft()
        if is_intact(files[number]) or _made(files[number], number, make):
            refused = 0
        else:
            missing.append(number)
            refused += 1
        if missing and refused >= len(missing):
            time.sleep(_POLL_S)
    if advance_at_end:
        advance(len(files))


def _made(file: Path, number: int, make: Make) -> bool:
    """Make a file unless another process is at it; return whether it is there now."""
    try:
        lock = FileLock(_beside(file, "locks") / f"{file.name}.lock", timeout=0)
        with lock:
            if not is_intact(file):
                if file.exists():
                    _log.warning("%s is damaged and is made again", file)
                _write(file, number, make)
            return True
    except Timeout:
        return False
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error}). Free space there, or let HARNESS_CACHE name a "
            "folder that can be written to; the same command continues."
        ) from error


def _write(file: Path, number: int, make: Make) -> None:
    with written(file, one_writer=True) as partial:
        make(number, partial)
        told = {"bytes": partial.stat().st_size, "sha256": file_digest(partial)}
        write_text(_seal(file), json.dumps(told))


def _seal(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def _beside(file: Path, name: str) -> Path:
    folder = file.parent / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
