"""What the launcher and its worker processes agree on."""

import ctypes
import signal
import sys
from pathlib import Path

LOG_FILE = "train.log"
ERROR_FILE = "train-error.json"
"""Kind and message of the error that ended a worker, for the launcher to raise again."""

CUT_FILE = "cut-responses.json"
"""Rows of the pairs whose responses were longer than the limit."""
STOP_FILE = "stop"
"""Asks the workers to save and end, however they were started."""

_PR_SET_PDEATHSIG = 1


class StopRequest:
    """Whether this run was asked to stop: by its stop file, or by a signal of a scheduler."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._signalled = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def asked(self) -> bool:
        """Say whether to save and end."""
        return self._signalled or self._file.exists()

    def _note(self, *_signal: object) -> None:
        self._signalled = True


def die_with_parent(how: signal.Signals) -> None:
    """Ask the kernel to end this process when its parent is gone, however that one ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
