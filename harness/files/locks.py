"""The lock between processes that everything here uses."""

from pathlib import Path

import filelock
from filelock import Timeout


class FileLock(filelock.FileLock):
    """filelock's lock, kept a class of its own.

    lmms-eval's evaluator (`_enable_reentrant_filelocks`) makes `filelock.FileLock(path)` return one
    shared object per path in its process, with the timeout it was first made with: a second holder
    would be let in, and a wait would end at once. It does so for that very class only.
    """


def in_use(lock: Path) -> bool:
    """Say whether a process holds a lock file now; the file is not made where there is none."""
    if not lock.exists():
        return False
    probe = FileLock(lock, timeout=0)
    try:
        probe.acquire()
    except Timeout:
        return True
    probe.release()
    return False
