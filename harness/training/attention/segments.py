"""Attention of a packed row by one call of SDPA per segment."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from harness.data.rows.packing import PackedRow
from harness.training.attention.rows import once_per_row, with_query_heads


def segment_attention(
    module: Any,
    query: Float[Tensor, "1 heads queries d"],
    key: Float[Tensor, "1 key_heads positions d"],
    value: Float[Tensor, "1 key_heads positions d"],
    attention_mask: None,
    scaling: float,
    packed_row: PackedRow,
    only_needed: bool = False,
    **_unused: Any,
) -> tuple[Float[Tensor, "1 queries heads d"], None]:
    """Let every segment attend to its ancestors and, causally, to itself.

    With `only_needed` the queries are those of the row's needed positions.

    Called by transformers, which hands `packed_row` through from the call of the language model.
    """
    # Split once: the gradient of many slices of one tensor would be written as often as there are
    # slices. And cat rather than index_select, whose gradient may differ from run to run on GPUs.
    nodes = list(packed_row.node_lengths)
    keys, values = (torch.split(with_query_heads(x, query), nodes, dim=2) for x in (key, value))
    asked = [segment.queries(only_needed) for segment in packed_row.segments]
    queries = torch.split(query, asked, dim=2)
    masks = _masks(packed_row, query.dtype, only_needed)
    outputs = [
        _attended(
            part,
            torch.cat([keys[node] for node in segment.visible], dim=2),
            torch.cat([values[node] for node in segment.visible], dim=2),
            mask,
            scaling,
        )
        for part, segment, mask in zip(queries, packed_row.segments, masks, strict=True)
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _attended(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float
) -> Float[Tensor, "1 heads segment d"]:
    """Let the queries see everything before them, being the last positions of the keys.

    Without a mask made-up queries take the places of the ancestors, and their outputs are dropped.
    """
    if mask is not None:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    before = key.shape[2] - query.shape[2]
    square = F.pad(query, (0, 0, before, 0)) if before else query
    whole = F.scaled_dot_product_attention(square, key, value, is_causal=True, scale=scaling)
    return whole[:, :, before:]


@once_per_row
def _masks(
    row: PackedRow, dtype: torch.dtype, only_needed: bool
) -> tuple[Float[Tensor, "segment_queries segment_keys"] | None, ...]:
    """Return what to add to the scores of each segment; None where there are few ancestors.

    A kernel skips what is hidden in a causal square, but not what a mask hides. So the square over
    ancestors and segment is less work where the ancestors are fewer. SDPA would turn a boolean mask
    into this in every layer.
    """
    masks: list[Tensor | None] = []
    for segment in row.segments:
        keys = sum(row.node_lengths[node] for node in segment.visible)
        queries = segment.queries(only_needed)
        before = keys - queries
        if before < queries:
            masks.append(None)
            continue
        hidden = torch.full((queries, keys), float("-inf"), dtype=dtype).triu(before + 1)
        masks.append(hidden.to(row.input_ids.device, non_blocking=True))
    return tuple(masks)
