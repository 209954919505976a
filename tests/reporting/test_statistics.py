"""Means over seeds and worlds, and their intervals: by hand, by laws, by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.reporting.statistics import estimate_of

VALUES = st.lists(st.floats(min_value=-100, max_value=100), min_size=2, max_size=6)


def test_interval_of_two_seeds_by_hand():
    """10 and 12: mean 11, s = sqrt(2), t(1) = 12.7062; 12.7062 * sqrt(2) / sqrt(2) = 12.7062."""
    estimate = estimate_of({0: [10.0, 12.0]})
    assert estimate.mean == 11.0
    assert estimate.half_width == pytest.approx(12.7062, abs=1e-4)


def test_interval_of_three_seeds_by_hand():
    """1, 2, 3: mean 2, s = 1, t(2) = 4.30265; 4.30265 / sqrt(3) = 2.48414."""
    estimate = estimate_of({0: [3.0, 1.0, 2.0]})
    assert (estimate.mean, estimate.count, estimate.worlds) == (2.0, 3, 1)
    assert estimate.half_width == pytest.approx(2.48414, abs=1e-5)


def test_interval_over_runs_is_that_of_their_means_by_hand():
    """Means 1, 2, 3 whatever the seeds within them: 2 ± 2.48414. Every world counts alike."""
    estimate = estimate_of({0: [0.0, 2.0], 1: [2.0], 2: [-7.0, 3.0, 13.0]})
    assert (estimate.mean, estimate.count, estimate.worlds) == (2.0, 6, 3)
    assert estimate.half_width == pytest.approx(2.48414, abs=1e-5)


def test_one_value_has_no_interval():
    assert estimate_of({3: [7.5]}).half_width is None


def test_nothing_is_an_error():
    with pytest.raises(ValueError, match="no values"):
        estimate_of({0: []})


@given(VALUES, st.floats(min_value=-50, max_value=50))
def test_adding_a_constant_moves_the_mean_and_keeps_the_interval(values, shift):
    plain = estimate_of({0: values})
    moved = estimate_of({0: [value + shift for value in values]})
    assert moved.mean == pytest.approx(plain.mean + shift, abs=1e-9)
    assert moved.half_width == pytest.approx(plain.half_width, abs=1e-6)


@given(VALUES)
def test_the_p_value_is_that_of_a_one_sample_t_test(values):
    if np.std(values) > 1e-6:
        expected = stats.ttest_1samp(values, 0.0).pvalue
        assert estimate_of({0: values}).p_value == pytest.approx(expected, abs=1e-9)


def test_no_spread_at_all_is_told_apart_unless_it_is_zero():
    assert estimate_of({0: [2.0, 2.0]}).p_value == 0.0
    assert estimate_of({0: [0.0, 0.0]}).p_value == 1.0


@pytest.mark.parametrize(("of_worlds", "of_seeds"), [(0.0, 1.0), (1.0, 1.0), (3.0, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(of_worlds, of_seeds):
    """Three seeds in each of three worlds; the spread of worlds may be none or most of it."""
    random = np.random.default_rng(0)
    times, truth, held = 4000, 5.0, 0
    for _ in range(times):
        worlds = truth + of_worlds * random.standard_normal(3)
        values = worlds[:, None] + of_seeds * random.standard_normal((3, 3))
        estimate = estimate_of(dict(enumerate(values.tolist())))
        held += abs(estimate.mean - truth) <= estimate.half_width
    assert 0.935 <= held / times <= 0.965


def test_an_interval_that_takes_all_runs_for_one_world_would_be_too_narrow():
    """Why worlds are told apart: nine runs as nine independent ones hold it in two of three."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        worlds = 2.0 * random.standard_normal(3)
        values = (worlds[:, None] + random.standard_normal((3, 3))).ravel()
        estimate = estimate_of({0: values.tolist()})
        held += abs(estimate.mean) <= estimate.half_width
    assert held / 2000 < 0.8
