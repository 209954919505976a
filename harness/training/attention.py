"""Attention of a packed row, segment by segment."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface

from harness.data.packing import PackedRow

NAME = "packed_segments"


def segment_attention(
    module: Any,
    query: Float[Tensor, "1 heads positions d"],
    key: Float[Tensor, "1 key_heads positions d"],
    value: Float[Tensor, "1 key_heads positions d"],
    attention_mask: None,
    scaling: float,
    packed_row: PackedRow,
    **_unused: Any,
) -> tuple[Float[Tensor, "1 positions heads d"], None]:
    """Let every segment attend to its ancestors and, causally, to itself.

    Called by transformers, which hands `packed_row` through from the call of the language model.
    """
    # Split once: the gradient of many slices of one tensor would be written as often as there are
    # slices.
    nodes = list(packed_row.node_lengths)
    keys, values = (torch.split(x, nodes, dim=2) for x in (key, value))
    queries = torch.split(query, [segment.length for segment in packed_row.segments], dim=2)
    outputs = [
        F.scaled_dot_product_attention(
            part,
            torch.cat([keys[node] for node in segment.visible], dim=2),
            torch.cat([values[node] for node in segment.visible], dim=2),
            attn_mask=segment.mask,
            is_causal=segment.mask is None,
            scale=scaling,
            enable_gqa=key.shape[1] != query.shape[1],
        )
        for part, segment in zip(queries, packed_row.segments, strict=True)
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, segment_attention)
