"""Members of published archives."""

import shutil
import zipfile
import zlib
from pathlib import Path

from harness.errors import DataError

MAX_MEMBER = 4 * 2**30
"""Bytes. The largest member that is needed has half a gigabyte."""


def extract_member(archive: Path, member: str, target: Path) -> None:
    """Write one member to `target`; the names inside the archive decide no path.

    Raises:
        DataError: The archive is damaged, lacks the member, or it is a link or far too large.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            info = opened.getinfo(member)
            kind = info.external_attr >> 28  # upper bits of the Unix mode; 0 where there is none
            if info.is_dir() or kind not in (0, 8) or info.file_size > MAX_MEMBER:
                raise DataError(f"{archive.name}: {member} is not a plain file of credible size")
            with opened.open(info) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
    except KeyError as error:
        raise DataError(f"{archive.name}: there is no {member} in it") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive.name}: damaged or no zip archive ({error})") from error
