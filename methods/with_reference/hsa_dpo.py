"""HSA-DPO: the rejected response counts by how badly it hallucinates."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.terms import log_ratios, reward_metrics
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class HSADPOConfig(MethodConfig):
    """Hyper-parameters of HSA-DPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    weigh_rejected: bool = Field(
        default=True, description="Multiply the rejected response's log-ratio by its severity."
    )


def margin(
    batch: PairBatch, config: HSADPOConfig
) -> tuple[Float[Tensor, " pairs"], Float[Tensor, " pairs"], Float[Tensor, " pairs"]]:
    """Return both log-ratios, and what stands in the logistic loss before beta, in nats.

    Source: dpo_loss of Mr-Loevan/HSA-DPO hsa_dpo/trainer/base_dpo_trainer.py; arXiv:2404.14233.
    """
    chosen, rejected = (log_ratios(one) for one in (batch.chosen, batch.rejected))
    severity = batch.columns["severity"] if config.weigh_rejected else 1.0
    return chosen, rejected, chosen - severity * rejected


def loss(
    batch: PairBatch, config: HSADPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the loss over the pairs of all ranks.

    Reads the column severity, how badly the rejected response hallucinates.
    """
    chosen, rejected, gap = margin(batch, config)
    losses = -F.logsigmoid(config.beta * gap)
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        # Faithful: the logged rewards know no severity.
        metrics=reward_metrics(config.beta * chosen, config.beta * rejected),
    )


METHOD = Method[HSADPOConfig, NoState](
    name="hsa_dpo",
    config=HSADPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Xiao et al. 2024, arXiv:2404.14233; Mr-Loevan/HSA-DPO@e4fbf0a",
    columns=frozenset({"severity"}),
)
