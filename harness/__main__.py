"""Entry point of `python -m harness`."""

import sys

from harness.errors import HarnessError

USER_ERROR = 1
INTERRUPTED = 130


def main() -> None:
    """Run the command line; what a user can act on is printed without a traceback."""
    from harness.cli import app

    try:
        app(prog_name="python -m harness")
    except HarnessError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
