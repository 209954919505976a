from math import log, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from method_batches import pair_batches, response, sums
from torch.testing import assert_close

from harness.training.contract.batches import rows, swapped, total
from harness.training.contract.ranks import OneRank, on_ranks
from methods.dpo import METHOD, DPOConfig, dpo_loss, loss
from methods.logps import (
    equal_shares,
    gap_metrics,
    reward_gap,
    sequence_means,
    sequence_sums,
    token_weights,
    weighted_means,
    weighted_sums,
)
from methods.types import NoState, PairBatch

CONFIG = DPOConfig(beta=0.1)


def test_sums_and_means_count_response_tokens_only():
    """Row 0: -1 - 2 = -3 over 2 tokens. Row 1: -4 over 1 token; -8 lies outside the mask."""
    logps = torch.tensor([[-1.0, -2.0], [-4.0, -8.0]])
    mask = torch.tensor([[True, True], [True, False]])
    assert sequence_sums(logps, mask).tolist() == [-3.0, -4.0]
    assert sequence_means(logps, mask).tolist() == [-1.5, -4.0]


def test_weighted_sums_and_means():
    """-1 * 1 - 2 * 3 = -7; the weights sum to 4."""
    logps, weights = torch.tensor([[-1.0, -2.0]]), torch.tensor([[1.0, 3.0]])
    assert weighted_sums(logps, weights).tolist() == [-7.0]
    assert weighted_means(logps, weights).tolist() == [-1.75]


def test_mean_over_no_token_is_not_a_number():
    mean = sequence_means(torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool))
    assert mean.tolist() == pytest.approx([nan], nan_ok=True)


def test_changed_tokens_weigh_gamma_and_padding_nothing():
    one = response([[-1, -1, -1]], [[-1, -1, -1]], mask=[[1, 1, 0]], changed=[[0, 1, 1]])
    assert token_weights(one, 5.0).tolist() == [[1.0, 5.0, 0.0]]


def test_reward_gap_by_hand():
    """Policy: -3 - (-7) = 4. Reference: -5 - (-6) = 1. Gap: 3 nats."""
    assert reward_gap(sums([-3.0], [-7.0], [-5.0], [-6.0])).tolist() == [3.0]


def test_reward_gap_with_a_stored_reference_rounds_it_alone():
    """bfloat16 keeps 8 bits: -129.4 becomes -129, and the policy's 0.25 stays."""
    batch = sums([-0.25], [0.0], [-129.4], [0.0])
    assert reward_gap(batch, torch.bfloat16).tolist() == [128.75]


def test_accuracy_counts_positive_gaps_only():
    metrics = gap_metrics(torch.tensor([-1.0, 0.0, 2.0]))
    assert metrics["accuracy"].tolist() == [0.0, 0.0, 1.0]
    assert metrics["reward_gap"].tolist() == [-1.0, 0.0, 2.0]


def test_dpo_loss_by_hand():
    """Gap ln(3) / 0.1, so beta * gap = ln 3, and -log sigmoid(ln 3) = -log(3 / 4)."""
    assert dpo_loss(sums([log(3) / 0.1]), CONFIG).tolist() == pytest.approx([log(4 / 3)])


def test_policy_equal_to_reference_gives_log_two():
    same = response([[-3.0], [-7.0]], [[-3.0], [-7.0]])
    losses = dpo_loss(PairBatch(same, same, {}), CONFIG)
    assert losses.tolist() == pytest.approx([log(2)] * 2)


@given(pair_batches())
def test_swapping_the_pair_negates_the_margin(batch):
    """log s(x) - log s(-x) = x: the two losses differ by the margin."""
    there, back = (dpo_loss(one, CONFIG) for one in (batch, swapped(batch)))
    assert_close(back - there, CONFIG.beta * reward_gap(batch))


@given(pair_batches(), st.floats(-5, 5))
def test_a_shift_of_policy_and_reference_changes_nothing(batch, shift):
    one = batch.chosen
    moved = response(
        (one.policy + shift).tolist(), (one.reference + shift).tolist(), one.mask.tolist()
    )
    shifted = PairBatch(moved, batch.rejected, batch.columns)
    assert_close(dpo_loss(shifted, CONFIG), dpo_loss(batch, CONFIG))


@given(pair_batches())
def test_a_pair_does_not_depend_on_its_batch(batch):
    alone = torch.cat([dpo_loss(rows(batch, [i]), CONFIG) for i in range(len(reward_gap(batch)))])
    assert_close(alone, dpo_loss(batch, CONFIG))


def test_gradient_by_hand():
    """At gap 0 the slope is -beta * sigmoid(0) = -0.05 for the chosen, +0.05 for the rejected."""
    batch = sums([0.0])
    for side in (batch.chosen, batch.rejected):
        side.policy.requires_grad_()
    dpo_loss(batch, CONFIG).sum().backward()
    assert batch.chosen.policy.grad.item() == pytest.approx(-0.05)
    assert batch.rejected.policy.grad.item() == pytest.approx(0.05)


def test_equal_shares_count_the_pairs_of_all_ranks():
    parts = [torch.zeros(2), torch.ones(2)]
    shares = on_ranks(lambda part, config, state, context: equal_shares(part, context), parts, 0, 0)
    assert [share.tolist() for share in shares] == [[0.25, 0.25]] * 2


@given(pair_batches(min_pairs=4, max_pairs=4))
def test_ranks_change_nothing(batch):
    whole = loss(batch, CONFIG, NoState(), OneRank())
    outputs = on_ranks(loss, [rows(batch, [0, 1]), rows(batch, [2, 3])], CONFIG, NoState())
    assert_close(total(outputs), total([whole]))
    assert_close(total([whole]), dpo_loss(batch, CONFIG).mean())


def test_the_method_says_what_it_is():
    assert (METHOD.name, METHOD.columns) == ("dpo", frozenset())
    assert METHOD.init_state(CONFIG) == NoState()
    with pytest.raises(ValueError, match="beta"):
        METHOD.config(beta=0.0)
