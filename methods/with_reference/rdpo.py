"""Robust DPO: the loss on noisy labels whose mean is the DPO loss on clean ones."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.terms import log_ratios, reward_metrics
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class RDPOConfig(MethodConfig):
    """Hyper-parameters of robust DPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    label_smoothing: float = Field(
        default=0.1,
        ge=0,
        lt=0.5,
        description="Epsilon: share of the pairs whose labels are taken to be the wrong way round.",
    )


def unbiased_loss(
    margin: Float[Tensor, " pairs"], label_smoothing: float
) -> Float[Tensor, " pairs"]:
    """Return ((1 - epsilon) DPO loss - epsilon DPO loss of the swapped pair) / (1 - 2 epsilon).

    It may be negative, and falls without bound for large margins.
    """
    kept, swapped = F.logsigmoid(margin), F.logsigmoid(-margin)
    noisy = -(1 - label_smoothing) * kept + label_smoothing * swapped
    return noisy / (1 - 2 * label_smoothing)


def loss(
    batch: PairBatch, config: RDPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the robust DPO loss over the pairs of all ranks."""
    chosen, rejected = (config.beta * log_ratios(one) for one in (batch.chosen, batch.rejected))
    losses = unbiased_loss(chosen - rejected, config.label_smoothing)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics=reward_metrics(chosen, rejected),
    )


METHOD = Method[RDPOConfig, NoState](
    name="rdpo",
    config=RDPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Chowdhury et al. 2024, arXiv:2403.00409; TRL, loss_type robust",
)
