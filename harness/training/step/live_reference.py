"""The reference where it must run in every step.

It sees pictures that are drawn anew, or it is compared with the policy over all words.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor

from harness.data.rows.batch import PairTokens
from harness.training.step.policy import Policy, TokenLogps


class Said(NamedTuple):
    """What the reference says of one pass."""

    logps: TokenLogps
    hidden_and_head: tuple[Float[Tensor, "logps d"], Float[Tensor, "words d"]] | tuple[()]
    """What the policy's head compares itself with; empty where it does not."""


@dataclass(frozen=True)
class LiveReference:
    """The model that the policy starts from, beside it in memory and whole on every device."""

    model: Policy

    @classmethod
    def of_start(cls, policy: Policy, shares_frozen: bool) -> Self:
        """Copy a policy that has still the weights of the base model.

        With `shares_frozen` the weights that are not trained, those below adapters, are not copied:
        ZeRO-3 cuts them up, other stages leave them.
        """
        frozen = [weight for weight in policy.parameters() if not weight.requires_grad]
        shared = {id(weight): weight for weight in frozen if shares_frozen}
        return cls(copy.deepcopy(policy, shared).requires_grad_(False).eval())

    @torch.no_grad()
    def of(
        self,
        tokens: PairTokens,
        features: Float[Tensor, "images tokens d"],
        encode: Callable[[PairTokens], Tensor],
    ) -> Said:
        """Run what a pass asks of the reference.

        Args:
            tokens: The pass.
            features: Of its images.
            encode: Makes those of other pictures, where the reference sees others.
        """
        theirs = tokens.live or tokens
        hidden = self.model.hidden(theirs, encode(theirs) if tokens.live else features)
        compared = (hidden, self.model.head.weight) if tokens.divergence else ()
        return Said(self.model.logps(theirs, hidden), compared)
