"""What several losses are made of: log-ratios, rewards as they are logged, means, shares."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import sequence_sums
from methods.types import MethodConfig, PairBatch, ResponseLogps, StepContext

Average = Literal["global", "per_rank"]
"""A mean over all tokens or pairs, or the mean over ranks of their own means."""


class AveragedConfig(MethodConfig):
    """Hyper-parameters of a method with a mean that the released code takes rank by rank."""

    average: Average = Field(
        default="global",
        description="Mean over all tokens (or kept pairs), or mean over ranks of their own means.",
    )

    @property
    def per_device(self) -> bool:
        """Whether every device averages its own share."""
        return self.average == "per_rank"


def log_ratios(response: ResponseLogps) -> Float[Tensor, " pairs"]:
    """Return how much likelier the policy finds the responses than the reference does, in nats."""
    policy, reference = (
        sequence_sums(logps, response.mask) for logps in (response.policy, response.reference)
    )
    return policy - reference


def response_gap(batch: PairBatch, of: Literal["policy", "reference"]) -> Float[Tensor, " pairs"]:
    """Return how much likelier one of the models finds the chosen response, in nats."""
    chosen, rejected = (
        sequence_sums(getattr(one, of), one.mask) for one in (batch.chosen, batch.rejected)
    )
    return chosen - rejected


def reward_metrics(
    chosen: Float[Tensor, " pairs"], rejected: Float[Tensor, " pairs"]
) -> dict[str, Tensor]:
    """Report the rewards of both responses under TRL's names, and whether the chosen one's leads.

    Equal rewards, as in the first step, do not count as accurate.
    """
    chosen, rejected = chosen.detach(), rejected.detach()
    return {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "reward_gap": chosen - rejected,
        "accuracy": (chosen > rejected).to(chosen.dtype),
    }


def smoothed_loss(
    margin: Float[Tensor, " pairs"], label_smoothing: float
) -> Float[Tensor, " pairs"]:
    """Return the expected DPO loss where labels are swapped with this probability, in nats.

    Least at a margin of log((1 - epsilon) / epsilon); beyond, it grows with slope epsilon.
    """
    kept, swapped = F.logsigmoid(margin), F.logsigmoid(-margin)
    return -(1 - label_smoothing) * kept - label_smoothing * swapped


def kept_shares(
    kept: Float[Tensor, " all_pairs"], pairs: int, context: StepContext, average: Average
) -> Float[Tensor, " pairs"]:
    """Return the shares of this rank's pairs in a mean over the kept ones.

    With `per_rank` every rank divides by its own count and the ranks are averaged, so that a pair
    weighs more on a rank that kept few, and a rank that kept none still is one of the ranks.
    """
    own = kept[context.rank * pairs : (context.rank + 1) * pairs]
    if average == "global":
        return own / kept.sum()
    return own / (own.sum().clamp(min=1) * (len(kept) // pairs))


def token_mean(
    sums: Float[Tensor, " pairs"],
    counts: Float[Tensor, " pairs"],
    context: StepContext,
    average: Average,
) -> Float[Tensor, " pairs"]:
    """Return what each pair adds to a mean over tokens: the mean of these over the pairs is it.

    Long responses weigh more, as in a mean over all tokens of a batch. With `per_rank` the tokens
    are those of this rank alone, so that the result depends on how the batch is shared.
    """
    everyone = context.gather(counts.detach()) if average == "global" else counts
    return sums * (len(everyone) / everyone.sum())


def chosen_nll(batch: PairBatch, context: StepContext, average: Average) -> Float[Tensor, " pairs"]:
    """Return what each pair adds to the negative log-likelihood of a chosen token, in nats."""
    chosen = batch.chosen
    sums = -sequence_sums(chosen.policy, chosen.mask)
    return token_mean(sums, chosen.mask.sum(dim=-1).to(sums.dtype), context, average)
