"""MPO: which response is better, whether each is good, and how to write the chosen one."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.terms import AveragedConfig, chosen_nll, log_ratios, reward_metrics
from methods.types import LossOutput, Method, PairBatch, StepContext


class MPOConfig(AveragedConfig):
    """Hyper-parameters of MPO; `shift` is what InternVL has and TRL has dropped."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    preference_weight: float = Field(default=0.8, ge=0, description="Of the DPO loss.")
    quality_weight: float = Field(default=0.2, ge=0, description="Of the BCO loss.")
    generation_weight: float = Field(default=1.0, ge=0, description="Of the chosen one's NLL.")
    shift: Literal["running_mean", "none"] = Field(
        default="running_mean", description="Reward that counts as neither good nor bad."
    )


@dataclass(frozen=True)
class MPOState:
    """The mean reward so far: that of every batch counts the same."""

    reward_mean: Float[Tensor, ""]
    batches: Float[Tensor, ""]


def loss(
    batch: PairBatch, config: MPOConfig, state: MPOState, context: StepContext
) -> LossOutput[MPOState]:
    """Return the weighted sum of preference, quality and generation loss.

    Source: arXiv:2411.10442; OpenGVLab/InternVL internvl_chat/internvl/train/trainer_dpo.py.
    """
    chosen, rejected = (config.beta * log_ratios(one) for one in (batch.chosen, batch.rejected))
    rewards = context.gather((chosen + rejected).detach() / 2)
    count = state.batches.to(rewards) + 1
    # Faithful: the mean already holds this batch when it is used. Unlike InternVL's it is saved
    # with a checkpoint, and evaluation leaves it as it is.
    mean = state.reward_mean.to(rewards) + (rewards.mean() - state.reward_mean.to(rewards)) / count
    delta = mean if config.shift == "running_mean" else torch.zeros_like(mean)
    # Faithful: InternVL logs the rewards of both losses, each times its weight.
    logged = config.preference_weight + config.quality_weight if config.shift != "none" else 1.0
    preference = -F.logsigmoid(chosen - rejected)
    quality = -F.logsigmoid(chosen - delta) - F.logsigmoid(delta - rejected)
    nll = chosen_nll(batch, context, config.average)
    return LossOutput(
        losses=config.preference_weight * preference
        + config.quality_weight * quality
        + config.generation_weight * nll,
        weights=equal_shares(chosen, context),
        state=MPOState(mean, count) if context.training else state,
        metrics={
            **reward_metrics(logged * chosen, logged * rejected),
            "reward_mean": mean,
            "losses/preference": preference.detach(),
            "losses/quality": quality.detach(),
            "losses/nll": nll.detach(),
        },
    )


METHOD = Method[MPOConfig, MPOState](
    name="mpo",
    config=MPOConfig,
    loss=loss,
    init_state=lambda config: MPOState(torch.zeros(()), torch.zeros(())),
    source="Wang et al. 2024, arXiv:2411.10442; OpenGVLab/InternVL@2410d1d and TRL",
)
