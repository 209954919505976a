"""mDPO: the chosen response must also need its picture, and must not become less likely."""

from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from methods.logps import equal_shares
from methods.terms import log_ratios, reward_metrics
from methods.types import LossOutput, MethodConfig, NoState, PairBatch, StepContext
from methods.views import Draw, View, ViewMethod, viewed

CORRUPTED = "imageless_chosen"


class MDPOConfig(MethodConfig):
    """Hyper-parameters of mDPO."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    image: str = Field(default="crop", description="Operation that takes the picture away.")
    draw: Draw = Field(
        default="once",
        description="When pictures are drawn: once, each epoch, or for each forward pass.",
    )


def views(config: MDPOConfig) -> tuple[View, ...]:
    """Ask for the chosen response on a picture of which little is left."""
    return (View(CORRUPTED, config.image, "chosen", config.draw),)


def terms(
    batch: PairBatch, config: MDPOConfig
) -> tuple[dict[str, Float[Tensor, " pairs"]], dict[str, Float[Tensor, " pairs"]]]:
    """Return the three losses of every pair, and the rewards that they are of.

    Source: section 3 of arXiv:2406.11839, with an anchor of zero.
    """
    rewards = {
        "chosen": config.beta * log_ratios(batch.chosen),
        "rejected": config.beta * log_ratios(batch.rejected),
        CORRUPTED: config.beta * log_ratios(viewed(batch, CORRUPTED)),
    }
    losses = {
        "response": -F.logsigmoid(rewards["chosen"] - rewards["rejected"]),
        "image": -F.logsigmoid(rewards["chosen"] - rewards[CORRUPTED]),
        "anchor": -F.logsigmoid(rewards["chosen"]),
    }
    return losses, rewards


def loss(
    batch: PairBatch, config: MDPOConfig, state: NoState, context: StepContext
) -> LossOutput[NoState]:
    """Average the sum of the three losses over the pairs of all ranks."""
    parts, rewards = terms(batch, config)
    losses = parts["response"] + parts["image"] + parts["anchor"]
    without = rewards[CORRUPTED].detach()
    return LossOutput(
        losses=losses,
        weights=equal_shares(losses, context),
        state=state,
        metrics={
            **reward_metrics(rewards["chosen"], rewards["rejected"]),
            f"rewards/{CORRUPTED}": without,
            "image_accuracy": (rewards["chosen"] > without).to(losses.dtype),
            **{f"losses/{name}": part.detach() for name, part in parts.items()},
        },
    )


METHOD = ViewMethod[MDPOConfig, NoState](
    name="mdpo",
    config=MDPOConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="Wang et al. 2024, arXiv:2406.11839; outputs of luka-group/mDPO@2221bb3",
    views=views,
)
