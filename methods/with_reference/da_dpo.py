"""DA-DPO: beta grows with the score difference of a pair, so that easy pairs saturate early."""

from pydantic import Field
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.terms import log_ratios, reward_metrics
from methods.types import LossOutput, Method, MethodConfig, NoState, PairBatch, StepContext


class DADPOConfig(MethodConfig):
    """Hyper-parameters of DA-DPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    db_alpha: float = Field(
        default=1.0, gt=0, description="Factor of beta for a pair whose responses score alike."
    )


def loss(
    batch: PairBatch, config: DADPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the DPO loss with beta * db_alpha * (1 + |score difference|) over all pairs.

    Reads the column clip_gap: score of the chosen response minus that of the rejected one.
    Source: Artanic30/DA-DPO llava/train/da_dpo.py, dpo_loss.
    """
    chosen, rejected = (log_ratios(one) for one in (batch.chosen, batch.rejected))
    # Faithful: of the absolute difference, so that a pair which the scorer ranks the other way
    # round gets the same larger beta.
    weight = (batch.columns["clip_gap"].abs() + 1) * config.db_alpha
    losses = -F.logsigmoid(config.beta * weight * (chosen - rejected))
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        # Faithful: the logged rewards have plain beta.
        metrics={
            **reward_metrics(config.beta * chosen, config.beta * rejected),
            "clip_weight": weight,
        },
    )


METHOD = Method[DADPOConfig, NoState](
    name="da_dpo",
    config=DADPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="DA-DPO; Artanic30/DA-DPO@dfac1b3",
    columns=frozenset({"clip_gap"}),
)
