"""Entry point of `python -m harness`."""

import signal
import sys
from typing import NoReturn

from harness.errors import HarnessError, Interrupted

USER_ERROR = 1
INTERRUPTED = 130
CONTINUE = "Stopped; nothing is lost. The same command continues.\n"


class _Terminated(BaseException):
    """SIGTERM came: a scheduler wants the machine back."""


def main() -> None:
    """Run the command line; what a user can act on is printed without a traceback."""
    from harness.commands.app import Stopped, app

    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="python -m harness")
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
    except _Terminated:
        sys.stderr.write(CONTINUE)
    except HarnessError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(USER_ERROR)
    except (KeyboardInterrupt, Stopped):
        sys.stderr.write(CONTINUE)
        sys.exit(INTERRUPTED)


def _terminate(*_signal: object) -> NoReturn:
    raise _Terminated


if __name__ == "__main__":
    main()
