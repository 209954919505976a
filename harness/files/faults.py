"""What the system refused, in one sentence; and how to find that out beforehand."""

import errno
import os
import re
import tempfile
from pathlib import Path

from harness.errors import ConfigError, without_secrets
from harness.files.atomic import sync

CONTINUES = "What is done is kept: the same command continues."

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PLACE = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENXIO),
}
_IN_LOG = re.compile(
    r"^(?:\[rank\d+\]: ?)?[\w.]*(?:Error|Exception)\w*: .*"
    r"(?:\[Errno (?P<python>\d+)\] [^:]+(?:: '(?P<path>[^']+)')?|\(os error (?P<rust>\d+)\))",
    re.MULTILINE,
)
"""The last line of a traceback, of Python or of a library in Rust, that names an errno."""


def told(error: OSError) -> str:
    """Return what was refused, where, and what to do."""
    what = " ".join((error.strerror or str(error) or type(error).__name__).split()).rstrip(".")
    places = [os.fsdecode(one) for one in (error.filename, error.filename2) if _is_path(one)]
    where = f"{' -> '.join(places)}: " if places else ""
    return without_secrets(f"{where}{what}. {_advice(error.errno)}{CONTINUES}")


def in_log(text: str) -> OSError | None:
    """Return what the system refused a process, by the last error in its log that names it."""
    found = list(_IN_LOG.finditer(text))
    if not found:
        return None
    number = int(found[-1]["python"] or found[-1]["rust"])
    if number not in _FULL | _PLACE:
        return None
    return OSError(number, os.strerror(number), found[-1]["path"])


def unwritable(file: Path) -> OSError | None:
    """Return why nothing can be added to a file, if that is so."""
    try:
        with file.open("ab") as stream:
            stream.write(b"\n")
        sync(file)
    except OSError as error:
        error.filename = str(file)
        return error
    return None


def require_folder(folder: Path, option: str) -> None:
    """Refuse what is no folder and cannot become one.

    Raises:
        ConfigError: A file stands there, or on the way to it.
    """
    nearest = _nearest(folder, option)
    if not nearest.is_dir():
        raise ConfigError(
            f"{option} {folder}: {nearest} is no folder. Let {option} name another place."
        )


def require_writable(folder: Path, option: str) -> None:
    """Refuse a folder in which nothing can be made, without making it.

    Raises:
        ConfigError: So it is.
    """
    require_folder(folder, option)
    nearest = _nearest(folder, option)
    try:
        with tempfile.TemporaryFile(dir=nearest) as stream:
            stream.write(b"\n")
    except OSError as error:
        raise ConfigError(
            f"{option} {folder}: nothing can be written in {nearest} ({error.strerror or error}). "
            f"Free space there, or let {option} name another folder."
        ) from error


def require_file(file: Path, option: str) -> None:
    """Refuse a file that cannot be written, without making it.

    Raises:
        ConfigError: So it is.
    """
    require_writable(file.parent, option)
    if file.is_dir():
        raise ConfigError(f"{option} {file} is a folder. Name a file, or remove it.")


def _nearest(folder: Path, option: str) -> Path:
    """Return the folder, or the nearest above it that is there."""
    whole = Path(os.path.abspath(folder))
    try:
        return next(one for one in (whole, *whole.parents) if one.exists() or one.is_symlink())
    except OSError as error:
        raise ConfigError(f"{option} {str(folder)[:80]!r}: no folder has such a name.") from error


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes) and bool(name)


def _advice(number: int | None) -> str:
    if number in _FULL:
        return "Free some space there, or let --out or HARNESS_CACHE name another folder. "
    if number in _PLACE:
        return "Mend this place, or let --out or HARNESS_CACHE name another folder. "
    return ""
