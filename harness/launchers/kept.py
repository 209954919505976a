"""A server that lives no longer than who needs it: `python -m harness.launchers.kept COMMAND ...`.

It ends, with everything below it, as soon as the standard input of this process does: that is when
whoever holds its other end closes it or dies, in whichever way.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO

from harness.launchers.interpreter import safe_paths
from harness.launchers.lifetime import die_with_parent
from harness.launchers.node import kill_tree

TO_END_S = 10.0
"""How long a server that was asked to end may take; then it is killed."""
_POLL_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36


class Kept:
    """A server with the process that keeps it.

    Args:
        command: Program and arguments.
        output: File that gets what it says.
        variables: Environment variables of its own; secrets stand here and not in the command.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self, command: Sequence[str], output: IO[bytes], variables: dict[str, str]
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.launchers.kept", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | safe_paths() | variables,
            # Ctrl-C goes to the other process alone, whose end this one notices.
            start_new_session=True,
        )

    @property
    def code(self) -> int | None:
        """Exit code of the server; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code once the server has ended, or None when the time is over."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.code

    def end(self) -> None:
        """End the server and wait for it."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()


def main(command: Sequence[str]) -> int:
    """Run a server until it ends or is no longer needed; return its exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # its end comes by the standard input alone
    if sys.platform == "linux":
        # What the server leaves behind becomes a child of this process, and is found there.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_as_a_server
    )
    while server.poll() is None:
        ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
        if ready and not os.read(sys.stdin.fileno(), 4096):
            break
    _end(server)
    return abs(server.wait())


def _as_a_server() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, then kill all that is left below this process."""
    if server.poll() is None:
        server.terminate()
        until = time.monotonic() + TO_END_S
        while server.poll() is None and time.monotonic() < until:
            time.sleep(_POLL_S)
    kill_tree(os.getpid(), itself=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
