"""A world of one rank or of several threads, in which a loss can be run without a launcher."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from methods.types import PairBatch, StepContext

Output = TypeVar("Output")

_PATIENCE = 30
"""Seconds after which a rank that gathers alone gives up."""


def generator(seed: int = 0) -> torch.Generator:
    """Return the random numbers that all ranks of a step share."""
    return torch.Generator().manual_seed(seed)


@dataclass
class OneRank:
    """A world of one rank."""

    training: bool = True
    rank: int = 0
    shared_rng: torch.Generator = field(default_factory=generator)

    def gather(self, values: Tensor) -> Tensor:
        """Return the values: they are all there are."""
        return values.detach()


@dataclass
class _Exchange:
    """Where the ranks of one step lay down what they gather."""

    board: list[Tensor]
    barrier: threading.Barrier


@dataclass
class _ThreadRank:
    training: bool
    rank: int
    shared_rng: torch.Generator
    exchange: _Exchange

    def gather(self, values: Tensor) -> Tensor:
        """Return the values of all threads in rank order."""
        self.exchange.board[self.rank] = values.detach()
        self.exchange.barrier.wait()
        everyone = torch.cat(self.exchange.board)
        self.exchange.barrier.wait()
        return everyone


def on_ranks(
    loss: Callable[[PairBatch, Any, Any, StepContext], Output],
    batches: Sequence[PairBatch],
    config: Any,
    state: Any,
    training: bool = True,
    seed: int = 0,
) -> list[Output]:
    """Run a loss with one thread per rank and return the outputs in rank order."""
    count = len(batches)
    exchange = _Exchange([torch.empty(0)] * count, threading.Barrier(count, timeout=_PATIENCE))

    def run(rank: int) -> Output:
        context = _ThreadRank(training, rank, generator(seed), exchange)
        try:
            return loss(batches[rank], config, state, context)
        except BaseException:
            exchange.barrier.abort()  # or the others would wait for what never comes
            raise

    with ThreadPoolExecutor(count) as pool:
        done = [pool.submit(run, rank) for rank in range(count)]
    failed = [error for one in done if (error := one.exception()) is not None]
    if failed:
        # A rank that waited in vain is told last: the other one says why.
        raise min(failed, key=lambda error: isinstance(error, threading.BrokenBarrierError))
    return [one.result() for one in done]
