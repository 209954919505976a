"""Dense DPO in the style of RLHF-V: tokens that differ between the two responses weigh more."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import (
    equal_shares,
    gap_metrics,
    reward_gap,
    token_weights,
    weighted_means,
    weighted_sums,
)
from methods.types import (
    LossOutput,
    Method,
    MethodConfig,
    NoState,
    PairBatch,
    ResponseLogps,
    Segments,
    StepContext,
)


class RLHFVConfig(MethodConfig):
    """Hyper-parameters of dense DPO; the defaults are the paper's."""

    beta: float = Field(default=0.5, gt=0, description="Strength of the pull to the reference.")
    gamma: float = Field(default=5.0, gt=0, description="Weight of a token in a changed segment.")
    normalise: bool = Field(
        default=True, description="Divide by the sum of the weights; the released code does not."
    )
    segments: Literal["paper", "released"] = Field(
        default="paper", description="Rule of methods.segments that finds the changed segments."
    )
    min_match: int = Field(
        default=3, gt=0, description="Shorter runs of equal tokens do not end a changed segment."
    )


def dense_gap(batch: PairBatch, config: RLHFVConfig) -> Float[Tensor, " pairs"]:
    """Return the reward gap over segment-weighted log-probabilities, before beta.

    In nats, or with `normalise` in nats per unit of weight. Source: Eq. 5 of arXiv:2312.00849.
    """
    reduce = weighted_means if config.normalise else weighted_sums

    def scores(response: ResponseLogps) -> tuple[Tensor, Tensor]:
        weights = token_weights(response, config.gamma)
        return reduce(response.policy, weights), reduce(response.reference, weights)

    policy_chosen, reference_chosen = scores(batch.chosen)
    policy_rejected, reference_rejected = scores(batch.rejected)
    return (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)


def rlhf_v_loss(batch: PairBatch, config: RLHFVConfig) -> Float[Tensor, " pairs"]:
    """Return -log sigmoid(beta * dense gap) per pair, in nats."""
    return -F.logsigmoid(config.beta * dense_gap(batch, config))


def loss(
    batch: PairBatch, config: RLHFVConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the dense DPO loss over the pairs of all ranks.

    The metric `reward_gap` stays unweighted, so that it compares with that of other methods.
    """
    losses = rlhf_v_loss(batch, config)
    dense = dense_gap(batch, config).detach()
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics={**gap_metrics(reward_gap(batch)), "dense_gap": dense},
    )


METHOD = Method[RLHFVConfig, NoState](
    name="rlhf_v",
    config=RLHFVConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    segments=lambda config: Segments(config.segments, config.min_match),
    source="Yu et al. 2024, arXiv:2312.00849; thunlp/Muffin and RLHF-V/RLAIF-V",
)
