"""The training loop: the story of one step, repeated."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

import torch
from torch import Tensor

from harness.data.rows.batch import PairTokens
from harness.errors import TrainingError
from harness.training.checkpoints.checkpoint import check_saveable
from harness.training.metrics import SHARES, STOP, MetricsLog, reduced, summed_logps
from harness.training.outputs import check_output, check_shares, loss_of
from harness.training.precomputed.reference import ReferenceLogps
from harness.training.step.batches import Batches
from harness.training.step.declared import pair_batch
from harness.training.step.live_reference import LiveReference
from harness.training.step.passes import Passes, Share
from harness.training.step.policy import TokenLogps
from harness.training.step.protocols import Engine, Processes, StepReport
from harness.training.step.schedule import LearningRate, seeded
from harness.training.watch import Watch
from methods.types import Config, LossOutput, Method, State
from methods.views import views_of


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
    features: Callable[[PairTokens], Tensor]
    reference: ReferenceLogps | None
    batches: Batches
    rate: LearningRate
    seed: int
    save_every: int
    processes: Processes
    watch: Watch
    stop_asked: Callable[[], bool]
    fixed_views: ReferenceLogps | None = None
    """Reference of the views that are drawn once."""
    live: LiveReference | None = None

    def run(
        self,
        state: State,
        steps_done: int,
        save: Callable[[int, State], object],
        log: MetricsLog,
    ) -> bool:
        """Train from the step after `steps_done`; return whether the last one was reached.

        When any rank was asked to stop, all save after the same step and leave.

        Args:
            state: The method's after those steps.
            steps_done: How many there are.
            save: Commits a checkpoint of the steps that are done by then and the state after them.
            log: Gets a row per step.

        Raises:
            TrainingError: The run diverged. The state after the last update that was made is saved.
        """
        for step, passes, waited in self.batches.after(steps_done):
            started = time.perf_counter()
            first = step == steps_done
            output, report = self.step(step, passes, state, first)
            row = self._row(step, passes, output, report)
            stopping, shares = row.pop(STOP) > 0, row.pop(SHARES) * self.processes.count
            if first:
                check_shares(self.method, shares)
            fault = self.watch.fault(row, report)
            done = step + report.applied
            if report.applied:
                state = output.state
                log.write(row | self.watch.speed(passes, time.perf_counter() - started, waited))
            if fault or stopping or done % self.save_every == 0:
                log.sync()
                save(done, state)
            if fault:
                raise TrainingError(fault)
            if stopping:
                return False
        return True

    def step(
        self, step: int, passes: Sequence[PairTokens], state: State, check: bool = False
    ) -> tuple[LossOutput[State], StepReport]:
        """Run one step, counted from zero; what every method logs stands beside its own metrics.

        With `check`, what the loss gives back is looked at before anything is done with it.
        """
        share, run = Share.of(passes), Passes(self.engine, self.features, passes, self.live)
        # Before the forward pass: a copy to the device waits for what that has still to do.
        reference, of_views = self._reference(share), self._views_reference(share, run.live)
        segmented = self.method.segments(self.config) is not None
        policy = run.forward()
        batch = pair_batch(
            share, policy, run.live if share.divergence else reference, segmented, of_views
        )
        context = Step(self.processes, seeded(self.seed, step))
        output = loss_of(self.method, batch, self.config, state, context)
        if check:
            check_output(self.method, output, batch)
            for each in (state, output.state):
                check_saveable(self.method.name, state, each)
        run.backward((output.weights * output.losses).sum())
        report = self.engine.update(self.rate.at(step))
        return replace(output, metrics={**output.metrics, **summed_logps(batch)}), report

    def _reference(self, share: Share) -> TokenLogps | None:
        """Return the cached values; None for a method that reads none."""
        if self.reference is None:
            return None
        mask = share.chosen.mask
        cached = self.reference.of(share.rows, mask.shape[1])
        return TokenLogps(cached.chosen.to(mask.device), cached.rejected.to(mask.device))

    def _views_reference(self, share: Share, live: TokenLogps | None) -> list[Tensor | None]:
        """Return the reference of the views in their order, cached or of this step."""
        drawn = iter(live.views if live is not None else ())
        found: list[Tensor | None] = []
        for view in views_of(self.method, self.config):
            mask = share.views[view.name].mask
            # Where the reference is compared with the policy it runs the whole row.
            if share.divergence or (view.reference and view.draw != "once"):
                found.append(next(drawn))
            elif view.reference and self.fixed_views is not None:
                cached = self.fixed_views.side(view.name, share.rows, mask.shape[1])
                found.append(cached.to(mask.device))
            else:
                found.append(None)
        return found

    def _row(
        self,
        step: int,
        passes: Sequence[PairTokens],
        output: LossOutput[State],
        report: StepReport,
    ) -> dict[str, Any]:
        """Return what is recorded of a step; it is numbered by the steps done after it."""
        ours = {
            STOP: torch.tensor(float(self.stop_asked())),
            SHARES: output.weights.sum(),
        }
        loss, metrics = reduced(
            (output.weights * output.losses).sum(), {**output.metrics, **ours}, self.processes
        )
        return {
            "step": step + 1,
            "epoch": (step + 1) / self.batches.order.steps_per_epoch,
            "loss": loss,
            "learning_rate": report.learning_rate,
            "gradient_norm": report.gradient_norm,
            **metrics,
        }
