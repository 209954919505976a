"""What to tell the user when training ended badly."""

import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from harness import errors
from harness.errors import HarnessError, TrainingError
from harness.files.faults import in_log, told, unwritable
from harness.launchers.launcher import Launcher
from harness.launchers.node import REFUSED
from harness.runs.rundir import RunDir
from harness.training.process import ERROR_FILE

CONTINUES = "The same command continues from the last checkpoint."

_TAIL_LINES = 30
_READ_BYTES = 2**20
_REPORTED = re.compile(
    r"host +: (?P<host>\S+)\n"
    r" +rank +: (?P<rank>\d+) .*\n"
    r" +exitcode +: (?P<code>-?\d+) "
)
"""A dead process in what torch.distributed.run writes when it gives up."""
_GIVES_UP = re.compile(
    r"^[EW]\d{4} \S+ \d+ torch/distributed/elastic/multiprocessing/", re.MULTILINE
)
"""Begins what it writes then: forty lines and more after those of the process that is to blame."""


@dataclass(frozen=True)
class Log:
    """The output of the training processes, in a file that earlier calls wrote to as well."""

    path: Path
    start: int
    """Byte at which this call began."""

    def text(self) -> str:
        """Return what this call's processes wrote, its end when that is much."""
        with self.path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(self.start, size - _READ_BYTES))
            return stream.read(_READ_BYTES).decode("utf-8", "replace")


def failure(run: RunDir, log: Log, launcher: Launcher, failed: tuple[str, int]) -> HarnessError:
    """Return what a worker reported; else how it ended, by all that is known.

    Args:
        run: The run.
        log: The output of its processes.
        launcher: What started them.
        failed: Name and exit code of the part that ended first.
    """
    report = run.logs / ERROR_FILE
    if report.exists():
        words = json.loads(report.read_text("utf-8"))
        kind: type[HarnessError] = getattr(errors, words["kind"], TrainingError)
        return kind(words["message"])
    text = log.text()
    if refused := [line for line in text.splitlines() if line.startswith(REFUSED)]:
        return errors.PreflightError(refused[0].removeprefix(REFUSED))
    dead = _dead(text)
    if not dead and (refused_by_system := in_log(text)):
        return TrainingError(f"{told(refused_by_system)} All that it said: {log.path}")
    said = [
        launcher.explain(*failed),
        *dead,
        *_disk(log.path),
        f"The end of {log.path}:",
        *_GIVES_UP.split(text)[0].splitlines()[-_TAIL_LINES:],
        CONTINUES,
    ]
    return TrainingError("\n".join(said))


def _dead(text: str) -> list[str]:
    """Say which processes a signal ended: those that merely missed them then raised errors."""
    found = {(m["rank"], m["host"], int(m["code"])) for m in _REPORTED.finditer(text)}
    return [
        f"Process {rank} on {host} was ended by {_name(-code)}."
        for rank, host, code in sorted(found)
        if code < 0
    ]


def _name(number: int) -> str:
    known = {each.value: each.name for each in signal.Signals}
    name = known.get(number, f"signal {number}")
    if number == signal.SIGKILL:
        name += "; if nobody sent it, the machine ran out of memory (dmesg tells)"
    return name


def _disk(log: Path) -> list[str]:
    """Say why nothing can be written beside the log, if that is so: the log may lack it."""
    refused = unwritable(log)
    return [f"{log.parent} cannot be written to: {refused.strerror}."] if refused else []
