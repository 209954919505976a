"""A run out of its archive: everything is checked before anything appears among the runs."""

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.data.containers.compressed import DAMAGED, opened
from harness.errors import DataError, HarnessError
from harness.files.atomic import commit
from harness.files.digests import sha256
from harness.files.locks import FileLock
from harness.runs.rundir import RUNS, RunDir
from harness.upkeep.archive import LIST, Member, parse_list, same_files
from harness.upkeep.folders import aside, is_run

_MOST_BYTES = 1 << 26
"""Of the list, which is held in memory."""
_BLOCK = 1 << 20


def unarchive(file: Path, out: Path) -> tuple[Path, bool]:
    """Put the run of an archive below `out/runs`, and tell whether it was not there before.

    Raises:
        DataError: The archive is damaged, cut off or not one of a run, or another run of that name
            is there.
    """
    if not file.is_file():
        raise DataError(f"{file}: there is no such file.")
    try:
        with opened(file) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return _placed(tar, stream, out)
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _refused(file, error) from error
    except HarnessError:
        raise
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename != str(file):
            raise  # the disk is full, say
        raise _refused(file, error) from error


def _refused(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file}: not the whole archive of a run ({error}). Nothing was unpacked; copy it again."
    )


def _placed(tar: tarfile.TarFile, stream: IO[bytes], out: Path) -> tuple[Path, bool]:
    run, files = _list(tar)
    target = (out / RUNS).resolve() / run
    if target.exists() or target.is_symlink():
        if target.is_dir() and same_files(target, files):
            return target, False
        raise DataError(
            f"{target} is there and differs from the archive. Move it away, or give --out another "
            "folder."
        )
    with _staged(target) as part:
        _unpack(tar, files, part)
        while stream.read(_BLOCK):
            pass  # to the very end, so that a file that is cut off there is found out
        if not is_run(RunDir(part)):
            raise ValueError("it holds no run")
        target.parent.mkdir(parents=True, exist_ok=True)
        commit(part, target)
    return target, True


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a folder where no command looks for runs; what a killed call left there is removed."""
    part = aside(target, "unpacked")
    part.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(part.with_name(".unarchive.lock")):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _list(tar: tarfile.TarFile) -> tuple[str, dict[str, Member]]:
    first = tar.next()
    if first is None or first.name != LIST or not first.isreg() or first.size > _MOST_BYTES:
        raise ValueError(f"it does not begin with {LIST}")
    stream = tar.extractfile(first)
    return parse_list(stream.read() if stream else b"")


def _unpack(tar: tarfile.TarFile, files: dict[str, Member], part: Path) -> None:
    """Write all files that are listed, and no other.

    Raises:
        ValueError: One is missing, is not listed, or is not what the list says.
    """
    waiting = dict(files)
    while (header := tar.next()) is not None:  # iteration would begin with the list again
        one = waiting.pop(header.name, None)
        if one is None:
            raise ValueError(f"{header.name[:80]!r} is not in its list, or is there twice")
        stream = tar.extractfile(header) if header.isreg() else None
        if stream is None or header.size != one.bytes:
            raise ValueError(f"{one.name!r} is no plain file of {one.bytes} bytes")
        _write(stream, one, part / one.name)
    if waiting:
        raise ValueError(f"{next(iter(waiting))!r} is missing, one of {len(waiting)}")


def _write(stream: IO[bytes], one: Member, file: Path) -> None:
    digest = sha256()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        target = file.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{one.name!r} lies below another file") from error
    with target:
        while block := stream.read(_BLOCK):
            digest.update(block)
            target.write(block)
    if digest.hexdigest() != one.sha256:
        raise ValueError(f"{one.name!r} has another SHA-256 than listed")
