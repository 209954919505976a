"""Time of answering six questions about two images in every way, all with one result."""

import pytest
from generation_speed import Size, measure
from tiny_llava import Shape

SMALL = Shape(hidden=64, layers=2, image=112, patch=14)


def test_ways_to_short_answers(benchmark):
    """Measuring stops if the ways give different answers; six of them are the questions asked."""
    size = Size(images=2, questions=3, new_tokens=2, repeats=1, batch=3)
    result = benchmark.pedantic(measure, args=(SMALL, size), rounds=1)
    assert result["answers_equal"]
    assert result["different_answers"] > 1
    assert set(result["shared_is_faster_than"]) == {"stock", "plain, one by one", "plain"}
    assert all(
        ratio == pytest.approx(result["median_seconds"][way] / result["median_seconds"]["shared"])
        for way, ratio in result["shared_is_faster_than"].items()
    )
