"""Rungs between the released step and ours: features are made once, logits where they are asked.

The released step itself is `harness.gpu_check.steps.plain`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from harness.gpu_check.steps.plain import TwoRows


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
