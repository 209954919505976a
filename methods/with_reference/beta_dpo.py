"""Beta-DPO: one beta per batch, by how far its reward gap is from the running mean."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.selection import DrawingConfig, drawn_mask, too_small_to_draw
from methods.terms import AveragedConfig, kept_shares, log_ratios, reward_metrics
from methods.types import LossOutput, Method, PairBatch, StepContext


class BetaDPOConfig(DrawingConfig, AveragedConfig):
    """Hyper-parameters of beta-DPO."""

    beta: float = Field(default=0.1, gt=0, description="Beta of a batch at the running mean.")
    a: float = Field(default=0.6, ge=0, description="How much beta follows the reward gap.")
    momentum: float = Field(default=0.9, ge=0, le=1, description="Of running mean and deviation.")
    min_beta: float = Field(default=1e-3, ge=0, description="Lower bound of beta.")


@dataclass(frozen=True)
class BetaDPOState:
    """What beta-DPO remembers of the reward gaps of batches, in nats."""

    gap_mean: Float[Tensor, ""]
    gap_std: Float[Tensor, ""]


def loss(
    batch: PairBatch, config: BetaDPOConfig, state: BetaDPOState, context: StepContext
) -> LossOutput[BetaDPOState]:
    """Return the DPO loss of the kept pairs with beta * (1 + a (kept mean - running mean)).

    Source: arXiv:2407.08639; junkangwu/beta-DPO trainers.py, preference_loss.
    """
    chosen, rejected = (log_ratios(one) for one in (batch.chosen, batch.rejected))
    gaps = chosen - rejected
    everyone = context.gather(gaps.detach())
    # Faithful: mean and unbiased deviation are those after this batch, before it is filtered.
    old = config.momentum
    mean = old * state.gap_mean.to(everyone) + (1 - old) * everyone.mean()
    spread = old * state.gap_std.to(everyone) + (1 - old) * everyone.std()
    kept = drawn_mask(everyone, mean, spread, config, context.shared_rng)
    lead = (kept * everyone).sum() / kept.sum() - mean
    beta = (config.beta * (1 + config.a * lead)).clamp(min=config.min_beta)
    return LossOutput(
        losses=-F.logsigmoid(beta * gaps),
        weights=kept_shares(kept, len(gaps), context, config.average),
        state=BetaDPOState(mean, spread) if context.training else state,
        metrics={
            **reward_metrics(config.beta * chosen, config.beta * rejected),
            "beta": beta,
            "gap_mean": mean,
            "gap_std": spread,
        },
    )


METHOD = Method[BetaDPOConfig, BetaDPOState](
    name="beta_dpo",
    config=BetaDPOConfig,
    loss=loss,
    init_state=lambda config: BetaDPOState(torch.zeros(()), torch.zeros(())),
    source="Wu et al. 2024, arXiv:2407.08639; junkangwu/beta-DPO@1629047",
    batch_problem=too_small_to_draw,
)
