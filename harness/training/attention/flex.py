"""Attention of a packed row by FlexAttention: a kernel compiled for the row's own mask.

Blocks of the mask that nobody sees are skipped. There is no backward on CPU.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from harness.data.rows.packing import PackedRow
from harness.training.attention.rows import once_per_row, subtree_ends

MaskFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Whether, in a batch and head, a query sees a key."""


def flex_row_attention(
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
    """Let every position attend to the nodes above it and to what stands before it in its own.

    With `only_needed` the queries are those of the row's needed positions.
    """
    output = _kernel(query.device.type)(
        query,
        key,
        value,
        block_mask=_block_mask(packed_row, only_needed),
        scale=scaling,
        enable_gqa=key.shape[1] != query.shape[1],
    )
    return output.transpose(1, 2).contiguous(), None


def mask_function(row: PackedRow, only_needed: bool = False) -> MaskFunction:
    """Return the row's mask as a function of positions, or of needed positions that ask."""
    ends, needed = subtree_ends(row), row.needed

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (query < ends[key])

    def needed_sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return sees(batch, head, needed[query], key)

    return needed_sees if only_needed else sees


@once_per_row
def _block_mask(row: PackedRow, only_needed: bool) -> BlockMask:
    return create_block_mask(
        mask_function(row, only_needed),
        None,
        None,
        len(row.needed) if only_needed else row.positions,
        row.positions,
        device=row.input_ids.device,
    )


@functools.cache
def _kernel(device_type: str) -> Callable[..., Any]:
    if device_type == "cpu":
        return flex_attention
    # Uncompiled it holds all scores. Every row has another length: one kernel for all of them.
    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=True)
    return compiled
