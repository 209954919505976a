"""AOT: the best against the best and the worst against the worst, over the pairs of a batch."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from methods.logps import equal_shares
from methods.terms import log_ratios, response_gap, reward_metrics, smoothed_loss
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class AOTConfig(MethodConfig):
    """Hyper-parameters of AOT."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    label_smoothing: float = Field(
        default=0.0, ge=0, le=0.5, description="Share of the labels taken to be wrong."
    )
    pairing: Literal["paired", "unpaired"] = Field(
        default="paired",
        description="Sort gaps of policy and of reference, or log-ratios of chosen and rejected.",
    )
    sort_over: Literal["batch", "device"] = Field(
        default="batch", description="Sort the pairs of all devices, or each device its own."
    )

    @property
    def per_device(self) -> bool:
        """Whether every device sorts its own share."""
        return self.sort_over == "device"


def ranks_and_values(
    values: Float[Tensor, " pairs"], config: AOTConfig, context: StepContext
) -> tuple[Tensor, Tensor]:
    """Return the rank of each own value among those that are sorted, and these in order."""
    whole = config.sort_over == "batch"
    everyone = context.gather(values.detach()) if whole else values.detach()
    first = context.rank * len(values) if whole else 0
    ordered, order = torch.sort(everyone, stable=True)
    return torch.argsort(order)[first : first + len(values)], ordered


def loss(
    batch: PairBatch, config: AOTConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the smoothed DPO loss of (sorted upper - sorted lower) over the sorted pairs.

    The loss of a pair is that of the rank of its upper value. Source: arXiv:2406.05882; TRL.
    """
    chosen, rejected = (log_ratios(one) for one in (batch.chosen, batch.rejected))
    upper, lower = chosen, rejected
    if config.pairing == "paired":
        upper, lower = response_gap(batch, "policy"), response_gap(batch, "reference")
    upper_ranks, uppers = ranks_and_values(upper, config, context)
    lower_ranks, lowers = ranks_and_values(lower, config, context)
    losses, others = (
        smoothed_loss(config.beta * difference, config.label_smoothing)
        for difference in (upper - lowers[upper_ranks], uppers[lower_ranks] - lower)
    )
    return LossOutput(
        # The partner of a value may be another rank's and has no gradient here, so the lower
        # values bring their own gradient, and nothing to the value.
        losses=losses + (others - others.detach()),
        weights=equal_shares(losses, context),
        state=state,
        # Faithful: the logged rewards know nothing of the sort.
        metrics=reward_metrics(config.beta * chosen, config.beta * rejected),
    )


METHOD = Method[AOTConfig, NoState](
    name="aot",
    config=AOTConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Melnyk et al. 2024, arXiv:2406.05882; TRL, loss_type aot and aot_unpaired",
)
