"""SimPO: a margin between average log-probabilities, without a reference model."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from methods.logps import equal_shares, sequence_means
from methods.terms import AveragedConfig, chosen_nll, reward_metrics, smoothed_loss
from methods.types import LossOutput, Method, NoState, PairBatch, StepContext


class SimPOConfig(AveragedConfig):
    """Hyper-parameters of SimPO; smoothing, hinge and NLL are the released code's alone."""

    beta: float = Field(default=2.0, gt=0, description="Scale of the average log-probabilities.")
    gamma_beta_ratio: float = Field(
        default=0.5, ge=0, description="Gamma / beta: least lead of the chosen one, nats per token."
    )
    loss_type: Literal["sigmoid", "hinge"] = Field(
        default="sigmoid", description="Logistic, as in the paper, or max(0, 1 - beta * lead)."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, le=0.5, description="Share of labels taken to be wrong; not for hinge."
    )
    sft_weight: float = Field(default=0.0, ge=0, description="Weight of the chosen one's NLL.")

    @property
    def per_device(self) -> bool:
        """Whether every device averages its own tokens."""
        return self.sft_weight > 0 and self.average == "per_rank"


def lead_loss(lead: Float[Tensor, " pairs"], config: SimPOConfig) -> Float[Tensor, " pairs"]:
    """Return the loss of a lead over the margin, in nats per token."""
    if config.loss_type == "hinge":
        return (1 - config.beta * lead).relu()
    return smoothed_loss(config.beta * lead, config.label_smoothing)


def loss(
    batch: PairBatch, config: SimPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the loss of the lead beyond gamma / beta over the pairs of all ranks.

    Source: Eq. 6 of arXiv:2405.14734; princeton-nlp/SimPO scripts/simpo_trainer.py.
    """
    chosen, rejected = (
        sequence_means(one.policy, one.mask) for one in (batch.chosen, batch.rejected)
    )
    preference = lead_loss(chosen - rejected - config.gamma_beta_ratio, config)
    nll = chosen_nll(batch, context, config.average)
    return LossOutput(
        losses=preference + config.sft_weight * nll,
        weights=equal_shares(preference, context),
        state=state,
        # Faithful: the logged rewards are without the margin.
        metrics={
            **reward_metrics(config.beta * chosen, config.beta * rejected),
            "losses/preference": preference.detach(),
            "losses/nll": nll.detach(),
        },
    )


METHOD = Method[SimPOConfig, NoState](
    name="simpo",
    config=SimPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Meng et al. 2024, arXiv:2405.14734; princeton-nlp/SimPO@1b3e8f3",
    needs_reference=False,
)
