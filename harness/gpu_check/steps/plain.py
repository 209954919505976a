"""The training step as the released code of DAMA runs it, to measure against.

Chosen and rejected are two padded rows, each with its own prompt and its own pass through the
vision tower, and logits exist at every position. Source: DAMA llava/train/train_dpo.py, on
Hugging Face's LLaVA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from harness.data.rows.batch import TokenizedPair

BETA = 0.1
"""TRL's default."""


@dataclass(frozen=True)
class TwoRows:
    """A batch: all chosen sequences, then all rejected, padded right."""

    input_ids: Int[Tensor, "sequences tokens"]
    attention_mask: Int[Tensor, "sequences tokens"]
    is_response: Bool[Tensor, "sequences tokens"]
    pixel_values: Float[Tensor, "sequences 3 height width"]

    def to(self, device: torch.device, dtype: torch.dtype) -> "TwoRows":
        """Return the same batch on a device, its pixels as numbers of the model's type."""
        return TwoRows(
            self.input_ids.to(device),
            self.attention_mask.to(device),
            self.is_response.to(device),
            self.pixel_values.to(device, dtype),
        )


def two_rows(pairs: Sequence[TokenizedPair], images: Sequence[Tensor], pad_id: int) -> TwoRows:
    """Lay the pairs out as the released code does."""
    sides = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
    sequences = [
        (pair.prompt, response)
        for responses in sides
        for pair, response in zip(pairs, responses, strict=True)
    ]
    width = max(len(prompt) + len(response) for prompt, response in sequences)
    ids = torch.full((len(sequences), width), pad_id)
    attended, is_response = torch.zeros_like(ids), torch.zeros(ids.shape, dtype=torch.bool)
    for i, (prompt, response) in enumerate(sequences):
        start, end = len(prompt), len(prompt) + len(response)
        ids[i, :start], ids[i, start:end] = prompt, response
        attended[i, :end], is_response[i, start:end] = 1, True
    return TwoRows(ids, attended, is_response, torch.stack([*images, *images]))


def plain_logps(llava: Any, batch: TwoRows) -> Float[Tensor, " sequences"]:
    """Return the summed log-probability of every response."""
    logits = llava(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        pixel_values=batch.pixel_values,
    ).logits[:, :-1]
    targets = batch.input_ids[:, 1:]
    logps = logits.float().log_softmax(-1).gather(2, targets.unsqueeze(2)).squeeze(2)
    summed: Tensor = (logps * batch.is_response[:, 1:]).sum(1)
    return summed


def dpo(policy: Float[Tensor, " sequences"], reference: Float[Tensor, " sequences"]) -> Tensor:
    """Return the DPO loss of summed log-probabilities, all chosen ones first."""
    chosen, rejected = (policy - reference).chunk(2)
    return -F.logsigmoid(BETA * (chosen - rejected)).mean()
