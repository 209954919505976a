"""What a column is: a number per pair that can be computed where the data do not hold it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.data.columns.summary import Summary
from harness.data.pairs.preferences import Preferences
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec

Advance = Callable[[int], object]
"""Told how many more pairs are done."""


class Compute(Protocol):
    """Computes a column."""

    def __call__(
        self,
        pairs: Preferences,
        hardness: HardnessSpec,
        cache: Path,
        chat: ChatSettings,
        advance: Advance,
    ) -> tuple[list[float], Summary]:
        """Return a finite number for every pair, in row order, and their summary.

        Processes that do the same share the work; what is done is kept in the cache.

        Raises:
            DataError: Pairs have no number.
        """


@dataclass(frozen=True)
class Column:
    """A registered column."""

    name: str
    compute: Compute
    decided_by: Callable[[str, HardnessSpec], Mapping[str, str]]
    """Everything that decides the numbers, from the digest of the pairs and the settings."""
    mean: str | None = None
    """Name of a second, constant column that comes with it: its mean over the data set."""
