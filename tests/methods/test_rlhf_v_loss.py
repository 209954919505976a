from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from method_batches import pair_batches, response, sums
from torch.testing import assert_close

from harness.training.contract.batches import swapped, total
from harness.training.contract.ranks import OneRank
from methods.dpo import DPOConfig, dpo_loss
from methods.dpo import loss as plain
from methods.rlhf_v import METHOD, RLHFVConfig, dense_gap, loss, rlhf_v_loss
from methods.types import NoState, PairBatch

RELEASED = RLHFVConfig(beta=0.1, gamma=1.1, normalise=False, segments="released")


def batch_by_hand():
    """Chosen: -1, -2 (the second changed). Rejected: -4 (changed). Reference: zero."""
    return PairBatch(
        chosen=response([[-1.0, -2.0]], [[0.0, 0.0]], changed=[[0, 1]]),
        rejected=response([[-4.0, 0.0]], [[0.0, 0.0]], mask=[[1, 0]], changed=[[1, 0]]),
        columns={},
    )


def test_dense_gap_by_hand():
    """Gamma 5: chosen -1 - 5 * 2 = -11, rejected -5 * 4 = -20; the gap is 9."""
    config = RLHFVConfig(gamma=5.0, normalise=False)
    assert dense_gap(batch_by_hand(), config).tolist() == pytest.approx([9.0])


def test_normalised_dense_gap_by_hand():
    """Gamma 5: chosen -11 / 6, rejected -20 / 5; the gap is 4 - 11 / 6."""
    config = RLHFVConfig(gamma=5.0, normalise=True)
    assert dense_gap(batch_by_hand(), config).tolist() == pytest.approx([4 - 11 / 6])


def test_policy_equal_to_reference_gives_log_two():
    same = response([[-3.0, -1.0]], [[-3.0, -1.0]], changed=[[1, 0]])
    for config in (RLHFVConfig(), RELEASED):
        assert rlhf_v_loss(PairBatch(same, same, {}), config).tolist() == pytest.approx([log(2)])


@given(pair_batches(dtype=torch.float32), st.sampled_from([0.1, 0.5]))
def test_gamma_one_without_normaliser_is_dpo_bit_for_bit(batch, beta):
    config = RLHFVConfig(beta=beta, gamma=1.0, normalise=False)
    results = []
    for method, chosen_config in ((loss, config), (plain, DPOConfig(beta=beta))):
        policies = [side.policy.clone().requires_grad_() for side in (batch.chosen, batch.rejected)]
        sides = [
            type(side)(policy, side.reference, side.mask, side.changed)
            for side, policy in zip((batch.chosen, batch.rejected), policies, strict=True)
        ]
        output = method(PairBatch(*sides, batch.columns), chosen_config, NoState(), OneRank())
        total([output]).backward()
        results.append((output.losses, output.weights, *(policy.grad for policy in policies)))
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)


@given(pair_batches())
def test_without_changed_tokens_gamma_does_not_matter(batch):
    same = [
        response(side.policy.tolist(), side.reference.tolist(), side.mask.tolist())
        for side in (batch.chosen, batch.rejected)
    ]
    unchanged = PairBatch(*same, {})
    assert_close(rlhf_v_loss(unchanged, RELEASED), dpo_loss(unchanged, DPOConfig(beta=0.1)))


@given(pair_batches(), st.booleans())
def test_swapping_the_pair_negates_the_dense_margin(batch, normalise):
    config = RLHFVConfig(normalise=normalise)
    there, back = (rlhf_v_loss(one, config) for one in (batch, swapped(batch)))
    assert_close(back - there, config.beta * dense_gap(batch, config))


def test_the_reported_gap_is_the_unweighted_one():
    """Plain sums: -3 - (-4) = 1; weighted with 1.1: -3.2 - (-4.4) = 1.2."""
    metrics = loss(batch_by_hand(), RELEASED, NoState(), OneRank()).metrics
    assert metrics["reward_gap"].tolist() == pytest.approx([1.0])
    assert metrics["dense_gap"].tolist() == pytest.approx([1.2])


def test_loss_is_the_mean_over_the_pairs():
    """Two one-token pairs, gaps ln 3 / 0.1 and 0: the mean of log(4 / 3) and log 2."""
    output = loss(sums([log(3) / 0.1, 0.0]), RELEASED, NoState(), OneRank())
    assert total([output]).item() == pytest.approx((log(4 / 3) + log(2)) / 2)


def test_the_method_says_what_it_is():
    assert METHOD.name == "rlhf_v"
    assert METHOD.init_state(METHOD.config()) == NoState()
    with pytest.raises(ValueError, match="segments"):
        METHOD.config(segments="words")
