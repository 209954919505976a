"""Sequences in one row without padding, in which what they share stands once.

The sequences of a batch form a tree: the system text is its root, images and questions branch from
it, and the responses to a prompt branch from that. A node is a run of positions between two
branchings. A position attends to the ancestors of its node and to what stands before it in the
node, and it is counted from the root, so that every sequence sees just what it sees alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """Consecutive nodes, each the first child of the one before: a causal run of positions."""

    length: int
    """Positions of the row; the segments tile it."""
    visible: tuple[int, ...]
    """Indices of the nodes whose keys it sees: its ancestors, then, causally, its own."""
    needed: int
    """Its last positions, from the first one behind which a logit follows."""

    def queries(self, only_needed: bool) -> int:
        """Return how many of its positions, the last ones, ask."""
        return self.needed if only_needed else self.length


@dataclass(frozen=True)
class PackedRow:
    """All sequences of a batch in one row."""

    input_ids: Int[Tensor, " positions"]
    """Token ids; where an image feature stands, -1 minus its place among those of all images."""
    position_ids: Int[Tensor, " positions"]
    node_lengths: tuple[int, ...]
    segments: tuple[Segment, ...]
    predicting: Int[Tensor, " logps"]
    """Positions whose output predicts a response token."""
    targets: Int[Tensor, " logps"]
    """The tokens they predict. What two responses share is predicted once."""
    needed: Int[Tensor, " needed"]
    """The needed positions of all segments, in order; the last layer answers for these alone."""
    needed_places: Int[Tensor, " logps"]
    """Where `predicting` stands among them."""
    image_places: Int[Tensor, " image_positions"]
    """Positions at which image features stand; known here, a device need not be asked for them."""
    image_slots: Int[Tensor, " image_positions"]
    """Which feature stands at each of them, among those of all images."""

    @property
    def positions(self) -> int:
        """Tokens that are run."""
        return len(self.input_ids)

    def to(self, device: torch.device) -> "PackedRow":
        """Return the same row on a device, without waiting for what that has still to do."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


def pack(
    sequences: Sequence[Sequence[int]], starts: Sequence[int]
) -> tuple[PackedRow, list[Int[Tensor, " response"]]]:
    """Pack sequences and say where the log-probabilities of their responses will stand.

    Args:
        sequences: Ids, as in `input_ids`. What is equal up to some place is shared up to there.
        starts: Where the response of each sequence begins; it reaches to the end.

    Returns:
        The row, and for each sequence the indices of its response tokens among the row's `logps`.
        Image features in it are no tokens that are predicted.
    """
    tree = _Tree([list(sequence[:-1]) for sequence in sequences])
    predicted: dict[tuple[int, int], int] = {}
    found = []
    for sequence, start, places in zip(sequences, starts, tree.places, strict=True):
        steps = zip(places[start - 1 :], sequence[start:], strict=True)
        found.append([predicted.setdefault(step, len(predicted)) for step in steps if step[1] >= 0])
    ids = torch.tensor(tree.ids)
    predicting = [place for place, _ in predicted]
    segments, needed = _with_needed(_segments(tree), predicting)
    found_at = {place: i for i, place in enumerate(needed)}
    (image_places,) = torch.nonzero(ids < 0, as_tuple=True)
    row = PackedRow(
        input_ids=ids,
        position_ids=torch.tensor(tree.depths),
        node_lengths=tuple(tree.lengths),
        segments=tuple(segments),
        predicting=torch.tensor(predicting),
        targets=torch.tensor([token for _, token in predicted]),
        needed=torch.tensor(needed),
        needed_places=torch.tensor([found_at[place] for place in predicting]),
        image_places=image_places,
        image_slots=-1 - ids[image_places],
    )
    return row, [torch.tensor(indices) for indices in found]


class _Tree:
    """Nodes in depth-first order."""

    def __init__(self, sequences: Sequence[list[int]]) -> None:
        self.ids: list[int] = []
        self.depths: list[int] = []
        self.lengths: list[int] = []
        self.ancestors: list[tuple[int, ...]] = []
        self.places: list[list[int]] = [[] for _ in sequences]
        """Of each sequence, the positions of its tokens in the row."""
        self._sequences = sequences
        self._grow(range(len(sequences)), 0, ())

    def _grow(self, members: Sequence[int], depth: int, ancestors: tuple[int, ...]) -> None:
        """Add the nodes of sequences that are equal before `depth`."""
        branches: dict[int, list[int]] = {}
        for member in members:
            if len(self._sequences[member]) > depth:
                branches.setdefault(self._sequences[member][depth], []).append(member)
        for branch in branches.values():
            shared = _common([self._sequences[member][depth:] for member in branch])
            start, end = len(self.ids), depth + len(shared)
            for member in branch:
                self.places[member] += range(start, start + len(shared))
            node = len(self.lengths)
            self.ids += shared
            self.depths += range(depth, end)
            self.lengths.append(len(shared))
            self.ancestors.append(ancestors)
            self._grow(branch, end, (*ancestors, node))


def _common(sequences: Sequence[list[int]]) -> list[int]:
    """Return the beginning that all sequences share: that of the first and the last in order."""
    first, last = min(sequences), max(sequences)
    length = next(
        (i for i, ids in enumerate(zip(first, last, strict=False)) if len(set(ids)) > 1), len(first)
    )
    return first[:length]


def _segments(tree: _Tree) -> list[Segment]:
    """Join every node with its first child, which stands right behind it."""
    runs: list[list[int]] = []
    for node, ancestors in enumerate(tree.ancestors):
        if ancestors and ancestors[-1] == node - 1:
            runs[-1].append(node)
        else:
            runs.append([node])
    return [_segment(tree, run) for run in runs]


def _segment(tree: _Tree, run: list[int]) -> Segment:
    ancestors = tree.ancestors[run[0]]
    return Segment(sum(tree.lengths[node] for node in run), (*ancestors, *run), needed=0)


def _with_needed(
    segments: Sequence[Segment], predicting: Sequence[int]
) -> tuple[list[Segment], list[int]]:
    """Say of each segment how many of its last positions are needed, and list these of all.

    What stands behind a needed position of a segment counts as needed too, so that the queries of
    a segment are its last positions whatever is asked for.
    """
    asked = sorted(set(predicting))
    found: list[Segment] = []
    needed: list[int] = []
    start = 0
    for segment in segments:
        end = start + segment.length
        first = next((place for place in asked if start <= place < end), end)
        found.append(replace(segment, needed=end - first))
        needed += range(first, end)
        start = end
    return found, needed
