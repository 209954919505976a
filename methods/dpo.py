"""Direct preference optimisation: the logistic loss on beta times the reward gap."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares, gap_metrics, reward_gap
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class DPOConfig(MethodConfig):
    """Hyper-parameters of DPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")


def dpo_loss(batch: PairBatch, config: DPOConfig) -> Float[Tensor, " pairs"]:
    """Return -log sigmoid(beta * reward gap) per pair, in nats.

    Source: Eq. 7 of arXiv:2305.18290.
    """
    return -F.logsigmoid(config.beta * reward_gap(batch))


def loss(
    batch: PairBatch, config: DPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the DPO loss over the pairs of all ranks."""
    losses = dpo_loss(batch, config)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics=gap_metrics(reward_gap(batch)),
    )


METHOD = Method[DPOConfig, NoState](
    name="dpo",
    config=DPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Rafailov et al. 2023, arXiv:2305.18290",
)
