"""MM-Vet: the ladder of attempts, several runs, and rounding as numpy does it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mm_vet import (
    BENCHMARK,
    CALLS,
    Correctness,
    correctness_in,
    mean,
    rounded,
    runs_in,
)
from benchmarks.types import FAILED_CALL, Response, Unscored

ROW = {
    "imagename": "v1_0.png",
    "question": "Where?",
    "answer": "here<AND>now<OR>there",
    "capability": ["spat", "rec", "rec"],
}
FILES = {"mm-vet.json": json.dumps({"v1_0": ROW}), "judge_prompt.txt": "TABLE"}
tenths = st.integers(0, 10).map(lambda value: value / 10)


def test_the_request_is_an_open_row_of_the_table():
    (sample,) = BENCHMARK.read(FILES)
    request = BENCHMARK.request(sample, Response("v1_0", "up|there\n!"))
    assert request == "TABLE\nWhere? | here <AND> now <OR> there | up|there\n! | "


def test_two_answers_by_hand():
    """1.0 for rec alone and 0.5 for rec and spat: total and rec 75, spat 50."""
    scores = [Correctness((1.0,), ("rec",)), Correctness((0.5,), ("rec", "spat"))]
    assert BENCHMARK.aggregate(scores) == {
        "total": 75.0,
        "rec": 75.0,
        "spat": 50.0,
        "integration/rec": 100.0,
        "integration/rec_spat": 50.0,
    }


def test_two_runs_have_a_mean_and_a_population_deviation():
    """Runs of 20 and 40 percent: mean 30, every run 10 away from it."""
    metrics = BENCHMARK.aggregate([Correctness((0.2, 0.4), ("ocr",))])
    assert (metrics["total"], metrics["total_std"]) == (30.0, 10.0)


def test_ladder_of_temperatures():
    assert [call.temperature for call in CALLS] == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert [bool(call.suffix) for call in CALLS] == [False] + [True] * 5


@pytest.mark.parametrize(
    ("replies", "runs"),
    [
        (["0.5"], [0.5]),
        (["?", "0.5"], [0.5]),
        (["?"] * 4 + ["0.9"], [0.9]),
        (["?"] * 5 + ["0.9"], [None]),  # the sixth reply is never read
        (["?"] * 5 + [FAILED_CALL, "0.9"], [0.9]),  # a refused call restarts the count
        (["0.1", "?", "0.3"], [0.1, 0.3]),
        (["?"], [None]),
        ([], []),
    ],
)
def test_replies_fall_into_runs(replies, runs):
    assert runs_in(replies) == runs


@pytest.mark.parametrize(
    ("reply", "value"),
    [("1", 1.0), (".5", 0.5), ("0.8 |", 0.8), (" 0.5", None), ("1.1", None), ("0.5.", None)],
)
def test_numbers_in_replies(reply, value):
    assert correctness_in(reply) == value


def test_one_failed_run_leaves_the_sample_unscored_and_counts_zero():
    (sample,) = BENCHMARK.read(FILES)
    score = BENCHMARK.score(sample, Response("v1_0", "x"), ["0.5", *["?"] * 6])
    assert isinstance(score, Unscored)
    assert score.counted_as == Correctness((0.5, 0.0), ("rec", "spat"))


def test_nan_counts_for_the_published_script_only():
    (sample,) = BENCHMARK.read(FILES)
    score = BENCHMARK.score(sample, Response("v1_0", "x"), ["nan"])
    assert isinstance(score, Unscored)
    assert math.isnan(BENCHMARK.aggregate([score.counted_as])["total"])


def test_no_scores_give_no_metrics():
    assert BENCHMARK.aggregate([]) == {}


def test_samples_with_different_numbers_of_runs_are_refused():
    with pytest.raises(ValueError, match="numbers of runs"):
        BENCHMARK.aggregate([Correctness((0.1,)), Correctness((0.1, 0.2))])


@given(st.floats(0, 100))
def test_rounding_is_that_of_numpy(value):
    assert rounded(value) == float(np.round(np.float64(value), 1))


@given(st.lists(st.tuples(tenths, tenths, tenths), min_size=1, max_size=30))
def test_mean_and_deviation_are_those_of_numpy(runs):
    metrics = BENCHMARK.aggregate([Correctness(values, ("rec",)) for values in runs])
    totals = np.zeros(3)
    for values in runs:
        totals += np.array(values)
    totals = totals / len(runs) * 100
    assert metrics["total"] == float(np.round(totals.mean(), 1))
    assert metrics["total_std"] == float(np.round(totals.std(), 1))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=128))
def test_any_number_of_runs_is_added_up_as_numpy_does(totals):
    assert mean(totals) == float(np.mean(totals))


@given(st.lists(tenths, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(values, random):
    """Within a rounding step: sums of floats depend on their order in the last digit."""
    scores = [Correctness((value,), ("rec",)) for value in values]
    shuffled = random.sample(scores, len(scores))
    assert BENCHMARK.aggregate(shuffled)["total"] == pytest.approx(
        BENCHMARK.aggregate(scores)["total"], abs=0.11
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [({"capability": ["smell"]}, "unknown capability"), ({}, "no field 'capability'")],
)
def test_wrong_data_are_named(row, told):
    with pytest.raises(ValueError, match=told):
        BENCHMARK.read({"mm-vet.json": json.dumps({"v1_0": row})})
