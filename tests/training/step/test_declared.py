"""A method reads what it declared; anything else is an error, not zeros."""

import copy
import dataclasses
import threading

import pytest
import torch
from known_loop import Threads, known_loop, run_steps

from harness.errors import TrainingError
from methods.logps import equal_shares, reward_gap, sequence_sums, token_weights
from methods.types import LossOutput, Method, MethodConfig, NoState, ResponseLogps, Segments

SEEN = []


def method(read, **declared):
    """Return a method that hands what it gets to `read` and trains on the policy alone."""

    def loss(batch, config, state, context):
        SEEN.append(read(batch))
        losses = -sequence_sums(batch.chosen.policy, batch.chosen.mask)
        return LossOutput(losses, equal_shares(losses, context), state, {})

    return Method(
        name="mine",
        config=MethodConfig,
        loss=loss,
        init_state=lambda config: NoState(),
        source="",
        **declared,
    )


def seen(folder, read, **declared):
    """Return what the method could read in a step of whole batches."""
    SEEN.clear()
    here = Threads(0, 1, threading.Barrier(1), {})
    run_steps(known_loop(folder, method(read, **declared), here), folder)
    (found,) = SEEN
    return found


def segments(config):
    return Segments("paper")


@pytest.mark.parametrize(
    "read",
    [lambda batch: batch.chosen.reference, lambda batch: batch.rejected.reference, reward_gap],
)
def test_without_needs_reference_there_is_none_to_read(read, tmp_path):
    with pytest.raises(TrainingError, match="`reference`: the method declares needs_reference=Fal"):
        seen(tmp_path, read, needs_reference=False, segments=segments)


@pytest.mark.parametrize(
    "read",
    [lambda batch: batch.chosen.changed, lambda batch: token_weights(batch.rejected, 5.0)],
)
def test_without_segments_there_are_no_changed_tokens_to_read(read, tmp_path):
    with pytest.raises(TrainingError, match="`changed`: the method declares no segments for this"):
        seen(tmp_path, read)


def test_without_marks_there_are_none_to_read(tmp_path):
    with pytest.raises(TrainingError, match="`marks`: the method declares no marks"):
        seen(tmp_path, lambda batch: batch.chosen.marks["prompt"], segments=segments)


@pytest.mark.parametrize("name", ["log_sum_p2", "arg_max"])
def test_without_statistics_there_are_none_to_read(tmp_path, name):
    with pytest.raises(TrainingError, match="`statistics`: the method declares no statistics"):
        seen(tmp_path, lambda batch: batch.chosen.statistics[name], segments=segments)


def test_without_token_columns_there_are_none_to_read(tmp_path):
    with pytest.raises(TrainingError, match="`columns`: the method declares no token_columns"):
        seen(tmp_path, lambda batch: batch.chosen.columns["severity"], segments=segments)


def test_what_is_declared_is_there(tmp_path):
    batch = seen(tmp_path, lambda batch: batch, segments=segments)
    assert batch.chosen.reference.shape == batch.chosen.changed.shape == batch.chosen.policy.shape
    assert batch.chosen.changed.any()


def test_a_batch_can_be_printed_copied_and_asked_for_what_it_has(tmp_path):
    batch = seen(tmp_path, lambda batch: batch, needs_reference=False)
    response = batch.chosen
    assert "policy=" in repr(batch)
    assert "reference=" not in repr(batch)
    assert not hasattr(response, "reference")
    assert torch.equal(copy.copy(response).policy, response.policy)
    with pytest.raises(AttributeError, match="`chosen`: ResponseLogps has no such field"):
        _ = response.chosen


def test_a_whole_one_can_be_made_and_changed_by_anybody():
    mask = torch.ones(2, 3, dtype=torch.bool)
    made = ResponseLogps(
        policy=torch.zeros(2, 3), reference=torch.ones(2, 3), mask=mask, changed=mask
    )
    assert dataclasses.replace(made, reference=made.policy).reference is made.policy
