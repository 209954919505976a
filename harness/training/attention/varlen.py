"""Attention of a packed row by one call of a variable-length kernel: all segments at once.

CUDA and half precision only. The gradient of FlashAttention adds up in any order: it is equal
from run to run only under `torch.use_deterministic_algorithms`.
"""

import functools
import inspect
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from harness.data.rows.packing import PackedRow
from harness.training.attention.rows import once_per_row


class SegmentPlan(NamedTuple):
    """The segments of a row as sequences of a variable-length kernel.

    A sequence's queries are aligned with the end of its keys: the last query sees them all.
    """

    gathered: tuple[int, ...]
    """Nodes in the order in which the sequences see them; a shared one stands several times."""
    query_starts: Int32[Tensor, " sequences_and_end"]
    key_starts: Int32[Tensor, " sequences_and_end"]
    longest_query: int
    longest_key: int


def varlen_attention(
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
    """
    plan = segment_plan(packed_row, only_needed)
    nodes = list(packed_row.node_lengths)
    keys, values = (torch.split(x[0].transpose(0, 1), nodes) for x in (key, value))
    output = _kernel()(
        query[0].transpose(0, 1),
        # cat rather than index_select, whose gradient may differ from run to run on GPUs.
        torch.cat([keys[node] for node in plan.gathered]),
        torch.cat([values[node] for node in plan.gathered]),
        plan.query_starts,
        plan.key_starts,
        plan.longest_query,
        plan.longest_key,
        scale=scaling,
    )
    return output.unsqueeze(0).contiguous(), None


@once_per_row
def segment_plan(row: PackedRow, only_needed: bool = False) -> SegmentPlan:
    """Lay out the segments of a row, or what is needed of them."""
    queries = [segment.queries(only_needed) for segment in row.segments]
    keys = [sum(row.node_lengths[node] for node in segment.visible) for segment in row.segments]
    starts = torch.tensor(
        [list(accumulate(lengths, initial=0)) for lengths in (queries, keys)], dtype=torch.int32
    ).to(row.input_ids.device, non_blocking=True)
    return SegmentPlan(
        gathered=tuple(node for segment in row.segments for node in segment.visible),
        query_starts=starts[0],
        key_starts=starts[1],
        longest_query=max(queries),
        longest_key=max(keys),
    )


@functools.cache
def _kernel() -> Callable[..., Any]:
    """Return torch's kernel, causal; younger versions know that as a window."""
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in known else {}
    options |= {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    return functools.partial(varlen_attn, **options)
