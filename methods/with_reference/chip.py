"""CHiP: one margin of responses, pictures and tokens, the last by divergence over all words."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares, sequence_sums, token_weights, weighted_sums
from methods.terms import reward_metrics
from methods.types import (
    LossOutput,
    MethodConfig,
    NoState,
    PairBatch,
    ResponseLogps,
    Segments,
    StepContext,
)
from methods.views import Draw, View, ViewMethod, divergences, viewed

CORRUPTED = "chosen_corrupted"


class CHiPConfig(MethodConfig):
    """Hyper-parameters of CHiP; `reference_view` tells paper and released code apart."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    token_weight: float = Field(default=4.0, gt=0, description="Weight of a changed token.")
    tok_beta: float = Field(default=0.1, ge=0, description="Weight of the divergences.")
    cross_modal: bool = Field(default=True, description="Add the margin of the pictures.")
    token_level: bool = Field(default=True, description="Add the margin of the divergences.")
    image: str = Field(default="noise", description="Operation that takes the picture away.")
    draw: Draw = Field(default="epoch", description="When noise is drawn, for both models.")
    reference_view: Literal["weighted", "sum_times_weights"] = Field(
        default="weighted", description="How changed tokens weigh in the reference's view."
    )


def ratios(response: ResponseLogps, config: CHiPConfig, of_view: bool = False) -> Tensor:
    """Return the log-ratios of the responses, changed tokens weighted, in nats."""
    if config.token_weight == 1:
        return sequence_sums(response.policy - response.reference, response.mask)
    weights = token_weights(response, config.token_weight)
    reference = weighted_sums(response.reference, weights)
    if of_view and config.reference_view == "sum_times_weights":
        # Faithful: the released code weights a sum, and so multiplies it by all weights together.
        reference = sequence_sums(response.reference, response.mask) * weights.sum(dim=-1)
    return weighted_sums(response.policy, weights) - reference


def margin(batch: PairBatch, config: CHiPConfig) -> Float[Tensor, " pairs"]:
    """Return what stands in the one logistic loss, before beta.

    Source: chip_loss of LVUGAI/CHiP llava/train/llava_trainer.py; arXiv:2501.16629.
    """
    chosen, rejected = (ratios(one, config) for one in (batch.chosen, batch.rejected))
    found = chosen - rejected
    if config.cross_modal:
        found = found + chosen - ratios(viewed(batch, CORRUPTED), config, of_view=True)
    if config.token_level:
        of_chosen, of_rejected = divergences(batch)
        found = found - config.tok_beta * (of_rejected - of_chosen.detach())
    return found


def loss(
    batch: PairBatch, config: CHiPConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the loss over the pairs of all ranks; logged rewards hold the divergences."""
    losses = -F.logsigmoid(config.beta * margin(batch, config))
    chosen, rejected = (ratios(one, config) for one in (batch.chosen, batch.rejected))
    if config.token_level:
        chosen, rejected = (
            one + added for one, added in zip((chosen, rejected), divergences(batch), strict=True)
        )
    rewards = config.beta * chosen, config.beta * rejected
    return LossOutput(losses, equal_shares(losses, context), state, reward_metrics(*rewards))


METHOD = ViewMethod[CHiPConfig, NoState](
    name="chip",
    config=CHiPConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Fu et al. 2025, arXiv:2501.16629; LVUGAI/CHiP@e7f5193",
    segments=lambda config: Segments("released") if config.token_weight != 1 else None,
    views=lambda config: (View(CORRUPTED, config.image, "chosen", config.draw),),
    divergence=True,
)
