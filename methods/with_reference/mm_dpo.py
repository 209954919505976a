"""MM-DPO: beta grows with the reward margin of a pair; the chosen response is also imitated."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.selection import DrawingConfig, drawn_mask, too_small_to_draw
from methods.terms import AveragedConfig, chosen_nll, log_ratios, reward_metrics
from methods.types import LossOutput, Method, NoState, PairBatch, StepContext


class MMDPOConfig(DrawingConfig, AveragedConfig):
    """Hyper-parameters of MM-DPO; `beta_from` and `average` tell paper and released code apart."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    margin_weight: float = Field(default=0.1, ge=0, description="W: how much beta may grow.")
    gamma: float = Field(default=0.25, ge=0, description="Weight of the chosen response's NLL.")
    beta_from: Literal["margin", "drawn_gaps"] = Field(
        default="margin",
        description="Beta of each pair by its margin_factor, or one by gaps drawn from the batch.",
    )
    min_beta: float = Field(default=1e-3, ge=0, description="Lower bound of beta.")


def growth(
    gaps: Float[Tensor, " pairs"], batch: PairBatch, config: MMDPOConfig, context: StepContext
) -> Float[Tensor, " pairs"]:
    """Return what beta grows by, before its weight; without gradient."""
    if config.beta_from == "margin":
        return batch.columns["margin_factor"].to(gaps.dtype)
    # Faithful: the released code overwrites the margins. It draws gaps by a Gaussian around their
    # mean and takes how far the drawn ones are off that mean; every pair stays in the loss.
    everyone = context.gather(gaps.detach())
    spread = everyone.std() + 1e-7
    kept = drawn_mask(everyone, everyone.mean(), spread, config, context.shared_rng)
    lead = (kept * everyone).sum() / kept.sum() - everyone.mean()
    return lead.expand_as(gaps)


def loss(
    batch: PairBatch, config: MMDPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Return the DPO loss with beta * (1 + w * growth), and gamma times the NLL of the chosen.

    Reads the column margin_factor, 1 - exp(-k * reward margin), finished.
    Source: yfzhang114/MM-RLHF trl/trainer/dpo_trainer.py, dpo_loss.
    """
    chosen, rejected = (log_ratios(one) for one in (batch.chosen, batch.rejected))
    gaps = chosen - rejected
    grown = 1 + config.margin_weight * growth(gaps, batch, config, context)
    beta = (config.beta * grown).clamp(min=config.min_beta)
    preference = -F.logsigmoid(beta * gaps)
    nll = chosen_nll(batch, context, config.average)
    return LossOutput(
        losses=preference + config.gamma * nll,
        weights=equal_shares(gaps, context),
        state=state,
        # Faithful: the logged rewards have plain beta.
        metrics={
            **reward_metrics(config.beta * chosen, config.beta * rejected),
            **{"beta": beta, "losses/preference": preference.detach(), "losses/nll": nll.detach()},
        },
    )


def batch_problem(config: MMDPOConfig, pairs: int) -> str | None:
    """Say so where gaps are drawn and the batch is too small for it."""
    return None if config.beta_from == "margin" else too_small_to_draw(config, pairs)


METHOD = Method[MMDPOConfig, NoState](
    name="mm_dpo",
    config=MMDPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Zhang et al. 2025, MM-RLHF, arXiv:2502.10391; yfzhang114/MM-RLHF@7c8af1d",
    columns=frozenset({"margin_factor"}),
    batch_problem=batch_problem,
)
