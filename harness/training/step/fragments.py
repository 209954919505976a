"""Which part of which weight a rank's flat optimizer tensors hold, for every ZeRO stage.

ZeRO lays the weights of a model into flat tensors and gives each rank a piece of them. A checkpoint
that says which element of which weight stands where can be read back by any number of ranks and
under any stage.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Fragment(NamedTuple):
    """Consecutive elements of one flattened weight."""

    name: str
    start: int
    """Its first element in the flattened weight."""
    flat: int
    """Which of the rank's flat tensors holds it."""
    offset: int
    """Its first element there."""
    length: int

    def overlap(self, other: "Fragment") -> tuple[slice, slice] | None:
        """Return the elements that both hold, as places in either flat tensor; None without any."""
        if other.name != self.name:
            return None
        first = max(self.start, other.start)
        end = min(self.start + self.length, other.start + other.length)
        if end <= first:
            return None
        return tuple(
            slice(one.offset + first - one.start, one.offset + end - one.start)
            for one in (self, other)
        )  # type: ignore[return-value]  # of a generator mypy does not know the length


def whole(weights: Mapping[str, Tensor]) -> list[Fragment]:
    """Return the fragments of a rank that holds all weights as they are."""
    return [
        Fragment(name, 0, i, 0, weight.numel()) for i, (name, weight) in enumerate(weights.items())
    ]


def of_flat_groups(optimizer: Any, names: Mapping[int, str], rank: int) -> list[Fragment]:
    """Return a rank's fragments under ZeRO-1 and 2: equal pieces of each flattened group.

    Args:
        optimizer: DeepSpeed's.
        names: Name of a weight by the `id` of its parameter.
        rank: This process.
    """
    found: list[Fragment] = []
    for flat, (weights, offsets, size) in enumerate(
        zip(
            optimizer.round_robin_bit16_groups,
            optimizer.round_robin_bit16_offsets,
            optimizer.partition_size,
            strict=True,
        )
    ):
        mine = (rank * size, (rank + 1) * size)
        found += _cut(flat, [names[id(weight)] for weight in weights], weights, offsets, mine)
    return found


def of_partitions(optimizer: Any, names: Mapping[int, str], rank: int) -> list[Fragment]:
    """Return a rank's fragments under ZeRO-3: an equal piece of every weight."""
    found = []
    for flat, weights in enumerate(optimizer.fp16_groups):
        offset = 0
        for weight in weights:
            piece = weight.partition_numel()
            start = rank * piece
            length = min(piece, weight.ds_numel - start)
            if length > 0:
                found.append(Fragment(names[id(weight)], start, flat, offset, length))
            offset += piece
    return found


def _cut(
    flat: int,
    names: Sequence[str],
    weights: Sequence[Tensor],
    offsets: Sequence[int],
    mine: tuple[int, int],
) -> Iterator[Fragment]:
    begin, end = mine
    for name, weight, offset in zip(names, weights, offsets, strict=True):
        first, last = max(offset, begin), min(offset + weight.numel(), end)
        if first < last:
            yield Fragment(name, first - offset, flat, first - begin, last - first)
