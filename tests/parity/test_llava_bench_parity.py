"""LLaVA-Bench (In-the-Wild) against recorded runs of LLaVA's scripts."""

import pytest
from recorded import official, recorded

from benchmarks.llava_bench import BENCHMARK, grades_in
from benchmarks.types import Response, Sample

RECORDED = recorded("llava_bench")


@pytest.fixture(params=RECORDED["scenarios"])
def scenario(request):
    return RECORDED["scenarios"][request.param]


@pytest.fixture
def scores(scenario):
    samples = [Sample(i, "", "", category) for i, category in enumerate(RECORDED["categories"])]
    return official(
        BENCHMARK,
        [
            BENCHMARK.score(sample, Response(sample.id, "an answer"), [reply])
            for sample, reply in zip(samples, scenario["replies"], strict=True)
        ],
    )


def test_every_pair_of_grades_is_the_recorded_one(scenario, scores):
    assert [[score.reference, score.model] for score in scores] == scenario["tuples"]


def test_every_printed_number_is_the_recorded_one(scenario, scores):
    """The first number of a row is the relative score; the two means are not reported."""
    rows = [line.split() for line in scenario["printed"].splitlines()[1:-1]]
    printed = {name.removeprefix("llava_bench_"): float(first) for name, first, *_ in rows}
    assert BENCHMARK.aggregate(scores) == printed


@pytest.mark.parametrize(("review", "pair"), RECORDED["parse_score"])
def test_odd_replies_are_read_as_recorded(review, pair):
    grades = grades_in(review)
    read = [-1, -1] if grades is None else list(grades)
    assert repr([float(value) for value in read]) == repr([float(value) for value in pair])
