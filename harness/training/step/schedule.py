"""Learning rate and order of the pairs: both are functions of the step alone."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float, Int
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
    values: Float[Tensor, " pairs"] | None = None
    """Of each pair a number, if a batch is to hold pairs of like ones, see `in_sorted_batches`."""

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
        if not self.shuffle and self.images is None and self.values is None:
            return list(range(start, start + share))
        order = self._of_epoch(epoch)
        rows: list[int] = order[start : start + share].tolist()
        return rows

    def _of_epoch(self, epoch: int) -> Int[Tensor, " pairs"]:
        if self.values is not None:
            return _sorted_order(self.values, self.batch_pairs, self.shuffle, self.seed, epoch)
        return _order(self.pairs, self.shuffle, self.seed, epoch, self.images)


def in_sorted_batches(
    values: Float[Tensor, " pairs"], batch_pairs: int, generator: torch.Generator | None
) -> Int[Tensor, " pairs"]:
    """Return the pairs from the lowest value to the highest, cut into batches in a drawn order.

    Equal values keep the order of the pairs. Without a generator the batches keep theirs, too. What
    does not fill the last batch is drawn with the others and may come before them.

    Source: Artanic30/DA-DPO@dfac1b3 llava/train/da_dpo.py, get_clip_score_delta_grouped_indices.
    """
    batches = torch.split(values.argsort(stable=True), batch_pairs)
    if generator is None:
        return torch.cat(batches)
    drawn = torch.randperm(len(batches), generator=generator)
    return torch.cat([batches[number] for number in drawn.tolist()])


@lru_cache(maxsize=2)
def _order(
    pairs: int, shuffle: bool, seed: int, epoch: int, images: Int[Tensor, " pairs"] | None
) -> Int[Tensor, " pairs"]:
    """Return the pairs of an epoch; made once, not at every step."""
    count = pairs if images is None else int(images.max()) + 1
    generator = _of_order(seed, epoch)
    order = torch.randperm(count, generator=generator) if shuffle else torch.arange(count)
    if images is None:
        return order
    return order.argsort()[images].argsort(stable=True)


@lru_cache(maxsize=2)
def _sorted_order(
    values: Float[Tensor, " pairs"], batch_pairs: int, shuffle: bool, seed: int, epoch: int
) -> Int[Tensor, " pairs"]:
    return in_sorted_batches(values, batch_pairs, _of_order(seed, epoch) if shuffle else None)


def _of_order(seed: int, epoch: int) -> torch.Generator:
    """Return an epoch's own generator: it has the negative numbers, the steps have the others."""
    return seeded(seed, -1 - epoch)


def seeded(seed: int, number: int) -> torch.Generator:
    """Return a CPU generator that depends on both numbers and on nothing else."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
