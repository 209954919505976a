"""From log-probabilities per token to one number per pair."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from methods.types import PairBatch, ResponseLogps, StepContext


def weighted_sums(
    logps: Float[Tensor, "pairs tokens"], weights: Float[Tensor, "pairs tokens"]
) -> Float[Tensor, " pairs"]:
    """Sum the log-probabilities of every response, each token times its weight, in nats."""
    return (logps * weights).sum(dim=-1)


def weighted_means(
    logps: Float[Tensor, "pairs tokens"], weights: Float[Tensor, "pairs tokens"]
) -> Float[Tensor, " pairs"]:
    """Divide the weighted sum by the sum of the weights, in nats per unit of weight.

    NaN for a response whose weights are all zero: a mean over nothing has no value.
    """
    return weighted_sums(logps, weights) / weights.sum(dim=-1)


def sequence_sums(
    logps: Float[Tensor, "pairs tokens"], mask: Bool[Tensor, "pairs tokens"]
) -> Float[Tensor, " pairs"]:
    """Sum the log-probabilities of the response tokens, in nats."""
    return weighted_sums(logps, mask.to(logps.dtype))


def sequence_means(
    logps: Float[Tensor, "pairs tokens"], mask: Bool[Tensor, "pairs tokens"]
) -> Float[Tensor, " pairs"]:
    """Average the log-probabilities of the response tokens, in nats per token.

    NaN for a response without tokens.
    """
    return weighted_means(logps, mask.to(logps.dtype))


def token_weights(response: ResponseLogps, changed_weight: float) -> Float[Tensor, "pairs tokens"]:
    """Weigh changed tokens with `changed_weight`, other response tokens with one, padding zero."""
    ones = torch.ones_like(response.policy)
    return ones.masked_fill(response.changed, changed_weight) * response.mask


def reward_gap(
    batch: PairBatch, reference_dtype: torch.dtype | None = None
) -> Float[Tensor, " pairs"]:
    """Return how much more the policy prefers the chosen response than the reference does.

    In nats, over summed log-probabilities, before any factor beta: (policy chosen - policy
    rejected) - (reference chosen - reference rejected). With `reference_dtype`, the sums of the
    reference are rounded to it, as if they had been stored so.
    """
    chosen, rejected = batch.chosen, batch.rejected
    stored = reference_dtype or chosen.reference.dtype
    policy_chosen = sequence_sums(chosen.policy, chosen.mask)
    policy_rejected = sequence_sums(rejected.policy, rejected.mask)
    reference_chosen = sequence_sums(chosen.reference, chosen.mask).to(stored)
    reference_rejected = sequence_sums(rejected.reference, rejected.mask).to(stored)
    return (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)


def equal_shares(values: Float[Tensor, " pairs"], context: StepContext) -> Float[Tensor, " pairs"]:
    """Give every pair the weight 1 / all_pairs, counted over all ranks."""
    return torch.full_like(values.detach(), 1 / len(context.gather(values.detach())))


def gap_metrics(gaps: Float[Tensor, " pairs"]) -> dict[str, Tensor]:
    """Report the reward gap in nats and whether the policy has moved towards the chosen response.

    A gap of exactly zero, as in the first step, does not count as accurate.
    """
    gaps = gaps.detach()
    return {"reward_gap": gaps, "accuracy": (gaps > 0).to(gaps.dtype)}
