"""Attention of a packed row by one call of SDPA with a mask of the whole row: plain, and slow.

The product's kernels are checked against it. Its name in transformers is `packed_dense`.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface

from harness.data.rows.packing import PackedRow
from harness.training.attention.rows import once_per_row, subtree_ends, with_query_heads

_ALIGNMENT = 16
"""Elements to which the rows of a mask must be aligned; SDPA would copy others in every layer."""


def dense_attention(
    module: Any,
    query: Float[Tensor, "1 heads positions d"],
    key: Float[Tensor, "1 key_heads positions d"],
    value: Float[Tensor, "1 key_heads positions d"],
    attention_mask: None,
    scaling: float,
    packed_row: PackedRow,
    only_needed: bool = False,
    **_unused: Any,
) -> tuple[Float[Tensor, "1 positions heads d"], None]:
    """Let every position attend to the nodes above it and to what stands before it in its own."""
    mask = row_mask(packed_row, query.dtype)
    output = F.scaled_dot_product_attention(
        query,
        with_query_heads(key, query),
        with_query_heads(value, query),
        attn_mask=mask[packed_row.needed] if only_needed else mask,
        scale=scaling,
    )
    return output.transpose(1, 2).contiguous(), None


@once_per_row
def row_mask(row: PackedRow, dtype: torch.dtype) -> Float[Tensor, "positions positions"]:
    """Return what to add to the scores: 0 where a query sees a key, and minus infinity."""
    ends = subtree_ends(row)
    count = row.positions
    place = torch.arange(count, device=ends.device)
    seen = (place <= place.unsqueeze(1)) & (place.unsqueeze(1) < ends)
    width = -(-count // _ALIGNMENT) * _ALIGNMENT
    mask = torch.full((count, width), float("-inf"), dtype=dtype, device=ends.device)[:, :count]
    return mask.masked_fill_(seen, 0.0)


AttentionInterface.register("packed_dense", dense_attention)
