"""The training loop: the story of one step, repeated."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor

from harness.data.batch import PairTokens, ResponseMasks
from harness.data.collate import Collator
from harness.errors import TrainingError
from harness.training.checkpoint import Checkpoints
from harness.training.engine import Engine, Processes, StepReport, is_finite
from harness.training.metrics import MetricsLog, reduced
from harness.training.policy import TokenLogps, VisionTower
from harness.training.reference import ReferenceLogps
from harness.training.schedule import DataOrder, LearningRate, seeded
from methods.types import Config, LossOutput, Method, PairBatch, ResponseLogps, State

_STOP = "stop"
"""Share of the ranks that were asked to stop; travels with the metrics."""


@dataclass(frozen=True)
class Step:
    """What a method may know of one training step."""

    processes: Processes
    shared_rng: torch.Generator
    training: bool = True

    @property
    def rank(self) -> int:
        """This process among those that share the batch."""
        return self.processes.rank

    def gather(self, values: Tensor) -> Tensor:
        """Return the values of all ranks in rank order, detached."""
        return self.processes.gather(values)


@dataclass(frozen=True)
class Loop(Generic[Config, State]):
    """All that stays the same from step to step."""

    method: Method[Config, State]
    config: Config
    engine: Engine
    tower: VisionTower
    reference: ReferenceLogps | None
    collate: Collator
    order: DataOrder
    rate: LearningRate
    seed: int
    save_every: int
    processes: Processes
    stop_asked: Callable[[], bool]

    def run(self, state: State, steps_done: int, saved: Checkpoints, log: MetricsLog) -> bool:
        """Train from the step after `steps_done`; return whether the last one was reached.

        When any rank was asked to stop, all save after the same step and leave.
        """
        for step, tokens in self._batches(steps_done):
            started = time.perf_counter()
            output, report = self.step(step, tokens, state)
            state = output.state
            row = self._row(step, tokens, output, report, started)
            stopping = row.pop(_STOP) > 0
            log.write(row)
            if stopping or (step + 1) % self.save_every == 0:
                log.sync()
                saved.save(step + 1, self.engine, state)
            if stopping:
                return False
        return True

    def step(
        self, step: int, tokens: PairTokens, state: State
    ) -> tuple[LossOutput[State], StepReport]:
        """Run one step, counted from zero."""
        logps: TokenLogps = self.engine(tokens, self.tower.features(tokens.images))
        batch = pair_batch(tokens, logps, self._reference(tokens))
        context = Step(self.processes, seeded(self.seed, step))
        output = self.method.loss(batch, self.config, state, context)
        loss = (output.weights * output.losses).sum()
        return output, self.engine.update(loss, self.rate.at(step))

    def _reference(self, tokens: PairTokens) -> TokenLogps:
        """Return the cached values; zeros for a method that reads none."""
        mask = tokens.chosen.mask
        if self.reference is None:
            zeros = torch.zeros(mask.shape, device=mask.device)
            return TokenLogps(zeros, zeros)
        cached = self.reference.of(tokens.rows, mask.shape[1])
        return TokenLogps(cached.chosen.to(mask.device), cached.rejected.to(mask.device))

    def _batches(self, steps_done: int) -> Iterator[tuple[int, PairTokens]]:
        """Yield the batches of this rank; the next one is made while one is trained on."""
        steps = range(steps_done, self.order.total_steps)
        device = self.processes.device
        with ThreadPoolExecutor(max_workers=1) as pool:
            waiting = pool.submit(self._collated, steps_done)
            for step in steps:
                tokens = waiting.result().to(device)
                if step + 1 < self.order.total_steps:
                    waiting = pool.submit(self._collated, step + 1)
                yield step, tokens

    def _collated(self, step: int) -> PairTokens:
        return self.collate(self.order.rows(step, self.processes.rank, self.processes.count))

    def _row(
        self,
        step: int,
        tokens: PairTokens,
        output: LossOutput[State],
        report: StepReport,
        started: float,
    ) -> dict[str, Any]:
        """Return what is recorded of a step; it is numbered by the steps done after it."""
        asked = {_STOP: torch.tensor(float(self.stop_asked()))}
        loss, metrics = reduced(
            (output.weights * output.losses).sum(), {**output.metrics, **asked}, self.processes
        )
        if not is_finite(loss, report.gradient_norm):
            raise TrainingError(
                f"Step {step + 1}: loss {loss}, gradient norm {report.gradient_norm}. The run "
                "diverged: lower training.learning_rate or set training.max_grad_norm."
            )
        seconds = time.perf_counter() - started
        return {
            "step": step + 1,
            "epoch": (step + 1) / self.order.steps_per_epoch,
            "loss": loss,
            "learning_rate": report.learning_rate,
            "gradient_norm": report.gradient_norm,
            **metrics,
            "pairs_per_second": self.order.batch_pairs / seconds,
            "tokens_per_second": tokens.packed.positions * self.processes.count / seconds,
            "seconds": seconds,
        }


def pair_batch(tokens: PairTokens, policy: TokenLogps, reference: TokenLogps) -> PairBatch:
    """Bring together what a method reads."""

    def response(masks: ResponseMasks, ours: Tensor, theirs: Tensor) -> ResponseLogps:
        return ResponseLogps(policy=ours, reference=theirs, mask=masks.mask, changed=masks.changed)

    return PairBatch(
        chosen=response(tokens.chosen, policy.chosen, reference.chosen),
        rejected=response(tokens.rejected, policy.rejected, reference.rejected),
        columns=tokens.columns,
    )
