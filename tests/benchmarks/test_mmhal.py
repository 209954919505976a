"""MMHal-Bench: ratings in replies, and the numbers printed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mmhal import BENCHMARK, TYPES, Rating, rating_in
from benchmarks.types import Response, Unscored

ROW = {
    "question_type": "counting",
    "image_src": "https://example.org/a/b/pic.jpg",
    "image_content": ["Dog", "Tree"],
    "question": "How many?",
    "gt_answer": "Two.",
}
FILES = {
    "mmhal-bench_answer_template.json": json.dumps([ROW, ROW | {"question_type": "other"}]),
    "judge_prompt.txt": "Has {} | {} | {} | {} | {{}}",
}
ratings = st.lists(st.builds(Rating, st.integers(0, 6), st.sampled_from(TYPES)), max_size=12)


def test_ids_are_positions_and_images_lie_in_one_folder():
    samples = BENCHMARK.read(FILES)
    assert [(s.id, s.category, s.image) for s in samples] == [
        (0, "counting", "images/pic.jpg"),
        (1, "other", "images/pic.jpg"),
    ]


def test_the_request_fills_the_template():
    sample = BENCHMARK.read(FILES)[0]
    request = BENCHMARK.request(sample, Response(0, "Three {dogs}."))
    assert request == "Has Dog, Tree | How many? | Two. | Three {dogs}. | {}"


def test_four_ratings_by_hand():
    """6, 4, 3, 0: mean 13/4 = 3.25, one of four below 3, informativeness (3+1+0+0)/4/3."""
    scores = [Rating(6, "other"), Rating(4, "other"), Rating(3, "counting"), Rating(0, "counting")]
    assert BENCHMARK.aggregate(scores) == {
        "score": 3.25,
        "hallucination_rate": 25.0,
        "informativeness": 33.33,
        "score/counting": 1.5,
        "score/other": 5.0,
    }


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("RATING: 2", 2),
        ("Rating: 10", 1),
        ("Rating: 3.5", 3),
        ("Rating: 4, yes: rating: 4", 4),
        ("Rating: 4 or Rating: 5", None),
        ("Rating:4", None),
        ("Rating: **4**", None),
        ("", None),
    ],
)
def test_ratings_in_replies(reply, rating):
    assert rating_in(reply) == rating
    assert BENCHMARK.annotator.readable(reply) is (rating is not None)


@pytest.mark.parametrize("replies", [[], ["I cannot tell."]])
def test_an_unreadable_reply_counts_zero_in_its_type_for_the_published_script(replies):
    sample = BENCHMARK.read(FILES)[0]
    score = BENCHMARK.score(sample, Response(0, "x"), replies)
    assert isinstance(score, Unscored)
    assert score.counted_as == Rating(0, "counting")


def test_no_scores_give_no_metrics():
    assert BENCHMARK.aggregate([]) == {}


@given(ratings, st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(scores, random):
    assert BENCHMARK.aggregate(random.sample(scores, len(scores))) == BENCHMARK.aggregate(scores)


@given(ratings.filter(bool))
def test_ranges(scores):
    metrics = BENCHMARK.aggregate(scores)
    assert 0 <= metrics["score"] <= 6
    assert 0 <= metrics["hallucination_rate"] <= 100
    assert 0 <= metrics["informativeness"] <= 100


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{}]", "no field"),
        ("{}", "expected a JSON list"),
        (json.dumps([ROW | {"question_type": "taste"}]), "unknown question_type 'taste'"),
    ],
)
def test_wrong_data_are_named(text, told):
    with pytest.raises(ValueError, match=told):
        BENCHMARK.read({"mmhal-bench_answer_template.json": text})
