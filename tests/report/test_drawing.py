"""Axes, marks and verdicts by hand."""

import pytest

from harness.report.answers import marks, verdict_of
from harness.report.svg import Dot, DotRow, dots, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-31.4, 1.3, [-40, -30, -20, -10, 0, 10]),
        (3, 3, [1.5, 2, 2.5, 3, 3.5, 4, 4.5]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_dot_stands_where_its_value_is():
    """Ticks at 0, 2, ..., 10; five letters make 49 pixels of margin, 491 remain."""
    drawn = dots([DotRow("abcde", [Dot(1, 5.0, 0.0, 10.0, "five")])], "words", "Length", zero=True)
    assert 'd="M49 23H540"' in drawn
    assert 'd="M291 19.5h7v7h-7z"' in drawn


def test_a_name_in_a_chart_is_text():
    drawn = dots([DotRow("<b>", [Dot(0, 1.0, told='"><script>')])], "x", '"><script>')
    assert "<b>" not in drawn
    assert "<script>" not in drawn


@pytest.mark.parametrize(
    ("row", "state", "told", "value"),
    [
        ({"score": {"hallucinated": []}}, "good", "no hallucination", 1.0),
        ({"score": {"hallucinated": ["cup", "cup"]}}, "bad", "hallucinated: cup", 0.0),
        ({"score": {"verdict": "right"}}, "good", "right", 1.0),
        ({"score": {"verdict": "hallucinated", "rating": 2}}, "bad", "hallucinated, rated 2", 0.0),
        ({"score": {"runs": [0.5, 1.0]}}, "part", "graded 0.75 of 1", 0.75),
        ({"score": {"model": 8.0, "reference": 9.0}}, "part", "graded 8, the reference 9", 8.0),
        (
            {"score": {"runs": [{"model": 9.0, "reference": 8.0}]}},
            "good",
            "graded 9, the reference 8",
            9.0,
        ),
        ({"unscored": "no rating", "score": None}, "none", "unscored: no rating", None),
        ({"score": {"runs": [float("nan")]}}, "none", "nan", None),
        ({"score": {"other": 1}}, "none", "{'other': 1}", None),
        ({}, "none", "", None),
    ],
)
def test_how_an_answer_counts(row, state, told, value):
    verdict = verdict_of(row)
    assert (verdict.state, verdict.told, verdict.value) == (state, told, value)


def test_marks_find_plurals_pairs_and_count_as_a_browser_does():
    assert marks("😀 Two benches, a dining table.", ["bench", "dining table"]) == (
        (7, 14),
        (18, 30),
    )
