"""Tokens beside the responses: scored in the same packed row, as in the plain step."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from test_packed_policy import IMAGE, TOLERANCE, Images, models, pairs
from two_row_step import error, plain_logps

from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.rows.collate import Collator, no_segments
from harness.training.step.passes import Share

ALL = frozenset({"prompt", "end", "end_again"})


def batch_of(made, marks):
    by_row = sorted(made, key=lambda pair: pair.row)
    collate = Collator(by_row, Images(), no_segments, {}, IMAGE, marks=marks)
    return collate([pair.row for pair in made])


@settings(deadline=None, max_examples=20)
@given(pairs())
def test_marked_tokens_have_the_log_probabilities_of_the_plain_step(made):
    """Of a whole row: the prompt's text, the response, and its end token once more."""
    policy, tower, plain = models(torch.float64)
    batch = batch_of(made, ALL)
    found = policy(batch, tower.features(batch.images))
    pixels = torch.stack([Images().tensor(pair.images[0]) for pair in made]).double()
    for side in ("chosen", "rejected"):
        masks, ours = getattr(batch, side), getattr(found, side)
        rows = [
            [*pair.prompt.tolist(), *response.tolist(), int(response[-1])]
            for pair in made
            for response in (getattr(pair, side),)
        ]
        theirs = plain_logps(plain, rows, [1] * len(rows), pixels).split([len(r) - 1 for r in rows])
        for i, (pair, row, values) in enumerate(zip(made, rows, theirs, strict=True)):
            prompt, length = len(pair.prompt) - 1, len(getattr(pair, side))
            is_text = torch.tensor(row[1 : prompt + 1]) != IMAGE
            expected = {
                "mask": values[prompt : prompt + length],
                "end": values[prompt + length - 1 : prompt + length],
                "end_again": values[prompt + length :],
                "prompt": values[:prompt][is_text],
            }
            for name, right in expected.items():
                there = masks.mask if name == "mask" else masks.marks[name]
                assert error(ours[i][there[i]], right) <= TOLERANCE[torch.float64], name
        assert (ours[~masks.scored] == 0).all()


@settings(deadline=None, max_examples=20)
@given(pairs())
def test_who_asks_for_none_gets_the_row_of_before(made):
    """The same positions, predictions and places; responses stand first also with marks."""
    plain, marked = batch_of(made, frozenset()), batch_of(made, ALL)
    assert plain.chosen.marks == plain.rejected.marks == {}
    assert plain.chosen.scored is plain.chosen.mask
    for side in ("chosen", "rejected"):
        mask = getattr(plain, side).mask
        wider = getattr(marked, side).mask
        assert torch.equal(wider[:, : mask.shape[1]], mask)
        assert not wider[:, mask.shape[1] :].any()
    assert marked.packed.positions <= plain.packed.positions + 2 * len(made)


def pair(row, prompt, chosen, rejected, cut=False):
    ids = (torch.tensor(part, dtype=torch.int32) for part in (prompt, chosen, rejected))
    return TokenizedPair(row, *ids, images=(ImageRef(row, 0, str(row)),), cut=cut)


PROMPT = [1, IMAGE, IMAGE, IMAGE, IMAGE, 3]


def test_a_response_that_lost_its_end_has_none_to_mark():
    """Of a pair that was cut the longest response was."""
    made = [pair(0, PROMPT, [4, 5, 2], [4, 2], cut=True), pair(1, PROMPT, [4, 2], [5, 2])]
    batch = batch_of(made, ALL)
    for name in ("end", "end_again"):
        assert batch.chosen.marks[name].sum(-1).tolist() == [0, 1]
        assert batch.rejected.marks[name].sum(-1).tolist() == [1, 1]


@pytest.mark.parametrize("marks", [frozenset(), ALL])
def test_passes_are_joined_with_their_marks(marks):
    made = [pair(0, PROMPT, [4, 5, 6, 2], [4, 2]), pair(1, [*PROMPT, 3, 4], [4, 2], [5, 2])]
    whole = batch_of(made, marks).chosen
    alone = [batch_of([replace(one, row=0)], marks) for one in made]
    joined = Share.of(alone).chosen
    assert joined.marks.keys() == whole.marks.keys() == marks
    for name in marks:
        assert joined.marks[name].sum(-1).tolist() == whole.marks[name].sum(-1).tolist()
