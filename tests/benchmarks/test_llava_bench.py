"""LLaVA-Bench: the judge's message, two grades in a reply, and the ratio of their means."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.llava_bench import BENCHMARK, CATEGORIES, Grades, Reviews, grades_in, relative
from benchmarks.types import Response, Unscored

QUESTION = {"question_id": 3, "image": "001.jpg", "category": "detail", "text": "What?"}
FILES = {
    "questions.jsonl": json.dumps(QUESTION),
    "context.jsonl": json.dumps({"id": "001", "image": "001.jpg", "caption": ["A.", "B."]}),
    "answers_gpt4.jsonl": json.dumps({"question_id": 3, "text": "Ref."}),
    "rule.json": json.dumps({"llava_bench_detail": {"role": "Assistant", "prompt": "Rule."}}),
}
grades = st.lists(
    st.builds(
        Grades,
        st.integers(1, 10).map(float),
        st.integers(1, 10).map(float),
        st.sampled_from(CATEGORIES),
    ),
    min_size=1,
    max_size=12,
)


def test_the_request_names_the_reference_first():
    sample = BENCHMARK.read(FILES)[0]
    assert BENCHMARK.request(sample, Response(3, "Ours.")) == (
        "[Context]\nA.\nB.\n\n[Question]\nWhat?\n\n"
        "[Assistant 1]\nRef.\n\n[End of Assistant 1]\n\n"
        "[Assistant 2]\nOurs.\n\n[End of Assistant 2]\n\n[System]\nRule.\n\n"
    )


def test_what_the_judge_would_need_is_named_when_it_is_absent():
    (sample,) = BENCHMARK.read({"questions.jsonl": FILES["questions.jsonl"]})
    with pytest.raises(ValueError, match="question 3: no caption, answer, rule"):
        BENCHMARK.request(sample, Response(3, "Ours."))


def test_three_pairs_by_hand():
    """Means 25/3 -> 8.333 and 20/3 -> 6.667, so 6.667 / 8.333 = 80.0 %; conv 6/9 = 66.7 %."""
    scores = [Grades(9, 6, "conv"), Grades(8, 8, "detail"), Grades(8, 6, "detail")]
    assert BENCHMARK.aggregate(scores) == {"all": 80.0, "conv": 66.7, "detail": 87.5}


def test_if_all_replies_are_unreadable_the_published_script_prints_100():
    sample = BENCHMARK.read(FILES)[0]
    score = BENCHMARK.score(sample, Response(3, "Ours."), ["I cannot judge."])
    assert isinstance(score, Unscored)
    assert BENCHMARK.aggregate([score.counted_as]) == {"all": 100.0, "detail": 100.0}


def test_nan_counts_for_the_published_script_only():
    score = BENCHMARK.score(BENCHMARK.read(FILES)[0], Response(3, "Ours."), ["9 nan"])
    assert isinstance(score, Unscored)
    assert math.isnan(BENCHMARK.aggregate([score.counted_as])["all"])


@pytest.mark.parametrize(
    ("reply", "pair"), [("8,7\nok", (8, 7)), ("8 7.", (8, 7)), ("8, 7", None), ("8 7 6", None)]
)
def test_grades_in_replies(reply, pair):
    assert grades_in(reply) == pair
    assert BENCHMARK.annotator.readable(reply) is (pair is not None)


def test_no_scores_give_no_metrics():
    assert BENCHMARK.aggregate([]) == {}
    assert relative([Grades(0, 5)]) is None


@given(grades)
def test_an_answer_graded_like_the_reference_gets_100(scores):
    same = [Grades(score.model, score.model, score.category) for score in scores]
    assert set(BENCHMARK.aggregate(same).values()) == {100.0}


@given(grades, st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(scores, random):
    """Grades are whole numbers here, so that sums are exact in any order."""
    assert BENCHMARK.aggregate(random.sample(scores, len(scores))) == BENCHMARK.aggregate(scores)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (QUESTION | {"category": "taste"}, "unknown category 'taste'"),
        ({"question_id": 1}, "no field 'category'"),
        ({"text": "What?"}, "no field 'question_id'"),
    ],
)
def test_wrong_data_are_named(row, told):
    with pytest.raises(ValueError, match=told):
        BENCHMARK.read({"questions.jsonl": json.dumps(row)})
    twice = "\n".join([FILES["questions.jsonl"]] * 2)
    with pytest.raises(ValueError, match="twice"):
        BENCHMARK.read({"questions.jsonl": twice})


def test_runs_are_averaged_after_they_are_rounded():
    """Relative grades 1/3 = 33.3 and 2/3 = 66.7, whose mean is 50.0; each category likewise."""
    run = [Grades(3, 1, "conv"), Grades(3, 2, "conv")]
    assert BENCHMARK.aggregate([Reviews(tuple(run))]) == {"all": 50.0, "conv": 50.0}
    assert BENCHMARK.runs([Reviews(tuple(run))])["all"] == [33.3, 66.7]
    assert BENCHMARK.runs(run[:1]) == {
        "all, reference": [30.0], "all, model": [10.0],
        "conv, reference": [30.0], "conv, model": [10.0],
    }  # fmt: skip


def test_one_unreadable_run_leaves_the_question_unscored_and_counts_minus_one_in_that_run():
    sample = BENCHMARK.read(FILES)[0]
    score = BENCHMARK.score(sample, Response(3, "Ours."), ["8 6", "no"])
    assert isinstance(score, Unscored)
    assert score.counted_as == Reviews((Grades(8, 6, "detail"), Grades(-1, -1, "detail")))


def test_uneven_runs_are_an_error():
    with pytest.raises(ValueError, match="different numbers of runs"):
        BENCHMARK.aggregate([Grades(3, 1), Reviews((Grades(3, 1), Grades(3, 1)))])
