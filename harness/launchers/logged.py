"""A worker process whose output goes to a log, looked after while it works."""

import contextlib
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.launchers.lifetime import die_with_parent

POLL_SECONDS = 0.5


def run_logged(
    command: Sequence[str], log: Path, environment: Mapping[str, str], look: Callable[[], None]
) -> int:
    """Run a process to its end and return its exit code; it dies with this one.

    Args:
        command: Program and arguments.
        log: File that gets the output.
        environment: All variables of the process.
        look: Called twice a second, and once more after the end: shows how far the work is.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            # Else a second call would meet it at the same files, and on the same GPU.
            preexec_fn=die_with_parent,
        )
        try:
            while process.poll() is None:
                look()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
            look()
        finally:
            # Reached with a living process only when this one is interrupted.
            if process.poll() is None:
                process.terminate()
                process.wait()
    return process.returncode
