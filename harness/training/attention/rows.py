"""What attention derives from a packed row: once per row, not in every layer."""

import functools
import weakref
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.data.rows.packing import PackedRow

_T = TypeVar("_T")
_Key = TypeVarTuple("_Key")


def once_per_row(make: Callable[[PackedRow, *_Key], _T]) -> Callable[[PackedRow, *_Key], _T]:
    """Make a function remember its result for as long as the row lives.

    All layers share the result, and so do layers that gradient checkpointing runs again. It must
    not hold the row itself, and not wait for the device: that would have nothing to do meanwhile.
    """
    made: dict[tuple[object, ...], _T] = {}

    @functools.wraps(make)
    def remembered(row: PackedRow, *key: *_Key) -> _T:
        place = (id(row), *key)
        if place not in made:
            made[place] = make(row, *key)
            # The next row may get the same id.
            weakref.finalize(row, made.pop, place).atexit = False
        return made[place]

    return remembered


def subtree_ends(row: PackedRow) -> Int[Tensor, " positions"]:
    """Return for every position where the subtree of its node ends.

    Nodes stand in depth-first order, so a query at q sees a key at k just where k <= q < ends[k].
    """
    ends = [0] * len(row.node_lengths)
    end = 0
    for segment in row.segments:
        end += segment.length
        for node in segment.visible:
            ends[node] = end
    lengths = torch.tensor(row.node_lengths)
    by_position = torch.tensor(ends).repeat_interleave(lengths)
    return by_position.to(row.input_ids.device, non_blocking=True)


def with_query_heads(
    shared: Float[Tensor, "1 key_heads positions d"], query: Float[Tensor, "1 heads positions d"]
) -> Float[Tensor, "1 heads positions d"]:
    """Repeat keys or values that several query heads share, each for its group.

    Only the slow kernel of SDPA on GPUs takes a mask together with shared heads.
    """
    group = query.shape[1] // shared.shape[1]
    return shared if group == 1 else shared.repeat_interleave(group, dim=1)
