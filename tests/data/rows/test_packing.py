"""The packed row: what is shared stands once, and nothing else changes."""

import pytest
import torch
from dense_attention import row_mask
from hypothesis import given, settings
from made_trees import batches, gradients, language_model, packed_logps, plain_logps

from harness.data.rows.packing import pack

WRONG = 0.01
"""Relative; what is right is right to 1e-9."""


def test_a_pair_shares_prompt_and_the_beginning_of_its_responses():
    """Prompt 1 2, responses 3 4 5 and 3 6: 1 2 3 stand once; the last tokens are no inputs."""
    row, places = pack([[1, 2, 3, 4, 5], [1, 2, 3, 6]], [2, 2])
    assert row.input_ids.tolist() == [1, 2, 3, 4]
    assert row.position_ids.tolist() == [0, 1, 2, 3]
    assert row.predicting.tolist() == [1, 2, 3, 2]
    assert row.targets.tolist() == [3, 4, 5, 6]
    assert row.needed.tolist() == [1, 2, 3]
    assert row.needed_places.tolist() == [0, 1, 2, 1]
    assert [segment.needed for segment in row.segments] == [3]
    assert [index.tolist() for index in places] == [[0, 1, 2], [0, 3]]


def test_branches_restart_at_the_depth_of_their_parent_and_do_not_see_each_other():
    """Root 1, branches 2 3 and 4 5: the second stands behind the first and sees only the root."""
    row, _ = pack([[1, 2, 3, 0], [1, 4, 5, 0]], [1, 1])
    assert row.input_ids.tolist() == [1, 2, 3, 4, 5]
    assert row.position_ids.tolist() == [0, 1, 2, 1, 2]
    assert row.node_lengths == (1, 2, 2)
    first, second = row.segments
    assert (first.length, first.visible) == (3, (0, 1))
    assert (second.length, second.visible) == (2, (0, 2))


def test_what_stands_behind_a_needed_position_is_needed():
    """Prompt 1, response 2 3; prompt 1 2 3 4 5, response 6 7: behind 3 and 4 nobody asks."""
    row, _ = pack([[1, 2, 3], [1, 2, 3, 4, 5, 6, 7]], [1, 5])
    assert row.predicting.tolist() == [0, 1, 4, 5]
    assert row.needed.tolist() == [0, 1, 2, 3, 4, 5]
    assert row.needed_places.tolist() == [0, 1, 4, 5]


@settings(deadline=None, max_examples=60)
@given(batches())
def test_needed_are_the_last_positions_of_every_segment(batch):
    row, _ = pack(*batch)
    assert torch.equal(row.needed[row.needed_places], row.predicting)
    end = 0
    found = []
    for segment in row.segments:
        end += segment.length
        found += range(end - segment.needed, end)
    assert row.needed.tolist() == found
    firsts = {segment.needed for segment in row.segments}
    assert 0 not in firsts


def test_image_places_are_known_without_the_device():
    row, _ = pack([[1, -1, -2, 5, 6], [1, -3, -4, 5, 6]], [3, 3])
    assert row.image_places.tolist() == [1, 2, 4, 5]
    assert row.image_slots.tolist() == [0, 1, 2, 3]


def test_images_with_different_slots_are_not_shared():
    """-1 and -2 are the features of one image, -3 and -4 those of another."""
    row, _ = pack([[1, -1, -2, 5, 6], [1, -3, -4, 5, 6]], [3, 3])
    assert row.input_ids.tolist() == [1, -1, -2, 5, -3, -4, 5]


@settings(deadline=None, max_examples=60)
@given(batches())
def test_packed_logps_and_gradients_equal_those_of_each_sequence_alone(batch):
    """In float64 to 1e-9: one-token, equal and prefix responses and equal prompts included."""
    sequences, starts = batch
    row, places = pack(sequences, starts)
    # One pass for all: what they share gets the gradients of all.
    found = packed_logps(row)
    together = torch.cat([found[index] for index in places])
    alone = torch.cat(
        [plain_logps(ids, start) for ids, start in zip(sequences, starts, strict=True)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(
        gradients(language_model("packed_segments"), together),
        gradients(language_model("sdpa"), alone),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(batches())
def test_no_prefix_stands_twice(batch):
    """As many positions as there are different beginnings of sequences, last tokens apart."""
    sequences, starts = batch
    row, _ = pack(sequences, starts)
    beginnings = {tuple(ids[:end]) for ids in sequences for end in range(1, len(ids))}
    assert row.positions == len(beginnings) == sum(row.node_lengths)
    assert row.positions == sum(segment.length for segment in row.segments)


TREE = [[1, 2, 3, 4, 0], [1, 2, 5, 6, 0]], [2, 2]
"""A prompt of two tokens and two responses that share nothing."""


def test_restarted_positions_without_segments_are_wrong():
    """Plain causal attention over the packed row lets the second response see the first.

    The first response stands before the second, sees nothing else, and is right.
    """
    row, places = pack(*TREE)
    found = packed_logps(row, "sdpa", attention_mask=None)
    first, second = (found[index] for index in places)
    torch.testing.assert_close(first, plain_logps(TREE[0][0], 2), rtol=1e-9, atol=1e-9)
    assert relative_error(second, plain_logps(TREE[0][1], 2)) > WRONG


def test_eager_attention_with_a_boolean_mask_is_wrong():
    """Hugging Face's eager attention adds the mask to the scores: True is 1, and hides nothing.

    The same mask is right where SDPA reads it, and in eager attention as 0 and minus infinity.
    """
    row, _ = pack(*TREE)
    added = row_mask(row, torch.float64)[None, None]
    true = packed_logps(row)
    right = gradients(language_model("packed_segments"), true)
    cases = (("sdpa", added == 0, True), ("eager", added, True), ("eager", added == 0, False))
    for attention, mask, exact in cases:
        found = packed_logps(row, attention, attention_mask=mask)
        error = gradient_error(gradients(language_model(attention), found), right)
        if exact:
            # Eager attention takes its softmax in float32, whatever the model's dtype.
            assert max(relative_error(found, true), error) < (1e-9 if attention == "sdpa" else 1e-6)
        else:
            assert min(relative_error(found, true), error) > WRONG


def relative_error(found, right):
    return float(((found - right).norm() / right.norm()).detach())


def gradient_error(found, right):
    return relative_error(*(torch.cat([one.flatten() for one in all_]) for all_ in (found, right)))


@pytest.mark.parametrize("attention", ["packed_segments", "packed_dense", "eager"])
def test_the_models_of_these_tests_are_equal(attention):
    for ours, theirs in zip(
        language_model(attention).parameters(), language_model("sdpa").parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
