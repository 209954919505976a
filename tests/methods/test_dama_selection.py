from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.training.contract.ranks import generator
from methods.dama import SELECTIONS, gaussian_draw, nearest

GAPS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20)


def tensor(values):
    return torch.tensor(values, dtype=torch.float32)


def test_nearest_keeps_the_smallest_distances_and_of_ties_the_lowest_index():
    """Distances to 1: 2 1 1 0 3; the tie of 1 and 2 goes to index 1."""
    kept = nearest(tensor([3.0, 0.0, 2.0, 1.0, -2.0]), tensor(1.0), 2, generator())
    assert kept.tolist() == [3, 1]


@given(GAPS, st.floats(-1e6, 1e6, width=32), st.data(), st.sampled_from(sorted(SELECTIONS)))
def test_every_rule_keeps_so_many_different_pairs(gaps, running_mean, data, rule):
    """Also for gaps whose weights are zero in float32, and up to the largest float32."""
    count = data.draw(st.integers(1, len(gaps)))
    kept = SELECTIONS[rule](tensor(gaps), tensor(running_mean), count, generator()).tolist()
    assert len(set(kept)) == count
    assert set(kept) <= set(range(len(gaps)))


def test_far_from_the_mean_the_draw_is_the_nearest():
    """At 100 nats and more, one nat of distance decides by a factor of e^100."""
    gaps, mean = tensor([103.0, 100.0, 102.0, 101.0]), tensor(0.0)
    assert gaussian_draw(gaps, mean, 2, generator()).tolist() == [1, 3]


def test_the_draw_is_a_function_of_the_generator():
    gaps, mean = torch.linspace(-1, 1, 16), tensor(0.0)
    first, again, other = (gaussian_draw(gaps, mean, 8, generator(s)).tolist() for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("gap", [0.0, 1e6, -1e6, 1e12, 3e38])
def test_equal_gaps_are_drawn_alike_however_far_they_are(gap):
    """3 of 6 equal gaps, 2,000 draws: each comes in half of them, within four standard errors."""
    gaps, rng, counts = tensor([gap] * 6), generator(5), torch.zeros(6)
    for _ in range(2_000):
        counts[gaussian_draw(gaps, tensor(0.0), 3, rng)] += 1
    assert (counts / 2_000 - 0.5).abs().max() < 4 * (0.25 / 2_000) ** 0.5


def test_far_gaps_keep_the_ratio_of_their_weights():
    """Around -1e6, gaps -1e-6 and 0: squares differ by 2, so the nearer one weighs e times more."""
    gaps, mean = torch.tensor([1e6 + 1e-6, 1e6], dtype=torch.float64), tensor(0.0)
    rng, first = generator(7), 0
    for _ in range(4_000):
        first += gaussian_draw(gaps, mean, 1, rng).item() == 1
    chance = 2.718281828 / (1 + 2.718281828)
    assert first / 4_000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4_000) ** 0.5)


@pytest.mark.parametrize("rule", sorted(SELECTIONS))
@pytest.mark.parametrize("wrong", [float("inf"), float("-inf"), float("nan")])
def test_a_gap_that_is_not_finite_is_kept_only_when_all_are(rule, wrong):
    gaps = tensor([wrong, 1e6, -1e6, 0.0])
    kept = [SELECTIONS[rule](gaps, tensor(0.0), n, generator()).tolist() for n in (3, 4)]
    assert [sorted(indices) for indices in kept] == [[1, 2, 3], [0, 1, 2, 3]]
    nothing = tensor([wrong] * 4)
    assert len(set(SELECTIONS[rule](nothing, tensor(0.0), 2, generator()).tolist())) == 2


def exact_probability(weights, count):
    """Chance of every ordered outcome of successive draws without replacement."""
    chances = {}
    for outcome in permutations(range(len(weights)), count):
        chance, rest = 1.0, sum(weights)
        for index in outcome:
            chance *= weights[index] / rest
            rest -= weights[index]
        chances[outcome] = chance
    return chances


def test_ordered_draws_follow_the_weights():
    """4 gaps, 2 drawn: 12 outcomes; 20,000 draws put each within four standard errors."""
    gaps, draws = [0.0, 0.5, -1.0, 2.0], 20_000
    weights = [torch.tensor(-0.5 * gap**2).exp().item() for gap in gaps]
    rng = generator(3)
    counts = dict.fromkeys(permutations(range(4), 2), 0)
    for _ in range(draws):
        counts[tuple(gaussian_draw(tensor(gaps), tensor(0.0), 2, rng).tolist())] += 1
    for outcome, chance in exact_probability(weights, 2).items():
        error = (chance * (1 - chance) / draws) ** 0.5
        assert counts[outcome] / draws == pytest.approx(chance, abs=4 * error)
