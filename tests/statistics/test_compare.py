"""Tests of two rows on the same items, and of many pairs together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.clusters import clustered
from harness.statistics.compare import holm, permutation, student
from harness.statistics.measure import Measured


def rate(totals):
    return totals["part"] / totals["whole"]


def table(parts, clusters=None):
    names = clusters or [f"{place:04}" for place in range(len(parts))]
    return clustered([{"part": float(part), "whole": 1.0} for part in parts], names)


def p(first, second, clusters=None):
    return permutation(table(first, clusters), table(second, clusters), [rate])[0]


def test_few_clusters_are_tried_in_all_ways_by_hand():
    """Five of five better: of 32 ways two are as extreme."""
    assert p([1] * 5, [0] * 5) == 2 / 32


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=9))
def test_the_exact_p_value_is_that_of_scipy(pairs):
    first, second = (np.array(side, float) for side in zip(*pairs, strict=True))
    theirs = stats.permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), permutation_type="samples",
        n_resamples=np.inf, vectorized=False,
    ).pvalue  # fmt: skip
    assert p(first, second) == pytest.approx(theirs)


def test_many_clusters_by_chance_agree_with_a_sign_test():
    """60 pairs differ, 40 to 20: by the binomial 0.0135."""
    rng = np.random.default_rng(0)
    moves = rng.permutation([1] * 40 + [-1] * 20 + [0] * 100)
    first, second = np.where(moves > 0, 1, 0), np.where(moves < 0, 1, 0)
    assert p(first, second) == pytest.approx(stats.binomtest(40, 60).pvalue, abs=0.005)


def test_what_is_said_about_one_picture_changes_sides_together():
    """Three pictures with ten answers each: no p-value below 2 / 8."""
    clusters = list(np.repeat(["a", "b", "c"], 10))
    assert p([1] * 30, [0] * 30, clusters) == 0.25
    assert p([1] * 30, [0] * 30) < 0.001


def test_under_no_difference_one_in_twenty_is_below_the_level():
    rng = np.random.default_rng(5)
    found = [p(rng.integers(0, 2, 12), rng.integers(0, 2, 12)) for _ in range(300)]
    assert np.mean(np.array(found) <= 0.05) <= 0.07


def test_equal_rows_have_a_p_value_of_one():
    assert p([1, 0, 1], [1, 0, 1]) == 1.0


def test_rows_of_other_clusters_are_not_paired():
    with pytest.raises(ValueError, match="same clusters"):
        permutation(table([1], ["a"]), table([1], ["b"]), [rate])


def test_holm_by_hand():
    """0.01 * 4, 0.02 * 3, 0.03 * 2, and 0.04 may not be below what came before."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_the_p_value_and_bonferronis_and_keeps_the_order(values):
    found = holm(values)
    for value, adjusted in zip(values, found, strict=True):
        assert value - 1e-12 <= adjusted <= min(1, value * len(values)) + 1e-12
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [found[place] for place in order] == sorted(found)


def test_students_p_value_is_that_of_scipy():
    measured = Measured(2.0, None, None, 0.5, 0.5, 7.0)
    assert student(measured) == pytest.approx(2 * stats.t.sf(2.0, 7))
    assert student(Measured(0.0, None, None, 0.0, 0.0, 5.0)) == 1.0
