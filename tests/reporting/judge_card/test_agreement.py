"""Two judges of the same answers: known values, laws, and the coverage of the intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.reporting.judge_card.agreement import agreement, interval, itself, spearman
from harness.reporting.judge_card.found import Interval


def grades(*rows):
    return np.array(rows, dtype=float)


def test_known_values():
    found = agreement(grades([1, 2, 6, 4]), grades([0, 2, 3, 5]), lambda grade: grade < 3, 100)
    assert found.bias.value == pytest.approx(0.75)
    assert found.error.value == pytest.approx(1.25)
    assert found.rank.value == pytest.approx(0.8)
    assert found.verdicts.value == 1.0
    worse = agreement(grades([3, 2, 6, 4]), grades([0, 2, 3, 5]), lambda grade: grade < 3, 100)
    assert worse.verdicts.value == 0.75


def test_runs_are_averaged_before_they_are_compared():
    found = agreement(grades([1, 1], [3, 3]), grades([2, 2]), None, 100)
    assert found.error.value == 0
    assert found.verdicts == Interval(None)


def test_the_spread_of_a_judge_with_itself():
    """Runs 0 5, 1 5 and 3 5: the pairs differ by 1, 3 and 2 on one answer of two."""
    found = itself(grades([0, 5], [1, 5], [3, 5]), 100)
    assert found.error.value == pytest.approx(1.0)
    assert found.bias.value == pytest.approx(1.0)
    assert itself(grades([0, 5]), 100) is None


GRADES = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=2, max_size=30)


@settings(deadline=None)
@given(GRADES, st.integers(-5, 5))
def test_a_judge_beside_itself_is_the_same_and_a_shift_is_its_bias(pairs, shift):
    official = np.array(pairs, dtype=float).T
    same = agreement(official, official, None, 50)
    assert same.bias == Interval(0.0, 0.0, 0.0)
    assert same.error == Interval(0.0, 0.0, 0.0)
    assert same.rank.value is None or same.rank.value == pytest.approx(1.0)
    moved = agreement(official + shift, official, None, 50)
    assert moved.bias.value == pytest.approx(shift)
    assert moved.error.value == pytest.approx(abs(shift))


@settings(deadline=None)
@given(GRADES)
def test_the_rank_correlation_is_scipys(pairs):
    one, two = np.array(pairs, dtype=float).T
    found = spearman(one[None], two[None])[0]
    if len(set(one)) == 1 or len(set(two)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(one, two).statistic)


def test_the_interval_of_a_bias_holds_it_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        official = random.integers(0, 7, 96).astype(float)
        judge = official + random.normal(0.3, 1.5, 96)
        found = interval(lambda one, two: (one - two).mean(axis=1), judge, official, 500)
        held += found.low <= 0.3 <= found.high
    assert 0.90 <= held / 200 <= 0.98
