"""The passes of every step, made ahead of the step that trains on them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from harness.data.rows.batch import PairTokens
from harness.training.step.passes import split
from harness.training.step.protocols import Processes
from harness.training.step.schedule import DataOrder


class Batch(NamedTuple):
    """What one device runs in one step."""

    step: int
    """Counted from zero."""
    passes: list[PairTokens]
    waited: float
    """Seconds that the step waited for it."""


@dataclass(frozen=True)
class Batches:
    """This device's share of every batch.

    Args:
        order: Which pairs form a batch.
        collate: Makes a pass of rows.
        size: Most positions that a row can take.
        pairs_per_pass: Most rows of a pass.
        tokens_per_pass: Most positions of a pass.
        processes: All devices.
        by_epoch: Whether rows of different epochs differ.
    """

    order: DataOrder
    collate: Callable[..., PairTokens]
    size: Callable[[int], int]
    pairs_per_pass: int | None
    tokens_per_pass: int | None
    processes: Processes
    by_epoch: bool = False

    def after(self, steps_done: int) -> Iterator[Batch]:
        """Yield the batches from a step on; the next is made while one is trained on."""
        device, last = self.processes.device, self.order.total_steps
        with ThreadPoolExecutor(max_workers=1) as pool:
            waiting = pool.submit(self._collated, steps_done)
            for step in range(steps_done, last):
                started = time.perf_counter()
                passes = [tokens.to(device) for tokens in waiting.result()]
                waited = time.perf_counter() - started
                if step + 1 < last:
                    waiting = pool.submit(self._collated, step + 1)
                yield Batch(step, passes, waited)

    def _collated(self, step: int) -> list[PairTokens]:
        ranks = self.processes.count
        shares = [self.order.rows(step, rank, ranks) for rank in range(ranks)]
        passes = split(
            shares, self.processes.rank, self.size, self.pairs_per_pass, self.tokens_per_pass
        )
        epoch = (step // self.order.steps_per_epoch,) if self.by_epoch else ()
        return [self.collate(rows, *epoch) for rows in passes]
