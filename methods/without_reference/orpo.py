"""ORPO: write the chosen response, and make its odds larger than those of the rejected one."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares, sequence_means, sequence_sums
from methods.terms import AveragedConfig, reward_metrics, token_mean
from methods.types import (
    LossOutput,
    Mark,
    Method,
    NoState,
    PairBatch,
    ResponseLogps,
    StepContext,
)


class ORPOConfig(AveragedConfig):
    """Hyper-parameters of ORPO; the authors' code and TRL differ in which tokens count."""

    beta: float = Field(default=0.1, gt=0, description="Weight of the odds ratio; alpha, lambda.")
    nll_of: Literal["prompt_and_response", "response"] = Field(
        default="prompt_and_response", description="What of the chosen row is imitated."
    )
    end_token: Literal["as_any", "twice_in_odds"] = Field(
        default="as_any", description="As any token, or not in the NLL and twice in the odds."
    )


def marks(config: ORPOConfig) -> frozenset[Mark]:
    """Return the tokens that are read besides those of the responses."""
    prompt: set[Mark] = {"prompt"} if config.nll_of == "prompt_and_response" else set()
    end: set[Mark] = {"end", "end_again"} if config.end_token == "twice_in_odds" else set()
    return frozenset(prompt | end)


def counted(response: ResponseLogps, config: ORPOConfig) -> tuple[Tensor, Tensor]:
    """Return masks of the tokens that make the odds, and of those that are imitated."""
    imitated = response.mask
    if config.nll_of == "prompt_and_response":
        imitated = imitated | response.marks["prompt"]
    if config.end_token == "as_any":
        return response.mask, imitated
    # Faithful: padding is the end token, so the authors take every end out of the labels; their
    # mask for the odds is shifted by one and ends behind the end.
    return response.mask | response.marks["end_again"], imitated & ~response.marks["end"]


def loss(
    batch: PairBatch, config: ORPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Return the NLL minus beta times the log-sigmoid of the log odds ratio.

    Source: Eq. 6 and 7 of arXiv:2403.07691; xfactlab/orpo src/orpo_trainer.py; TRL.
    """
    sides = (batch.chosen, batch.rejected)
    means = [sequence_means(one.policy, counted(one, config)[0]) for one in sides]
    chosen, rejected = (mean - torch.log(-torch.expm1(mean)) for mean in means)
    preference = -F.logsigmoid(chosen - rejected)
    _, tokens = counted(batch.chosen, config)
    sums, counts = -sequence_sums(batch.chosen.policy, tokens), tokens.sum(dim=-1).to(preference)
    nll = token_mean(sums, counts, context, config.average)
    parts = {"losses/preference": preference, "losses/nll": nll, "log_odds": chosen - rejected}
    return LossOutput(
        losses=nll + config.beta * preference,
        weights=equal_shares(preference, context),
        state=state,
        metrics={
            **reward_metrics(config.beta * means[0], config.beta * means[1]),
            **{name: values.detach() for name, values in parts.items()},
        },
    )


METHOD = Method[ORPOConfig, NoState](
    name="orpo",
    config=ORPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Hong et al. 2024, arXiv:2403.07691; xfactlab/orpo@208d2d6 and TRL",
    needs_reference=False,
    marks=marks,
)
