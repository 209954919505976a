"""Whether another machine sees the folders that the processes of a run share."""

import socket
import time
import uuid
from pathlib import Path

from harness.files.atomic import write_text
from harness.files.cache import cache_dir

WITHIN_S = 30.0
"""A network file system may show a new file this much later to other machines."""
_MARK = ".shared"


def cache_mark() -> str:
    """Return what this cache is told from others by; a file in it holds that."""
    file = cache_dir() / _MARK
    if not file.exists():
        write_text(file, uuid.uuid4().hex)
    return file.read_text("utf-8")


def unseen(run: Path, mark: str, within: float = WITHIN_S) -> str | None:
    """Say which folder this machine does not share; None when it shares all."""
    until = time.monotonic() + within
    while problem := _problem(run, mark):
        if time.monotonic() > until:
            return f"{socket.gethostname()} {problem}"
        time.sleep(0.2)
    return None


def _problem(run: Path, mark: str) -> str | None:
    if not (run / "run.yaml").exists():
        return (
            f"does not see the run folder {run}. All machines need the same folder at the same "
            "path: give --out a folder on a shared file system."
        )
    file = cache_dir() / _MARK
    if not file.exists() or file.read_text("utf-8") != mark:
        return (
            f"has a cache of its own, {cache_dir()}. All machines need the same one: set "
            "HARNESS_CACHE to a folder on a shared file system."
        )
    return None
