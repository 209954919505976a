"""Files and folders that appear whole or not at all, and are on the disk when they appear."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UMASK = os.umask(0o077)
os.umask(_UMASK)  # it cannot be asked for without being set


@contextmanager
def written(target: Path, one_writer: bool = False) -> Iterator[Path]:
    """Yield a free path beside the target, for a file or a folder that then becomes the target.

    It does so at the end of the block, in one step and forced to the disk; a file takes the place
    of an older one. After an exception nothing is left of it, and the target is as it was. The
    folder of the target is made.

    Args:
        target: What is to be written.
        one_writer: Nobody else writes the target meanwhile, for a lock is held or the file is
            somebody's own. The path is then the same every time, and what a killed writer left
            there is removed: large things need this, since otherwise they would pile up.
    """
    mark = "" if one_writer else f".{uuid.uuid4().hex[:8]}"
    part = target.with_name(f".{target.name}{mark}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove(part)
    try:
        with named(target):
            yield part
            commit(part, target)
    except BaseException:
        _remove(part)
        raise


def left_behind(folder: Path, ending: str) -> Iterator[tuple[Path, Path]]:
    """Yield what killed writers left of files with an ending: the part, and what it was to be.

    Those of writers that had no rival, see `written`.
    """
    for part in folder.glob(f".*{ending}.partial"):
        yield part, part.with_name(part.name.removeprefix(".").removesuffix(".partial"))


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Give an error of the system in the block the name of a file: that of a write has none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never a part."""
    with written(path) as part:
        part.write_text(text, "utf-8")


def commit(part: Path, target: Path) -> None:
    """Give a file or folder that is complete its name, once all of it is on the disk.

    Files are then open to whom the umask lets in: some writers, as that of safetensors, shut out
    all but the user.
    """
    everything = (*part.rglob("*"), part)
    for path in everything:
        if path.is_file():
            path.chmod(path.stat().st_mode | (0o666 & ~_UMASK))
    sync(*everything)
    part.replace(target)
    sync(target.parent)


def sync(*paths: Path) -> None:
    """Force files, or the list of names in folders, to the disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
