"""What a column is: a number per pair that can be computed where the data do not hold it.

A token column is a number per token of both responses, told as spans of their texts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.data.columns.summary import Summary
from harness.data.columns.tokens.spans import PairSpans
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


class ComputeSpans(Protocol):
    """Computes a token column."""

    def __call__(
        self,
        pairs: Preferences,
        hardness: HardnessSpec,
        cache: Path,
        chat: ChatSettings,
        advance: Advance,
    ) -> Sequence[PairSpans]:
        """Return for every pair, in row order, the spans of the chosen and the rejected response.

        Spans of a response do not overlap; a token outside all of them has 0.

        Raises:
            DataError: Pairs cannot be marked.
        """


def nothing_lacking(pairs: Preferences) -> str | None:
    """Accept all data: what a column does that is computed of texts and images."""


@dataclass(frozen=True)
class TokenColumn:
    """A registered column of a number per token."""

    name: str
    compute: ComputeSpans
    decided_by: Callable[[str, HardnessSpec], Mapping[str, str]]
    """Everything that decides the spans, from the digest of the pairs and the settings."""
    lacking: Callable[[Preferences], str | None] = nothing_lacking
    """Say in whole sentences what data must have for it and lack, and what to do; else None."""
