"""SLiC: the chosen response has to lead by a margin, without a reference model."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from methods.logps import equal_shares, sequence_sums
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class SLiCConfig(MethodConfig):
    """Hyper-parameters of SLiC's calibration loss."""

    margin: float = Field(default=1.0, ge=0, description="Delta: lead that is enough, in nats.")


def lead(batch: PairBatch) -> Float[Tensor, " pairs"]:
    """Return how much likelier the chosen response is, in nats."""
    chosen, rejected = batch.chosen, batch.rejected
    return sequence_sums(chosen.policy, chosen.mask) - sequence_sums(rejected.policy, rejected.mask)


def loss(
    batch: PairBatch, config: SLiCConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average max(0, margin - lead) over the pairs of all ranks.

    Source: rank calibration loss of arXiv:2305.10425.
    """
    leads = lead(batch)
    losses = (config.margin - leads).relu()
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics={"accuracy": (leads.detach() > 0).float()},
    )


METHOD = Method[SLiCConfig, NoState](
    name="slic",
    config=SLiCConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Zhao et al. 2023, arXiv:2305.10425",
    presets="harness_example.presets",
    needs_reference=False,
)
