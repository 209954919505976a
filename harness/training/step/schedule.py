"""Learning rate and order of the pairs: both are functions of the step alone."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from harness.errors import ConfigError


@dataclass(frozen=True)
class LearningRate:
    """Linear warm-up, then half a cosine to zero, or constant."""

    peak: float
    warmup_steps: int
    total_steps: int
    shape: Literal["cosine", "constant"]

    def at(self, step: int) -> float:
        """Return the rate of a step, counted from zero.

        Source: `get_cosine_schedule_with_warmup` of transformers: the first step has rate zero when
        there is a warm-up.
        """
        if step < self.warmup_steps:
            return self.peak * step / max(1, self.warmup_steps)
        if self.shape == "constant":
            return self.peak
        done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.peak * max(0.0, 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class DataOrder:
    """Which pairs form the global batch of a step; the same for any number of ranks."""

    pairs: int
    batch_pairs: int
    epochs: float
    shuffle: bool
    seed: int
    images: Int[Tensor, " pairs"] | None = None
    """Of each pair the number of its image, from zero and without gaps, if the pairs of an image
    are to stand together. Then images come in the order in which pairs would."""

    def __post_init__(self) -> None:
        if self.pairs < self.batch_pairs:
            raise ConfigError(
                f"{self.pairs} pairs do not fill one batch of {self.batch_pairs}. Lower "
                "training.batch_pairs or give more pairs."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass; the last incomplete one is dropped."""
        return self.pairs // self.batch_pairs

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, at least one."""
        return max(1, round(self.epochs * self.steps_per_epoch))

    def rows(self, step: int, rank: int, ranks: int) -> list[int]:
        """Return the contiguous share of a rank in the batch of a step."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        share = self.batch_pairs // ranks
        start = batch * self.batch_pairs + rank * share
        if not self.shuffle and self.images is None:
            return list(range(start, start + share))
        order = _order(self.pairs, self.shuffle, self.seed, epoch, self.images)
        rows: list[int] = order[start : start + share].tolist()
        return rows


@lru_cache(maxsize=2)
def _order(
    pairs: int, shuffle: bool, seed: int, epoch: int, images: Int[Tensor, " pairs"] | None
) -> Int[Tensor, " pairs"]:
    """Return the pairs of an epoch; made once, not at every step."""
    count = pairs if images is None else int(images.max()) + 1
    # Negative numbers are the epochs' own: the steps use the others.
    generator = seeded(seed, -1 - epoch)
    order = torch.randperm(count, generator=generator) if shuffle else torch.arange(count)
    if images is None:
        return order
    return order.argsort()[images].argsort(stable=True)


def seeded(seed: int, number: int) -> torch.Generator:
    """Return a CPU generator that depends on both numbers and on nothing else."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
