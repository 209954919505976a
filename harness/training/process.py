"""What the launcher and its worker processes agree on."""

import ctypes
import signal
import sys

LOG_FILE = "train.log"
ERROR_FILE = "train-error.json"
"""Kind and message of the error that ended a worker, for the launcher to raise again."""

_PR_SET_PDEATHSIG = 1


def die_with_parent(how: signal.Signals) -> None:
    """Ask the kernel to end this process when its parent is gone, however that one ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
