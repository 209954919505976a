"""Processes that end with the one that started them, however that one ends.

Both functions act on the process that calls them: its own first step, or a `preexec_fn`.
"""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Get SIGTERM when the parent is gone."""
    _with_parent(signal.SIGTERM)


def die_with_parent() -> None:
    """Get SIGKILL when the parent is gone: what is kept is on the disk at any moment."""
    _with_parent(signal.SIGKILL)


def _with_parent(how: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
