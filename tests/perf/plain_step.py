"""The training step as the released code of DAMA runs it, to measure against.

Chosen and rejected are two padded rows, each with its own prompt and its own pass through the
vision tower, and logits exist at every position. Source: DAMA llava/train/train_dpo.py, on
Hugging Face's LLaVA.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harness.data.batch import TokenizedPair


@dataclass(frozen=True)
class TwoRows:
    """A batch: all chosen sequences, then all rejected, padded right."""

    input_ids: Int[Tensor, "sequences tokens"]
    attention_mask: Int[Tensor, "sequences tokens"]
    is_response: Bool[Tensor, "sequences tokens"]
    pixel_values: Float[Tensor, "sequences 3 height width"]


def two_rows(pairs: Sequence[TokenizedPair], images: Sequence[Tensor], pad_id: int) -> TwoRows:
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


def plain_logps(llava, batch: TwoRows) -> Float[Tensor, " sequences"]:
    """Return the summed log-probability of every response."""
    logits = llava(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        pixel_values=batch.pixel_values,
    ).logits[:, :-1]
    targets = batch.input_ids[:, 1:]
    logps = logits.float().log_softmax(-1).gather(2, targets.unsqueeze(2)).squeeze(2)
    return (logps * batch.is_response[:, 1:]).sum(1)


def injected_logps(
    llava,
    batch: TwoRows,
    features: Float[Tensor, "images patches d"],
    response_rows_only: bool,
) -> Float[Tensor, " sequences"]:
    """Return the same from features that the tower made once per image.

    With `response_rows_only` logits exist only where they predict a response token.
    """
    at_image = (batch.input_ids == llava.config.image_token_id).unsqueeze(-1)
    projected = llava.model.multi_modal_projector(torch.cat([features, features]))
    embedded = llava.get_input_embeddings()(batch.input_ids)
    hidden = llava.model.language_model(
        inputs_embeds=embedded.masked_scatter(at_image, projected),
        attention_mask=batch.attention_mask,
        use_cache=False,
    ).last_hidden_state[:, :-1]
    predicting, targets = batch.is_response[:, 1:], batch.input_ids[:, 1:]
    asked = predicting if response_rows_only else torch.ones_like(predicting)
    logits = llava.lm_head(hidden[asked])
    logps = logits.float().log_softmax(-1).gather(1, targets[asked].unsqueeze(1)).squeeze(1)
    placed = torch.zeros(asked.shape).masked_scatter(asked, logps)
    return (placed * predicting).sum(1)
