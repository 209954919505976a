"""SymMPO: on two similar pictures, each one's own answer is preferred to the other's."""

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.terms import log_ratios, reward_metrics
from methods.types import LossOutput, MethodConfig, NoState, PairBatch, StepContext
from methods.views import View, ViewMethod, viewed

SECOND_ANSWER = View("second_answer", "own", "other")
ON_SECOND = View("chosen_on_second", "other", "chosen")
SECOND = View("second_answer_on_second", "other", "other")


class SymMPOConfig(MethodConfig):
    """Hyper-parameters of SymMPO; `consistency_of` tells paper and released code apart."""

    beta_1: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    beta_2: float = Field(default=0.1, gt=0, description="The same in the second anchor.")
    lamda: float = Field(default=0.5, ge=0, description="Weight of both comparisons of pictures.")
    consistency: float = Field(
        default=1e-4, ge=0, description="Weight of the squared difference of their margins."
    )
    consistency_of: Literal["rewards", "log_ratios"] = Field(
        default="rewards", description="Margins with beta_1 as a factor, or without."
    )


def terms(batch: PairBatch, config: SymMPOConfig) -> dict[str, Tensor]:
    """Return what is added up for every pair, before any weight but the consistency's.

    Source: section 3 of arXiv:2506.11712; dpo_loss of Liuwq-bit/SymMPO, by its outputs.
    """
    chosen, rejected = log_ratios(batch.chosen), log_ratios(batch.rejected)
    answer, crossed, second = (
        log_ratios(viewed(batch, view.name)) for view in (SECOND_ANSWER, ON_SECOND, SECOND)
    )
    first_margin, second_margin = chosen - answer, second - crossed
    unit = config.beta_1 if config.consistency_of == "rewards" else 1
    both = F.logsigmoid(config.beta_1 * first_margin) + F.logsigmoid(config.beta_1 * second_margin)
    anchors = F.logsigmoid(config.beta_1 * chosen) + F.logsigmoid(config.beta_2 * second)
    return {
        "response": -F.logsigmoid(config.beta_1 * (chosen - rejected)),
        "symmetric_images": -config.lamda * both,
        "anchors": -anchors,
        "margin_consistency": config.consistency * (unit * (first_margin - second_margin)).square(),
    }


def loss(
    batch: PairBatch, config: SymMPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the sum of all terms over the pairs of all ranks."""
    parts = terms(batch, config)
    losses = sum(parts.values(), start=parts["response"].new_zeros(()))
    chosen, rejected = (config.beta_1 * log_ratios(one) for one in (batch.chosen, batch.rejected))
    views = {
        SECOND_ANSWER.name: config.beta_1,
        ON_SECOND.name: config.beta_2,
        SECOND.name: config.beta_2,
    }
    rewards = {
        f"rewards/{name}": (beta * log_ratios(viewed(batch, name))).detach()
        for name, beta in views.items()
    }
    metrics = {f"losses/{name}": part.detach() for name, part in parts.items()}
    metrics |= {**reward_metrics(chosen, rejected), **rewards}
    return LossOutput(losses, equal_shares(losses, context), state, metrics)


METHOD = ViewMethod[SymMPOConfig, NoState](
    name="symmpo",
    config=SymMPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Liu et al. 2025, arXiv:2506.11712; outputs of Liuwq-bit/SymMPO@a4a1a39",
    views=lambda config: (SECOND_ANSWER, ON_SECOND, SECOND),
)
