"""Two judges of the same answers: bias, error, rank correlation, with the official one's spread."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.reporting.judge_card.found import Agreement, Interval

Grades = NDArray[np.float64]
"""Runs x answers: what a judge gave each answer in each of its runs."""
Statistic = Callable[[Grades, Grades], Grades]
"""From two judges' grades, resamples x answers, to one number per resample."""

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0
_CHUNK = 500


def agreement(
    judge: Grades,
    other: Grades,
    is_bad: Callable[[Grades], NDArray[np.bool_]] | None = None,
    resamples: int = RESAMPLES,
) -> Agreement:
    """Compare the mean grades that two judges gave the same answers.

    Args:
        judge: Runs x answers.
        other: Runs x answers, of the judge to compare with.
        is_bad: Tells which grades mean a hallucination; None where none does.
        resamples: Draws of answers for the intervals.
    """
    ours, theirs = judge.mean(axis=0), other.mean(axis=0)

    return Agreement(
        bias=interval(lambda one, two: (one - two).mean(axis=1), ours, theirs, resamples),
        error=interval(lambda one, two: np.abs(one - two).mean(axis=1), ours, theirs, resamples),
        rank=interval(spearman, ours, theirs, resamples),
        verdicts=Interval(None)
        if is_bad is None
        else interval(_same(is_bad), ours, theirs, resamples),
    )


def _same(is_bad: Callable[[Grades], NDArray[np.bool_]]) -> Statistic:
    """Return the share of answers about which two judges have one verdict."""

    def share(one: Grades, two: Grades) -> Grades:
        equal: Grades = (is_bad(one) == is_bad(two)).mean(axis=1)
        return equal

    return share


def itself(official: Grades, resamples: int = RESAMPLES) -> Agreement | None:
    """Compare a judge's runs with one another: the yardstick. None for a single run.

    Every pair of runs is compared; bias and error are the means over the pairs of what is meant
    without a sign, so that a judge that repeats itself has zero.
    """
    runs = len(official)
    pairs = [(one, two) for one in range(runs) for two in range(one + 1, runs)]
    if not pairs:
        return None

    def over_pairs(statistic: Statistic) -> Callable[[Grades], Grades]:
        def of(sample: Grades) -> Grades:
            values = [statistic(sample[:, one], sample[:, two]) for one, two in pairs]
            mean: Grades = np.mean(values, axis=0)
            return mean

        return of

    def bootstrapped(statistic: Statistic) -> Interval:
        of = over_pairs(statistic)
        return _interval(of(official[None])[0], _resampled(of, official, resamples))

    return Agreement(
        bias=bootstrapped(lambda one, two: np.abs((one - two).mean(axis=1))),
        error=bootstrapped(lambda one, two: np.abs(one - two).mean(axis=1)),
        rank=bootstrapped(spearman),
        verdicts=Interval(None),
    )


def interval(statistic: Statistic, one: Grades, two: Grades, resamples: int) -> Interval:
    """Return a statistic of paired grades with its interval by bootstrap over answers."""
    both = np.stack([one, two])

    def of(sample: Grades) -> Grades:
        return statistic(sample[:, 0], sample[:, 1])

    return _interval(of(both[None])[0], _resampled(of, both, resamples))


def spearman(one: Grades, two: Grades) -> Grades:
    """Return the rank correlation of each row; nan where one of them is constant."""
    first, second = (_ranks(grades) for grades in (one, two))
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        correlation: Grades = (first * second).sum(axis=1) / np.where(spread > 0, spread, np.nan)
    return correlation


def _ranks(grades: Grades) -> Grades:
    """Return the rank of each grade in its row; equal ones share the mean of their ranks."""
    order = grades.argsort(axis=1, kind="stable")
    ordered = np.take_along_axis(grades, order, axis=1)
    begins = np.ones(ordered.shape, bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    (first,) = begins.ravel().nonzero()
    equal = np.diff(first, append=begins.size)
    mean = first % grades.shape[1] + (equal + 1) / 2
    ranks = np.empty(grades.shape)
    np.put_along_axis(ranks, order, mean.repeat(equal).reshape(grades.shape), axis=1)
    return ranks


def _resampled(of: Callable[[Grades], Grades], grades: Grades, resamples: int) -> Grades:
    """Return a statistic of draws of answers, the same draws for all judges; grades: runs x n."""
    random = np.random.default_rng(SEED)
    count = grades.shape[1]
    values = []
    for start in range(0, resamples, _CHUNK):
        draws = random.integers(0, count, size=(min(_CHUNK, resamples - start), count))
        values.append(of(grades[:, draws].swapaxes(0, 1)))
    return np.concatenate(values)


def _interval(value: float, draws: Grades) -> Interval:
    """Return the percentile interval; resamples in which the number is not defined are left out."""
    if not np.isfinite(value):
        return Interval(None)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))
