"""LD-DPO: what a response has beyond the length of the other one counts less."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares, weighted_sums
from methods.terms import reward_metrics
from methods.types import (
    LossOutput,
    Method,
    MethodConfig,
    NoState,
    PairBatch,
    ResponseLogps,
    StepContext,
)


class LDDPOConfig(MethodConfig):
    """Hyper-parameters of LD-DPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    ld_alpha: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Weight of tokens beyond the shorter response; 1 is DPO, 0 cuts them off.",
    )


def length_weights(
    response: ResponseLogps, other: ResponseLogps, ld_alpha: float
) -> Float[Tensor, "pairs tokens"]:
    """Return one for as many tokens as both responses have, `ld_alpha` for the rest, else zero.

    The end token counts as a token.
    """
    place = response.mask.cumsum(dim=-1)
    is_shared = place <= other.mask.sum(dim=-1, keepdim=True)
    ones = torch.ones_like(response.policy)
    return ones.masked_fill(~is_shared, ld_alpha) * response.mask


def loss(
    batch: PairBatch, config: LDDPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the DPO loss of the length-weighted log-ratios over the pairs of all ranks.

    Source: arXiv:2409.06411; policy and reference are weighted alike, as in TRL.
    """

    def rewards(response: ResponseLogps, other: ResponseLogps) -> Float[Tensor, " pairs"]:
        weights = length_weights(response, other, config.ld_alpha)
        return config.beta * weighted_sums(response.policy - response.reference, weights)

    chosen, rejected = rewards(batch.chosen, batch.rejected), rewards(batch.rejected, batch.chosen)
    losses = -F.logsigmoid(chosen - rejected)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics=reward_metrics(chosen, rejected),
    )


METHOD = Method[LDDPOConfig, NoState](
    name="ld_dpo",
    config=LDDPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Liu et al. 2024, arXiv:2409.06411; TRL, ld_alpha",
)
