"""Entry point of `python -m harness`."""

import io
import os
import signal
import sys
from typing import NoReturn

from harness.errors import HarnessError, Interrupted, missing

USER_ERROR = 1
INTERRUPTED = 130
CONTINUE = "Stopped; nothing is lost. The same command continues.\n"


class _Terminated(BaseException):
    """SIGTERM came: a scheduler wants the machine back."""


def main() -> None:
    """Run the command line; what a user can act on is printed without a traceback."""
    from harness.commands.app import Stopped

    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        _run()
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
    except _Terminated:
        sys.stderr.write(CONTINUE)
    except HarnessError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(USER_ERROR)
    except ModuleNotFoundError as error:
        told_missing = missing(error)
        if told_missing is None:
            raise
        sys.stderr.write(f"error: {told_missing}\n")
        sys.exit(USER_ERROR)
    except BrokenPipeError:  # as with `| head`: who reads has read enough
        _leave_stdout()
        sys.exit(USER_ERROR)
    except OSError as error:
        from harness.files.faults import told

        _leave_stdout()
        sys.stderr.write(f"error: {told(error)}\n")
        sys.exit(USER_ERROR)
    except (KeyboardInterrupt, Stopped):
        sys.stderr.write(CONTINUE)
        sys.exit(INTERRUPTED)
    finally:  # whoever called this from a process of its own is ended as it was before
        signal.signal(signal.SIGTERM, before)


def _run() -> None:
    """Run a command; all that it printed has left when this returns or raises."""
    from harness.commands.app import app

    if isinstance(sys.stdout, io.TextIOWrapper):
        # In an ASCII locale a table stands with question marks rather than not at all.
        sys.stdout.reconfigure(errors="replace")
    try:
        app(prog_name="python -m harness")
    finally:
        if sys.stdout is not None:  # as with `>&-`
            sys.stdout.flush()


def _leave_stdout() -> None:
    """Let what could not be printed go nowhere, or Python would try again when it ends."""
    stdout = sys.__stdout__
    if stdout is not None and sys.stdout is stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())


def _terminate(*_signal: object) -> NoReturn:
    raise _Terminated


if __name__ == "__main__":
    main()
