"""Draws of clusters: known values, scipy's bootstrap, coverage by simulation, and speed."""

import time

import numpy as np
import pytest
from scipy import stats

from harness.statistics.bootstrap import bootstrap
from harness.statistics.clusters import clustered
from harness.statistics.measure import Sampled, measure


def ratio(totals):
    return totals["part"] / totals["whole"]


def same(value):
    return value


def table(parts, wholes, clusters=None):
    items = [
        {"part": part, "whole": whole}
        for part, whole in zip(map(float, parts), wholes, strict=True)
    ]
    return clustered(items, clusters or [f"{place:05}" for place in range(len(items))])


def one(found, draws):
    return Sampled(np.array([found.value(ratio)]), draws)


def interval(found, seed=0, draws=2000):
    measured = measure(
        same, len(found.clusters), one(found, bootstrap([found], [ratio], draws, seed)[0])
    )
    return measured.low, measured.high


def test_items_of_a_picture_are_added_up_by_hand():
    found = table([1, 2, 4], [10, 20, 40], ["b", "a", "b"])
    assert found.clusters == ("a", "b")
    assert found.sums.tolist() == [[2, 20], [5, 50]]
    assert found.value(ratio) == 0.1


def test_a_name_that_an_item_lacks_gets_nothing_from_it():
    found = clustered([{"part": 1.0, "whole": 1.0}, {"whole": 3.0}], ["a", "b"])
    assert found.value(ratio) == 0.25


def test_a_rate_is_a_ratio_of_sums_and_no_mean_of_ratios():
    """1 of 1 and 0 of 9: a tenth of all, not a half."""
    found = table([1, 0], [1, 9])
    draws = bootstrap([found], [ratio], draws=4000)[0, 0]
    assert set(np.unique(draws)) == {0.0, 0.1, 1.0}
    assert np.mean(draws == 0.1) == pytest.approx(0.5, abs=0.03)


def test_the_interval_is_that_of_scipy():
    rng = np.random.default_rng(3)
    parts, wholes = rng.binomial(8, 0.3, 120), np.full(120, 8)
    found = table(parts, wholes)
    ours = interval(found, draws=10_000)
    theirs = stats.bootstrap(
        (parts, wholes), lambda p, w: p.sum(-1) / w.sum(-1), paired=True, vectorized=False,
        n_resamples=9999, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_the_same_seed_gives_the_same_draws():
    found = table(range(1, 9), [10] * 8)
    assert interval(found, seed=5) == interval(found, seed=5)
    assert interval(found, seed=5) != interval(found, seed=6)


def test_answers_about_one_picture_count_as_one():
    """Eight answers each that agree: as wide as the 30 pictures alone, by hand 1/sqrt(30)."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, 2, 30)
    pictures = [f"{place:02}" for place in range(30)]
    alone = interval(table(right, [1] * 30, pictures))
    eightfold = interval(table(np.repeat(right, 8), [1] * 240, list(np.repeat(pictures, 8))))
    careless = interval(table(np.repeat(right, 8), [1] * 240))
    assert eightfold == pytest.approx(alone, abs=1e-12)
    assert careless[1] - careless[0] < 0.5 * (alone[1] - alone[0])


def test_tables_of_other_clusters_are_not_drawn_together():
    with pytest.raises(ValueError, match="same clusters"):
        bootstrap([table([1], [1], ["a"]), table([1], [1], ["b"])], [ratio])


def test_no_draw_that_differs_leaves_no_interval():
    assert interval(table([1] * 9, [1] * 9)) == (None, None)


def test_too_many_draws_without_a_number_leave_no_interval():
    """One item of two has something to divide by: a quarter of the draws has nothing."""
    assert interval(table([1, 0], [2, 0])) == (None, None)


def covered(kind, runs, seed):
    """How often the interval of a made sample holds the true rate, of a population's size."""
    rng = np.random.default_rng(seed)
    hits = 0
    for run in range(runs):
        if kind == "clusters":  # 60 pictures with 1 to 6 questions that go together
            sizes = rng.integers(1, 7, 60)
            right = rng.binomial(sizes, rng.beta(2, 1, 60))
            found, true = table(right, sizes), 2 / 3
        elif kind == "ratio":  # long descriptions mention more: 100 of them
            whole = rng.poisson(6, 100) + 1
            found, true = table(rng.binomial(whole, 0.1), whole), 0.1
        else:
            found, true = table(rng.binomial(1, 0.3, 96), [1] * 96), 0.3
        low, high = interval(found, run, draws=600)
        hits += low <= true <= high
    return hits / runs


@pytest.mark.parametrize("kind", ["clusters", "ratio", "items"])
def test_the_interval_holds_the_truth_as_often_as_it_says(kind):
    assert 0.90 <= covered(kind, runs=400, seed=1) <= 0.97


def test_all_of_amber_is_drawn_ten_thousand_times_within_ten_seconds():
    rng = np.random.default_rng(0)
    pictures = [f"{place:04}" for place in np.sort(rng.integers(0, 1004, 15_220 - 1004))]
    pictures += [f"{place:04}" for place in range(1004)]
    found = table(rng.integers(0, 2, 15_220), [1] * 15_220, pictures)
    start = time.perf_counter()
    draws = bootstrap([found, found], [ratio], draws=10_000)
    assert time.perf_counter() - start < 10
    assert draws.shape == (1, 2, 10_000)
    assert draws[0, 0].std() == pytest.approx(0.5 / 15_220**0.5, rel=0.1)
