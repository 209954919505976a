"""The laws of a method: each is a sentence about its loss that one batch can break."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from harness.errors import TrainingError
from harness.training.checkpoints.checkpoint import check_saveable
from harness.training.contract.batches import (
    as_declared,
    rows,
    scored,
    swapped,
    total,
    trainable,
)
from harness.training.contract.ranks import OneRank, generator, on_ranks
from harness.training.outputs import check_losses, check_metrics, check_shares, loss_of
from methods.types import LossOutput, Method, MethodConfig, PairBatch, StepContext

GAP = "reward_gap"
"""The metric that the law of swapped pairs is about."""
_SEED = 3


class NoLaw(Exception):
    """A law does not apply to this method, and why."""


@dataclass(frozen=True)
class Case:
    """A method with a configuration, on one batch; the batch has whatever can be declared."""

    method: Method[Any, Any]
    config: MethodConfig
    batch: PairBatch

    @property
    def state(self) -> Any:
        """What a run begins with."""
        return self.method.init_state(self.config)

    def output(self, batch: PairBatch, context: StepContext | None = None) -> LossOutput[Any]:
        """Return what the loss gives on a batch, by default on one rank, in the first step."""
        seen = as_declared(batch, self.method, self.config)
        return loss_of(self.method, seen, self.config, self.state, context or OneRank())

    def broken(self, problem: str) -> TrainingError:
        """Return the error that says which law of the method does not hold, and what to do."""
        return TrainingError(f"{self.method.name}: {problem}.")


@dataclass(frozen=True)
class Law:
    """What every method keeps to."""

    check: Callable[[Case], None]
    """Raises TrainingError where the case breaks the law, and NoLaw where it does not apply."""
    says: str


def finite_gradients(case: Case) -> None:
    """Losses of one value per pair, weights of one, finite gradients that are zero in padding."""
    batch, policies = trainable(case.batch)
    output = case.output(batch)
    check_losses(case.method, output, batch)
    check_shares(case.method, float(output.weights.sum()))
    loss = total([output])
    if not loss.isfinite():
        raise case.broken(
            f"its loss is {output.losses.tolist()} on finite log-probabilities; look for log(0), "
            "0/0 and exp of large numbers"
        )
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(loss, policies, allow_unused=True)
    for gradient, side in zip(gradients, (batch.chosen, batch.rejected), strict=True):
        if gradient is None:
            continue
        if not gradient.isfinite().all():
            raise case.broken(
                "its gradient is not finite on finite log-probabilities; torch.where does not keep "
                "NaN of the other branch out of it"
            )
        if bool((gradient[~scored(side)] != 0).any()):
            raise case.broken(
                "its gradient is not zero in padding; multiply by `mask` before summing"
            )


def scalar_metrics(case: Case) -> None:
    """Metrics that are finite scalars or one value per pair, under free names."""
    metrics = case.output(trainable(case.batch)[0]).metrics
    check_metrics(case.method, metrics, len(case.batch.chosen.policy))
    for name, value in metrics.items():
        if not value.isfinite().all():
            raise case.broken(f"its metric {name!r} is {value.tolist()}; wanted are finite numbers")


def saved_state(case: Case) -> None:
    """A state that is the same after it was saved and read back."""
    output = case.output(trainable(case.batch)[0])
    check_saveable(case.method.name, case.state, output.state)


def kept_state(case: Case) -> None:
    """Evaluation, which leaves the state as it is."""
    state = case.state
    seen = as_declared(case.batch, case.method, case.config)
    output = loss_of(case.method, seen, case.config, state, OneRank(training=False))
    if not _equal(vars(output.state), vars(state)):
        raise case.broken(
            "evaluation changes its state; return `state` as it is where `context.training` is "
            "false"
        )


def no_hidden_randomness(case: Case) -> None:
    """Equal steps that give equal numbers: no randomness but `context.shared_rng`."""
    outputs = []
    for seed in (1, 2):
        before = _seeded(seed)
        outputs.append(case.output(case.batch, OneRank(shared_rng=generator(_SEED))))
        if not torch.equal(torch.get_rng_state(), before):
            raise case.broken(
                "its loss draws from torch's global generator; draw from `context.shared_rng`"
            )
    first, second = outputs
    same = _equal({"losses": first.losses}, {"losses": second.losses})
    if not (same and _equal(vars(first.state), vars(second.state))):
        raise case.broken(
            "the same batch gives another loss or state the second time; draw from "
            "`context.shared_rng` alone and keep everything else in the state"
        )


def any_cut(case: Case) -> None:
    """Loss, gradients and next state on two and four ranks, which are those on one."""
    if case.config.per_device:
        raise NoLaw("it says that its loss depends on how a batch is shared between devices")
    whole, policies = trainable(case.batch)
    alone = case.output(whole)
    expected = torch.autograd.grad(total([alone]), policies, allow_unused=True)
    pairs = len(whole.chosen.policy)

    def on_rank(
        part: PairBatch, config: MethodConfig, state: Any, context: StepContext
    ) -> LossOutput[Any]:
        return loss_of(case.method, as_declared(part, case.method, config), config, state, context)

    for ranks in (2, 4):
        share = pairs // ranks
        parts = [rows(whole, slice(start, start + share)) for start in range(0, pairs, share)]
        outputs = on_ranks(on_rank, parts, case.config, case.state)
        gradients = torch.autograd.grad(total(outputs), policies, allow_unused=True)
        same = _close(total(outputs), total([alone])) and all(
            _close(own, right) for own, right in zip(gradients, expected, strict=True)
        )
        if not (same and all(_close(vars(one.state), vars(alone.state)) for one in outputs)):
            raise case.broken(
                f"loss, gradients or state on {ranks} ranks are not those on one; use `gather` "
                "for what all pairs decide and equal_shares for a mean, or let the configuration's "
                "`per_device` say that the cut matters"
            )


def undrawn_order(case: Case) -> None:
    """A loss that the order of the pairs does not change, where none of them is drawn."""
    drawn = generator(_SEED)
    case.output(case.batch, OneRank(shared_rng=drawn))
    if not torch.equal(drawn.get_state(), generator(_SEED).get_state()):
        raise NoLaw("it draws from `context.shared_rng`, so a draw falls on other pairs")
    any_order(case)


def any_order(case: Case) -> None:
    """A loss that the order of the pairs does not change."""
    turned = rows(case.batch, [2, 0, 3, 1])
    if not _close(total([case.output(turned)]), total([case.output(case.batch)])):
        raise case.broken("the order of the pairs changes its loss; no pair may know its place")


def swapped_pairs(case: Case) -> None:
    """A metric `reward_gap` that changes its sign where chosen and rejected are swapped."""
    gaps = case.output(case.batch).metrics.get(GAP)
    if gaps is None:
        raise NoLaw(f"it has no metric {GAP!r}")
    turned = case.output(swapped(case.batch)).metrics[GAP]
    if not _close(turned, -gaps):
        raise case.broken(
            f"its metric {GAP!r} does not change its sign where chosen and rejected are swapped; "
            "compute both sides alike, or give it another name"
        )


LAWS: Mapping[str, Law] = {
    "gradients": Law(finite_gradients, "loss and gradients are finite"),
    "metrics": Law(scalar_metrics, "metrics are finite, scalars or one value per pair"),
    "state": Law(saved_state, "the state survives a checkpoint"),
    "evaluation": Law(kept_state, "evaluation leaves the state as it is"),
    "randomness": Law(no_hidden_randomness, "equal steps give equal numbers"),
    "cut": Law(any_cut, "the same on one, two and four ranks"),
    "order": Law(undrawn_order, "the order of the pairs decides nothing"),
    "swap": Law(swapped_pairs, f"{GAP} changes its sign with swapped pairs"),
}
"""By the name under which a check of it is printed; the others take the first for granted."""


def _seeded(seed: int) -> Tensor:
    """Seed every global generator; return the state of torch's."""
    random.seed(seed)
    np.random.seed(seed)
    return torch.manual_seed(seed).get_state()


def _close(found: Any, wanted: Any, tolerance: float | None = None) -> bool:
    """Compare; without a tolerance, by those that torch has for the type."""
    try:
        assert_close(found, wanted, equal_nan=True, rtol=tolerance, atol=tolerance)
    except AssertionError:
        return False
    return True


def _equal(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return _close(dict(found), dict(wanted), tolerance=0)
