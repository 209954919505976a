"""DAMA at its edges: one pair kept, all kept, one pair per rank, extreme gaps, missing columns."""

from math import log

import pytest
import torch
from dama_settings import RELEASED, start
from hypothesis import given
from hypothesis import strategies as st
from method_batches import pair_batches, sums
from torch.testing import assert_close

from harness.training.contract.batches import rows, total
from harness.training.contract.ranks import OneRank, on_ranks
from methods.dama import METHOD, SELECTIONS, DAMAConfig, DAMAState, kept_count, loss
from methods.dpo import DPOConfig
from methods.dpo import loss as dpo
from methods.types import NoState, PairBatch


@pytest.mark.parametrize("rule", sorted(SELECTIONS))
def test_one_kept_pair_speaks_for_the_batch(rule):
    """K = 1: of gaps 90 and ln 3 around 0 the second stays; its sigmoid 3/4 over 1/2 is 1.5."""
    config = DAMAConfig(data_aware=False, keep=0.5, selection=rule)
    output = loss(sums([90.0, log(3)]), config, start(), OneRank())
    assert output.metrics["kept"].tolist() == [0.0, 1.0]
    assert output.metrics["alpha_m"].item() == pytest.approx(1.5)
    assert output.state.gap_mean.item() == pytest.approx(0.1 * log(3))


@given(pair_batches(min_pairs=2), st.sampled_from(sorted(SELECTIONS)), st.floats(-30, 30))
def test_keeping_all_pairs_makes_the_rules_one(batch, rule, gap_mean):
    """K = N: the statistics are those of the whole batch, in whichever order it was drawn."""
    config = DAMAConfig(keep=1.0, selection=rule, drop_unselected=True)
    output = loss(batch, config, start(gap_mean), OneRank())
    plain = loss(batch, DAMAConfig(keep=1.0), start(gap_mean), OneRank())
    assert output.metrics["kept"].tolist() == [1.0] * len(output.losses)
    assert torch.equal(output.weights, plain.weights)
    assert_close(output.losses, plain.losses)
    assert_close(output.state.gap_mean, plain.state.gap_mean)


@given(pair_batches(min_pairs=4, max_pairs=4), st.booleans())
def test_with_one_pair_per_rank_a_kept_pair_has_its_rank_to_itself(batch, per_rank):
    """3 of 4 kept: 1/4 each when ranks are averaged (the fourth gives zero), else 1/3 each."""
    average = "per_rank" if per_rank else "global"
    config = RELEASED.model_copy(update={"average": average})
    outputs = on_ranks(loss, [rows(batch, [i]) for i in range(4)], config, start())
    kept = torch.cat([output.metrics["kept"] for output in outputs])
    assert kept.sum() == 3
    weights = torch.cat([output.weights for output in outputs])
    assert_close(weights, kept / (4 if per_rank else 3))
    whole = loss(batch, config, start(), OneRank()).losses
    assert_close(torch.cat([output.losses for output in outputs]), whole)


@pytest.mark.parametrize("extreme", [1e6, -1e6])
@pytest.mark.parametrize("config", [DAMAConfig(), RELEASED], ids=["paper", "code"])
def test_gaps_of_a_million_nats_give_finite_numbers(extreme, config):
    config = config.model_copy(update={"data_aware": False})
    batch = sums([extreme, -extreme, 0.0, 1.0, -1.0], dtype=torch.float32)
    batch.chosen.policy.requires_grad_()
    output = loss(batch, config, DAMAState(torch.tensor(0.0)), OneRank())
    total([output]).backward()
    assert torch.isfinite(batch.chosen.policy.grad).all()
    assert torch.isfinite(total([output]))
    assert torch.isfinite(output.state.gap_mean)


def test_a_recorded_rule_that_keeps_all_makes_dama_dpo(monkeypatch):
    """Without touching `keep`: the rule alone decides."""
    monkeypatch.setitem(SELECTIONS, "all", lambda gaps, mean, count, rng: torch.arange(len(gaps)))
    batch = sums([0.3, -2.0, 5.0], dtype=torch.float32)
    config = DAMAConfig(data_aware=False, model_aware=False, selection="all", drop_unselected=True)
    output = loss(batch, config, METHOD.init_state(config), OneRank())
    plain = dpo(batch, DPOConfig(), NoState(), OneRank())
    assert torch.equal(output.losses, plain.losses)
    assert torch.equal(output.weights, plain.weights)


def test_a_batch_without_the_mean_over_the_data_says_what_to_do():
    batch = sums([0.0, 0.0])
    batch = PairBatch(batch.chosen, batch.rejected, {"clip_gap": torch.zeros(2)})
    with pytest.raises(ValueError, match="column clip_gap_mean"):
        loss(batch, DAMAConfig(), start(), OneRank())


@pytest.mark.parametrize(("pairs", "kept"), [(16, 12), (8, 6), (4, 3), (2, 1), (1, 0)])
def test_k_is_rounded_down_as_released(pairs, kept):
    """int(N * (1 - 0.2)); no pair left is a problem that is known before work starts."""
    assert kept_count(DAMAConfig(), pairs) == kept
    assert (METHOD.batch_problem(DAMAConfig(), pairs) is None) == (kept > 0)
