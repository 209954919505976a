"""Which tokens of two responses differ, as RLHF-V weighs them.

The rules differ in what the caller compares and in one switch of difflib. `released` compares
whole sequences (prompt, response, end token) padded to the longest of the batch, as the authors'
collator does, so that padding and the prompt can move a segment. `paper` compares each pair by
itself, without padding.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal

SegmentRule = Literal["paper", "released"]
Mask = list[bool]


def changed_tokens(
    chosen_ids: Sequence[int], rejected_ids: Sequence[int], rule: SegmentRule, min_match: int = 3
) -> tuple[Mask, Mask]:
    """Mark the tokens of both sequences that lie in a segment replaced by another one.

    A segment counts only where both sequences have tokens between two matches: an insertion or a
    deletion marks nothing. Runs of fewer than `min_match` equal tokens are no match.
    """
    chosen, rejected = [False] * len(chosen_ids), [False] * len(rejected_ids)
    # Faithful: with autojunk, in sequences of 200 tokens and more, tokens that occur often in the
    # chosen one cannot anchor a match; the rejected sequence is always difflib's first.
    matcher = SequenceMatcher(None, rejected_ids, chosen_ids, autojunk=rule == "released")
    for in_rejected, in_chosen in _replaced(matcher, min_match):
        rejected[in_rejected] = [True] * len(rejected[in_rejected])
        chosen[in_chosen] = [True] * len(chosen[in_chosen])
    return chosen, rejected


def changed_in_batch(
    chosen: Sequence[Sequence[int]],
    rejected: Sequence[Sequence[int]],
    rule: SegmentRule,
    pad_id: int,
    min_match: int = 3,
) -> list[tuple[Mask, Mask]]:
    """Mark the changed tokens of whole, unpadded sequences, pair by pair.

    The masks leave out the first token of each sequence, which nothing predicts: they index
    log-probabilities per token.
    """
    longest_chosen = max(map(len, chosen), default=0)
    longest_rejected = max(map(len, rejected), default=0)
    masks = []
    for chosen_ids, rejected_ids in zip(chosen, rejected, strict=True):
        left, right = list(chosen_ids[1:]), list(rejected_ids[1:])
        sizes = len(left), len(right)
        if rule == "released":
            # Faithful: the authors diff after padding, each side to its own longest sequence.
            left += [pad_id] * (longest_chosen - len(chosen_ids))
            right += [pad_id] * (longest_rejected - len(rejected_ids))
        in_chosen, in_rejected = changed_tokens(left, right, rule, min_match)
        masks.append((in_chosen[: sizes[0]], in_rejected[: sizes[1]]))
    return masks


def _replaced(matcher: SequenceMatcher[int], min_match: int) -> Iterator[tuple[slice, slice]]:
    """Yield the gaps between long matches that hold tokens on both sides."""
    first = second = 0
    for block in matcher.get_matching_blocks():
        is_end = block.size == 0
        if block.size < min_match and not is_end:
            continue
        if block.a > first and block.b > second:
            yield slice(first, block.a), slice(second, block.b)
        first, second = block.a + block.size, block.b + block.size
