"""Intervals of quantities of several rows, over items and seeds."""

import numpy as np
import pytest

from harness.statistics.bootstrap import bootstrap
from harness.statistics.clusters import clustered
from harness.statistics.compare import student
from harness.statistics.measure import Sampled, measure


def rate(totals):
    return totals["part"] / totals["whole"]


def sampled(*seeds, draws=4000):
    tables = [
        clustered(
            [{"part": float(x), "whole": 1.0} for x in part], [f"{i:03}" for i in range(len(part))]
        )
        for part in seeds
    ]
    values = np.array([one.value(rate) for one in tables])
    return Sampled(values, bootstrap(tables, [rate], draws)[0])


def difference(first, second):
    return first - second


def test_a_difference_on_the_same_items_is_narrower_than_on_others():
    """Both rows fail on the same items, so that the items' share of the error cancels."""
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 2, 200)
    better = hard * rng.binomial(1, 0.9, 200)
    paired = measure(difference, 200, sampled(better), sampled(hard))
    other = measure(difference, 200, sampled(better), sampled(rng.permutation(hard)))
    assert paired.value == pytest.approx(np.mean(better - hard))
    assert paired.high < 0
    assert paired.error < 0.5 * other.error


def test_the_error_of_a_paired_difference_by_hand():
    """Differences of 40 times -1 in 100: sqrt(0.4 * 0.6 / 100) = 0.049."""
    measured = measure(difference, 100, sampled([0] * 100), sampled([1] * 40 + [0] * 60))
    assert measured.error == pytest.approx(0.049, abs=0.002)
    assert (measured.low, measured.high) == pytest.approx((-0.50, -0.31), abs=0.02)


def test_the_smallest_difference_that_is_shown_by_hand():
    """t(99) at 97.5 % and 80 %: 1.984 + 0.845 = 2.829 standard errors."""
    measured = measure(difference, 100, sampled([0] * 100), sampled([1] * 40 + [0] * 60))
    assert measured.smallest == pytest.approx(2.829 * measured.error, rel=1e-3)


def test_so_large_a_difference_is_shown_in_eighty_of_a_hundred_samples():
    rng = np.random.default_rng(2)
    draws = np.zeros((1, 500))
    first = measure(difference, 200, *_rows(rng.normal(0, 0.5, 200), draws))
    moves = [rng.normal(first.smallest, 0.5, 200) for _ in range(200)]
    found = [student(measure(difference, 200, *_rows(one, draws))) for one in moves]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.8, abs=0.07)


def _rows(moves, nothing):
    """A row that moves by so much on each item, and one that does not."""
    row = sampled(moves, draws=nothing.shape[1])
    return row, Sampled(np.zeros(1), nothing)


def test_a_reduction_relative_to_the_other_row_by_hand():
    """20 of 100 instead of 50: 60 % less."""
    found = measure(lambda a, b: 100 * (b - a) / b, 100,
                    sampled([1] * 20 + [0] * 80), sampled([1] * 50 + [0] * 50))  # fmt: skip
    assert found.value == pytest.approx(60)
    assert found.low < 60 < found.high


def test_seeds_add_their_own_variance_by_hand():
    """Values 10, 20 and 30 %: s^2 / 3 = 33.3 percent^2, beside that of the items."""
    rows = [[1] * count + [0] * (100 - count) for count in (10, 20, 30)]
    measured = measure(lambda value: 100 * value, 100, sampled(*rows))
    assert measured.value == pytest.approx(20)
    assert measured.seeds_variance == pytest.approx(100 / 3)
    assert measured.items_variance > 0
    assert 2 < measured.degrees < 99
    assert measured.high - measured.value == pytest.approx(measured.value - measured.low)
    assert measured.high - measured.value > 4.30 * (100 / 3) ** 0.5 * 0.6


def test_coverage_over_seeds_and_items():
    """Three trainings that differ by 4 points on 150 items: the interval holds the true rate."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(200):
        hard = rng.beta(2, 3, 150)
        rows = [rng.binomial(1, np.clip(hard + rng.normal(0, 0.04), 0, 1)) for _ in range(3)]
        measured = measure(lambda value: value, 150, sampled(*rows, draws=300))
        hits += measured.low <= 0.4 <= measured.high
    assert hits / 200 >= 0.90


def test_equal_rows_have_no_interval_and_no_error():
    measured = measure(difference, 100, sampled([1] * 100), sampled([1] * 100))
    assert (measured.value, measured.low, measured.error) == (0.0, None, 0.0)
