"""SimPO: preference optimisation on average log-probabilities, without a reference model."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares, sequence_means
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class SimPOConfig(MethodConfig):
    """Hyper-parameters of SimPO."""

    beta: float = Field(default=2.0, gt=0, description="Scale of the average log-probabilities.")
    margin: float = Field(default=1.0, ge=0, description="Gamma: least beta times lead.")


def lead(batch: PairBatch) -> Float[Tensor, " pairs"]:
    """Return how much likelier a token of the chosen response is on average, in nats."""
    chosen, rejected = batch.chosen, batch.rejected
    return sequence_means(chosen.policy, chosen.mask) - sequence_means(
        rejected.policy, rejected.mask
    )


def loss(
    batch: PairBatch, config: SimPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average -log sigmoid(beta * lead - margin) over the pairs of all ranks.

    Source: Eq. 6 of arXiv:2405.14734.
    """
    leads = lead(batch)
    losses = -F.logsigmoid(config.beta * leads - config.margin)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics={"accuracy": (leads.detach() > 0).float()},
    )


METHOD = Method[SimPOConfig, NoState](
    name="simpo",
    config=SimPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Meng et al. 2024, arXiv:2405.14734",
    presets="harness_example.presets",
    needs_reference=False,
)
