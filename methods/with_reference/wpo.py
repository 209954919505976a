"""WPO: a pair counts by how likely the policy is to write such responses itself."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares, sequence_means
from methods.terms import log_ratios, reward_metrics
from methods.types import (
    LossOutput,
    Method,
    MethodConfig,
    NoState,
    PairBatch,
    ResponseLogps,
    StepContext,
)


class WPOConfig(MethodConfig):
    """Hyper-parameters of WPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    clamp: bool = Field(
        default=True, description="Bound the weight by one, as the authors do and TRL does not."
    )


def log_weight(response: ResponseLogps) -> Float[Tensor, " pairs"]:
    """Return how much likelier a token is than one drawn from the policy, on average, in nats.

    Without gradient. Zero where every token has the probability expected of a drawn one.
    """
    lead = response.policy.detach() - response.statistics["log_sum_p2"]
    return sequence_means(lead, response.mask)


def loss(
    batch: PairBatch, config: WPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the weighted DPO loss over the pairs of all ranks; the weights are not divided by.

    Source: arXiv:2406.11827, with its alignment of weights by the expected probability.
    """
    chosen, rejected = (config.beta * log_ratios(one) for one in (batch.chosen, batch.rejected))
    weight = (log_weight(batch.chosen) + log_weight(batch.rejected)).exp()
    if config.clamp:
        weight = weight.clamp(max=1)
    losses = weight * -F.logsigmoid(chosen - rejected)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics={**reward_metrics(chosen, rejected), "weight": weight},
    )


METHOD = Method[WPOConfig, NoState](
    name="wpo",
    config=WPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Zhou et al. 2024, arXiv:2406.11827; outputs of wzhouad/WPO@a104458 and of TRL",
    statistics=frozenset({"log_sum_p2"}),
)
