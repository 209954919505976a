"""IPO: a squared loss that stops at a reward gap of 1 / (2 beta) and widens it no further."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from methods.logps import equal_shares
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


class IPOConfig(MethodConfig):
    """Hyper-parameters of IPO; `normalisation` is what the implementations disagree on."""

    beta: float = Field(
        default=0.1, gt=0, description="Tau: the gap that is aimed at is 1 / (2 beta)."
    )
    normalisation: Literal["none", "tokens", "changed_tokens"] = Field(
        default="none",
        description="What a log-ratio is divided by: one, the response's tokens, or those whose "
        "log-ratio is not zero.",
    )


def scores(response: ResponseLogps, config: IPOConfig) -> Float[Tensor, " pairs"]:
    """Return the log-ratios, in nats or in nats per token."""
    ratios = log_ratios(response)
    if config.normalisation == "none":
        return ratios
    if config.normalisation == "tokens":
        return ratios / response.mask.sum(dim=-1).clamp(min=1)
    # Faithful: HALOs counts log-ratios that are not exactly zero, so that tokens which have not
    # moved shrink the count, and a policy equal to its reference has no value (0 / 0).
    return ratios / ((response.policy != response.reference) & response.mask).sum(dim=-1)


def loss(
    batch: PairBatch, config: IPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average (score of chosen - score of rejected - 1 / (2 beta))^2 over the pairs of all ranks.

    Source: Eq. 17 of arXiv:2310.12036.
    """
    chosen, rejected = (scores(one, config) for one in (batch.chosen, batch.rejected))
    losses = (chosen - rejected - 1 / (2 * config.beta)) ** 2
    # Faithful: HALOs logs the normalised log-ratios without beta, the others beta times the sums.
    if config.normalisation != "changed_tokens":
        chosen, rejected = (config.beta * log_ratios(one) for one in (batch.chosen, batch.rejected))
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics=reward_metrics(chosen, rejected),
    )


METHOD = Method[IPOConfig, NoState](
    name="ipo",
    config=IPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Azar et al. 2023, arXiv:2310.12036; eric-mitchell/direct-preference-optimization, "
    "ContextualAI/HALOs and TRL",
)
