"""Conservative DPO: labels may be wrong, so the reward gap is held at a finite value."""

from pydantic import Field

from methods.logps import equal_shares
from methods.terms import log_ratios, reward_metrics, smoothed_loss
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class CDPOConfig(MethodConfig):
    """Hyper-parameters of conservative DPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    label_smoothing: float = Field(
        default=0.2,
        ge=0,
        le=0.5,
        description="Epsilon: share of the pairs whose labels are taken to be the wrong way round.",
    )


def loss(
    batch: PairBatch, config: CDPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the conservative DPO loss over the pairs of all ranks.

    Source: Eq. 3 of ericmitchell.ai/cdpo.pdf; eric-mitchell trainers.py, preference_loss.
    """
    chosen, rejected = (config.beta * log_ratios(one) for one in (batch.chosen, batch.rejected))
    losses = smoothed_loss(chosen - rejected, config.label_smoothing)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics=reward_metrics(chosen, rejected),
    )


METHOD = Method[CDPOConfig, NoState](
    name="cdpo",
    config=CDPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Mitchell 2023, ericmitchell.ai/cdpo.pdf; eric-mitchell/direct-preference-optimization",
)
