"""What the launcher and its worker processes agree on."""

import signal
from pathlib import Path
from typing import Any

from harness.files.jsonlines import JsonLines

LOG_FILE = "train.log"
ERROR_FILE = "train-error.json"
"""Kind and message of the error that ended a worker, for the launcher to raise again."""

CUT_FILE = "cut-responses.json"
"""Rows of the pairs whose responses were longer than the limit."""
STOP_FILE = "stop"
"""Asks the workers to save and end, however they were started."""
PROGRESS_FILE = "progress.jsonl"
"""What the workers do before the first step, and what they warn of."""


class Progress:
    """Tells the launcher how far a stage is: rows `{"stage", "done", "total"}` or `{"warning"}`.

    Only the first rank writes.
    """

    def __init__(self, path: Path, rank: int) -> None:
        self._lines = JsonLines(path) if rank == 0 else None

    def advance(self, stage: str, done: int, total: int) -> None:
        """Say that `done` of `total` parts of a stage are behind."""
        self._write({"stage": stage, "done": done, "total": total})

    def warn(self, text: str) -> None:
        """Say something that the user should read while the run goes on."""
        self._write({"warning": text})

    def _write(self, row: dict[str, Any]) -> None:
        if self._lines is not None:
            self._lines.append(row)


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
