import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reporting.statistics import over_seeds

VALUES = st.lists(st.floats(min_value=-100, max_value=100), min_size=2, max_size=6)


def test_interval_of_two_seeds_by_hand():
    """10 and 12: mean 11, s = sqrt(2), t(1) = 12.7062; 12.7062 * sqrt(2) / sqrt(2) = 12.7062."""
    estimate = over_seeds([10.0, 12.0])
    assert estimate.mean == 11.0
    assert estimate.half_width == pytest.approx(12.7062, abs=1e-4)


def test_interval_of_three_seeds_by_hand():
    """1, 2, 3: mean 2, s = 1, t(2) = 4.30265; 4.30265 / sqrt(3) = 2.48414."""
    estimate = over_seeds([3.0, 1.0, 2.0])
    assert (estimate.mean, estimate.count) == (2.0, 3)
    assert estimate.half_width == pytest.approx(2.48414, abs=1e-5)


def test_one_seed_has_no_interval():
    assert over_seeds([7.5]).half_width is None


def test_no_seed_is_an_error():
    with pytest.raises(ValueError, match="no values"):
        over_seeds([])


@given(VALUES, st.floats(min_value=-50, max_value=50))
def test_adding_a_constant_moves_the_mean_and_keeps_the_interval(values, shift):
    plain, moved = over_seeds(values), over_seeds([value + shift for value in values])
    assert moved.mean == pytest.approx(plain.mean + shift, abs=1e-9)
    assert moved.half_width == pytest.approx(plain.half_width, abs=1e-6)
