"""The parts of a running training: started together, watched, and ended together."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO

from harness.errors import TrainingError
from harness.launchers.launcher import Part
from harness.launchers.lifetime import end_with_parent
from harness.launchers.node import BEAT_S

_POLL_S = 0.2
_LAST_WORDS_S = 5.0
"""How long the others may still report when a part has ended badly, and parts may take to end."""


class Group:
    """Processes that make sense only together.

    Raises:
        TrainingError: One cannot be started; the others are ended.
    """

    def __init__(self, parts: Sequence[Part], output: IO[bytes]) -> None:
        self.names = [part.name for part in parts]
        self.failed: tuple[str, int] | None = None
        """Name and exit code of the part that ended badly before all others."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._beat = time.monotonic()
        try:
            for part in parts:
                self._processes.append(_start(part, output))
        except OSError as error:
            self.kill()
            raise TrainingError(f"Training cannot be started: {error}") from error

    def poll(self) -> int | None:
        """Return the exit code once all have ended; the first bad end brings all others about."""
        if time.monotonic() - self._beat >= BEAT_S:
            self._beat = time.monotonic()
            self._say_here()
        codes = [process.poll() for process in self._processes]
        for name, code in zip(self.names, codes, strict=True):
            if code and self.failed is None:
                self.failed = (name, code)
        if self.failed is not None:
            self.kill(after=_LAST_WORDS_S)
            return self.failed[1]
        return None if None in codes else 0

    def wait(self, seconds: float) -> int | None:
        """Poll until the end or so long; return the exit code, or None when the time is over."""
        until = time.monotonic() + seconds
        while (code := self.poll()) is None and time.monotonic() < until:
            time.sleep(_POLL_S)
        return code

    def kill(self, after: float = 0.0) -> None:
        """End all parts, and wait for it; nothing is asked to be saved."""
        self._all_ended(after)
        for process in self._processes:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
        if any(process.stdin is not None for process in self._processes):
            self._all_ended(_LAST_WORDS_S)
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _all_ended(self, within: float) -> bool:
        until = time.monotonic() + within
        while any(process.poll() is None for process in self._processes):
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_S)
        return True

    def _say_here(self) -> None:
        for process in self._processes:
            if process.stdin is not None and process.poll() is None:
                try:
                    os.write(process.stdin.fileno(), b".")
                except BrokenPipeError:
                    continue  # it has just ended, which the next look at its exit code tells


def _start(part: Part, output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        part.command,
        stdin=subprocess.PIPE if part.remote else None,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(part.environment),
        # Ctrl-C goes to this process alone, which passes it on once; if this one dies in any
        # other way, the kernel tells the part, and that one the workers.
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
