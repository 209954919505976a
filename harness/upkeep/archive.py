"""A run as one file: a tar archive in zstd, whose first member lists all others with SHA-256."""

import io
import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from harness.errors import DataError
from harness.files.atomic import named, written
from harness.files.digests import file_digest, sha256
from harness.runs.rundir import RunDir
from harness.upkeep.folders import members, require_idle

LIST = "archive.json"
"""The first member."""
FORMAT = 1


@dataclass(frozen=True)
class Member:
    """A file of the run."""

    name: str
    """Below the run's folder, with `/` between the parts."""
    bytes: int
    sha256: str


def archive(run: RunDir, to: Path, without_checkpoint: bool = False) -> None:
    """Write a run into one file, which appears when it is whole. Equal runs give equal bytes.

    Args:
        run: What to put in.
        to: The file.
        without_checkpoint: Leaves out the trained model and what continues a training.

    Raises:
        HarnessError: A process works on the run, a link lies in it, or the file is there already.
    """
    require_idle(run)
    if to.exists():
        raise DataError(f"{to} is there already. Remove it, or let --to name another file.")
    heavy = (run.model, run.checkpoints) if without_checkpoint else ()
    files = [file for file in members(run.path) if not set(heavy) & set(file.parents)]
    listed = [_member(run.path, file) for file in files]
    with written(to) as part, named(part), pa.CompressedOutputStream(str(part), "zstd") as packed:
        _write(packed, run.path, listed)


def _member(folder: Path, file: Path) -> Member:
    return Member(file.relative_to(folder).as_posix(), file.stat().st_size, file_digest(file))


def _write(packed: IO[bytes], folder: Path, listed: list[Member]) -> None:
    content = {"format": FORMAT, "run": folder.name, "files": [asdict(one) for one in listed]}
    text = (json.dumps(content, indent=1) + "\n").encode()
    with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_header(LIST, len(text)), io.BytesIO(text))
        for one in listed:
            with (folder / one.name).open("rb") as stream:
                hashed = _Hashed(stream)
                try:
                    tar.addfile(_header(one.name, one.bytes), hashed)
                except OSError as error:
                    if error.errno is not None:
                        raise
                    raise _changed(folder / one.name) from error
            if hashed.digest.hexdigest() != one.sha256:
                raise _changed(folder / one.name)


def _changed(file: Path) -> DataError:
    return DataError(f"{file} changed while it was archived. Archive the run again.")


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    return header


class _Hashed(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = sha256()

    def read(self, size: int = -1) -> bytes:
        """Read, and hash what is read."""
        block = self._stream.read(size)
        self.digest.update(block)
        return block


def parse_list(text: bytes) -> tuple[str, dict[str, Member]]:
    """Return the name of the run and its files.

    Raises:
        ValueError: It is no such list, or a name leads out of the run's folder.
    """
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, and this version reads 1")
        run, files = str(content["run"]), [Member(**one) for one in content["files"]]
        found = {one.name: one for one in files if _types_fit(one)}
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{LIST} is not the list of an archive") from error
    if len(found) < len(files):
        raise ValueError(f"{LIST} names a file twice, or without size and SHA-256")
    for name in (run, *found):
        _require_inside(name)
    if "/" in run:
        raise ValueError(f"{run!r} is no name of a run")
    return run, found


def _types_fit(one: Member) -> bool:
    return (
        isinstance(one.name, str)
        and type(one.bytes) is int
        and one.bytes >= 0
        and isinstance(one.sha256, str)
    )


def _require_inside(name: str) -> None:
    """Refuse names that are absolute, lead upwards, or hide.

    Raises:
        ValueError: This is one.
    """
    parts = name.split("/")
    hidden = any(not part or part.startswith(".") for part in parts)
    if hidden or not name.isprintable() or "\\" in name:
        raise ValueError(f"the name {name[:80]!r} could lead out of the run's folder")


def same_files(folder: Path, files: dict[str, Member]) -> bool:
    """Tell whether a folder holds all these files as they are listed."""
    return all(_is(folder / one.name, one) for one in files.values())


def _is(file: Path, one: Member) -> bool:
    if not file.is_file() or file.stat().st_size != one.bytes:
        return False
    return file_digest(file) == one.sha256
