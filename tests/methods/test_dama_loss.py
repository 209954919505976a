from math import exp, log

import pytest
import torch
from dama_settings import RELEASED, start
from hypothesis import given
from hypothesis import strategies as st
from method_batches import pair_batches, sums
from torch.testing import assert_close

from harness.training.contract.batches import rows, total
from harness.training.contract.ranks import OneRank, generator, on_ranks
from methods.dama import METHOD, SELECTIONS, DAMAConfig, DAMAState, loss
from methods.dpo import DPOConfig
from methods.dpo import loss as dpo
from methods.types import NoState, PairBatch

PLAIN = DAMAConfig(data_aware=False, model_aware=False, keep=1.0)


def with_columns(batch, clip_gap, mean):
    columns = {"clip_gap": clip_gap, "clip_gap_mean": [mean] * len(clip_gap)}
    columns = {name: torch.tensor(values).double() for name, values in columns.items()}
    return PairBatch(batch.chosen, batch.rejected, columns)


def replay(monkeypatch, indices):
    """Add a selection rule that returns a recorded draw."""
    monkeypatch.setitem(SELECTIONS, "recorded", lambda *_: torch.tensor(indices))
    return "recorded"


@given(pair_batches(dtype=torch.float32), st.sampled_from([0.1, 0.3]), st.booleans(), st.booleans())
def test_without_its_factors_dama_is_dpo_bit_for_bit(batch, beta, drop, per_rank):
    average = "per_rank" if per_rank else "global"
    config = PLAIN.model_copy(update={"beta": beta, "drop_unselected": drop, "average": average})
    results = []
    for method, chosen_config, state in (
        (loss, config, METHOD.init_state(config)),
        (dpo, DPOConfig(beta=beta), NoState()),
    ):
        policies = [side.policy.clone().requires_grad_() for side in (batch.chosen, batch.rejected)]
        sides = [
            type(side)(policy, side.reference, side.mask, side.changed)
            for side, policy in zip((batch.chosen, batch.rejected), policies, strict=True)
        ]
        output = method(PairBatch(*sides, batch.columns), chosen_config, state, OneRank())
        total([output]).backward()
        results.append((output.losses, output.weights, *(policy.grad for policy in policies)))
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)


@given(pair_batches(min_pairs=2))
def test_first_step_scales_beta_by_the_data_alone(batch):
    """With the policy at the reference, every gap and the running mean are zero: alpha_M is one."""
    sides = (batch.chosen, batch.rejected)
    equal = [type(side)(side.reference, side.reference, side.mask, side.changed) for side in sides]
    output = loss(PairBatch(*equal, batch.columns), DAMAConfig(), start(), OneRank())
    assert output.metrics["alpha_m"].item() == pytest.approx(1.0, rel=1e-12)
    assert_close(output.metrics["beta"], 0.1 * output.metrics["alpha_d"])
    assert_close(output.losses, torch.full_like(output.losses, log(2)))


def test_data_factor_by_hand():
    """clip_gap ln 3 and mean 0: sigmoid 3/4 over 1/2 is 1.5. clip_gap 0: exactly 1."""
    batch = with_columns(sums([0.0, 0.0]), [log(3), 0.0], mean=0.0)
    output = loss(batch, DAMAConfig(), start(), OneRank())
    assert output.metrics["alpha_d"].tolist() == pytest.approx([1.5, 1.0])
    assert output.metrics["beta"].tolist() == pytest.approx([0.15, 0.1])


def test_a_given_mean_replaces_that_of_the_data_set():
    """Mean ln 3 has sigmoid 3/4: a pair with clip_gap 0 gets (1/2) / (3/4) = 2/3."""
    batch = with_columns(sums([0.0, 0.0]), [0.0, 0.0], mean=0.0)
    config = DAMAConfig(mean_clip_gap=log(3))
    assert loss(batch, config, start(), OneRank()).metrics["alpha_d"].tolist() == pytest.approx(
        [2 / 3] * 2
    )


@pytest.mark.parametrize(
    ("factor", "expected"),
    [("sigmoid_of_mean", 1.0), ("mean_of_sigmoids", (0.25 + 1 / (1 + 3**-3)) / 2 / 0.5)],
)
def test_model_factor_by_hand(factor, expected):
    """Gaps -ln 3 and 3 ln 3 have mean ln 3, running mean ln 3: sigmoid of the mean gives 1.

    The mean of sigmoids: (1/4 + 27/28) / 2, over sigmoid(0) when the running mean is 0.
    """
    running = log(3) if factor == "sigmoid_of_mean" else 0.0
    config = DAMAConfig(data_aware=False, keep=1.0, model_factor=factor)
    output = loss(sums([-log(3), 3 * log(3)]), config, start(running), OneRank())
    assert output.metrics["alpha_m"].item() == pytest.approx(expected)


@pytest.mark.parametrize("factor", ["sigmoid_of_mean", "mean_of_sigmoids"])
def test_a_running_mean_of_minus_two_hundred_nats_leaves_the_factor_finite(factor):
    """sigmoid(-190) / sigmoid(-200) is e^10 to 80 digits; both are zero in float32."""
    config = DAMAConfig(data_aware=False, keep=1.0, model_factor=factor)
    batch = sums([-190.0] * 2, dtype=torch.float32)
    output = loss(batch, config, DAMAState(torch.tensor(-200.0)), OneRank())
    assert output.metrics["alpha_m"].dtype == torch.float32
    assert output.metrics["alpha_m"].item() == pytest.approx(exp(10))


@pytest.mark.parametrize(("update", "expected"), [("kept", 0.9 + 0.2), ("all", 0.9 + 0.5)])
def test_running_mean_moves_after_the_loss(update, expected):
    """Gaps 2 and 8, running mean 1, one of two kept: 0.9 * 1 + 0.1 * 2, or 0.1 * 5 with all."""
    config = DAMAConfig(data_aware=False, keep=0.5, mean_update=update)
    output = loss(sums([2.0, 8.0]), config, start(1.0), OneRank())
    assert output.state.gap_mean.item() == pytest.approx(expected)
    assert output.metrics["gap_mean"].item() == 1.0


@given(pair_batches(min_pairs=2))
def test_evaluation_leaves_the_state_alone(batch):
    state = start(0.5)
    assert loss(batch, DAMAConfig(), state, OneRank(training=False)).state is state


@given(pair_batches(min_pairs=2))
def test_beta_carries_no_gradient(batch):
    """The slope is -beta * sigmoid(-beta * gap) with beta as a constant."""
    batch.chosen.policy.requires_grad_()
    output = loss(batch, DAMAConfig(), start(), OneRank())
    output.losses.sum().backward()
    beta, gaps = output.metrics["beta"], output.metrics["reward_gap"]
    slope = -beta * torch.sigmoid(-beta * gaps)
    assert_close(batch.chosen.policy.grad, slope[:, None] * batch.chosen.mask)
    assert not any(metric.requires_grad for metric in output.metrics.values())


def test_min_beta_bounds_the_scaled_beta():
    """Running mean 30, gaps 0: alpha_M is 1/2 over almost 1, beta 0.05; the bound 0.07 wins."""
    config = DAMAConfig(data_aware=False, keep=1.0, min_beta=0.07)
    output = loss(sums([0.0, 0.0]), config, start(30.0), OneRank())
    assert output.metrics["beta"].tolist() == [0.07, 0.07]


def test_unselected_pairs_stay_in_the_loss_unless_dropped(monkeypatch):
    batch = sums([0.0, 1.0, 2.0, 3.0])
    rule = replay(monkeypatch, [3, 1])
    shares = {}
    for drop in (False, True):
        config = DAMAConfig(data_aware=False, keep=0.5, selection=rule, drop_unselected=drop)
        output = loss(batch, config, start(), OneRank())
        shares[drop] = output.weights.tolist()
        assert output.metrics["kept"].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert shares == {False: [0.25] * 4, True: [0.0, 0.5, 0.0, 0.5]}


def test_a_repeated_index_counts_twice_in_the_factor_and_once_in_the_loss(monkeypatch):
    """Gaps 0 and ln 3, drawn 0 0 0 1: mean of sigmoids (3/2 + 3/4) / 4 = 9/16, over 1/2."""
    config = RELEASED.model_copy(
        update={"data_aware": False, "selection": replay(monkeypatch, [0, 0, 0, 1])}
    )
    output = loss(sums([0.0, log(3), 0.0, 0.0, 0.0]), config, start(), OneRank())
    assert output.metrics["alpha_m"].item() == pytest.approx(9 / 8)
    assert output.weights.tolist() == [0.5, 0.5, 0.0, 0.0, 0.0]


def test_per_rank_average_weighs_the_kept_pairs_of_each_rank_alone(monkeypatch):
    """Two ranks of two pairs, kept 0, 1 and 2: rank 0 shares 1/2 in two, rank 1 gives it to one."""
    rule = replay(monkeypatch, [0, 1, 2])
    config = RELEASED.model_copy(update={"data_aware": False, "selection": rule})
    batch = sums([0.0] * 4)
    outputs = on_ranks(loss, [rows(batch, [0, 1]), rows(batch, [2, 3])], config, start())
    assert [output.weights.tolist() for output in outputs] == [[0.25, 0.25], [0.5, 0.0]]


def test_a_rank_that_kept_nothing_gives_no_loss(monkeypatch):
    rule = replay(monkeypatch, [0, 1, 0])
    config = RELEASED.model_copy(update={"data_aware": False, "selection": rule})
    batch = sums([0.0] * 4)
    outputs = on_ranks(loss, [rows(batch, [0, 1]), rows(batch, [2, 3])], config, start())
    assert [output.weights.tolist() for output in outputs] == [[0.25, 0.25], [0.0, 0.0]]


@given(pair_batches(min_pairs=6, max_pairs=6), st.permutations(range(6)))
def test_the_global_average_does_not_depend_on_who_holds_which_pair(batch, order):
    config = DAMAConfig(keep=1.0)
    whole = loss(batch, config, start(0.3), OneRank())
    parts = [rows(batch, order[i : i + 2]) for i in (0, 2, 4)]
    outputs = on_ranks(loss, parts, config, start(0.3))
    assert_close(total(outputs), total([whole]))
    for output in outputs:
        assert_close(output.state.gap_mean, whole.state.gap_mean)


@given(pair_batches(min_pairs=8, max_pairs=8), st.integers(0, 100))
def test_all_ranks_draw_the_same_pairs(batch, seed):
    whole = OneRank(shared_rng=generator(seed))
    expected = loss(batch, RELEASED, start(), whole).metrics["kept"]
    parts = [rows(batch, list(range(i, i + 2))) for i in (0, 2, 4, 6)]
    outputs = on_ranks(loss, parts, RELEASED, start(), seed=seed)
    assert torch.equal(torch.cat([output.metrics["kept"] for output in outputs]), expected)
    assert expected.sum() == 6


def test_a_batch_too_small_for_the_filter_says_what_to_do():
    with pytest.raises(ValueError, match=r"keep=0\.8 leaves none of the 1 pairs.*batch_pairs"):
        loss(sums([0.0]), DAMAConfig(data_aware=False), start(), OneRank())


@pytest.mark.parametrize(
    "wrong",
    [
        {"selection": "furthest"},
        {"keep": 0.0},
        {"momentum": 1.1},
        {"mean_clip_gap": "batch"},
        {"mean_clip_gap": float("nan")},
        {"sigma": 1.0},
    ],
)
def test_wrong_values_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DAMAConfig(**wrong)


def test_the_method_says_what_it_reads():
    assert (METHOD.name, METHOD.columns) == ("dama", frozenset({"clip_gap"}))
    assert METHOD.init_state(DAMAConfig()).gap_mean.item() == 0.0
