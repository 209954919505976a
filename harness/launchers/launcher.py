"""What a launcher is: it says which processes this machine starts to train a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

WORKER = "harness.training.worker"


@dataclass(frozen=True)
class Part:
    """One process that this machine starts and watches: the training itself, or the way to it."""

    name: str
    """Where it trains, as users call the place."""
    command: tuple[str, ...]
    environment: Mapping[str, str]
    remote: bool = False
    """Its far end is `harness.launchers.node`, which ends when its standard input does."""


class Launcher(Protocol):
    """A way to start the training processes."""

    @property
    def processes(self) -> int | None:
        """Training processes over all machines; None leaves it to training.devices."""

    def check(self, processes: int) -> None:
        """Find out whether so many processes could be started, and start none.

        Raises:
            HarnessError: A machine cannot take part, or they cannot be shared out.
        """

    def parts(self, run: Path, processes: int) -> list[Part]:
        """Return what to start for a run folder: one part per machine, or one for all."""

    def explain(self, part: str, code: int) -> str:
        """Say what it means that a part ended with an exit code other than 0."""


def exit_meaning(part: str, code: int) -> str:
    """Say where training ended and how."""
    return f"Training on {part} ended with exit code {code}."
