"""The sentence beside the numbers: how many replies, why, and what changes."""

from dataclasses import replace

import pytest

from benchmarks.types import Scorecard
from harness.registry import load_benchmark
from harness.reporting.writers.remarks import by_run, remarks, warnings

CARD = Scorecard(
    benchmark="mmhal",
    protocol="official",
    judge="gpt-4-0314",
    data="sha256:0",
    official={"score": 2.5, "hallucination_rate": 50.0},
    careful={"score": 5.0, "hallucination_rate": 50.0},
    counts={"samples": 96, "scored": 93, "unscored": 3, "empty": 0},
)


def said(**changes):
    return " ".join(remarks(load_benchmark("mmhal"), replace(CARD, **changes)))


def test_the_cause_and_the_numbers_that_change_are_named():
    assert said() == (
        "3 of 96 replies had no single rating: the published script counts them as 0 and as "
        "hallucinated. Without them: score 5.0 instead of 2.5."
    )


def test_nothing_is_said_where_everything_was_read():
    assert said(counts=CARD.counts | {"unscored": 0, "scored": 96}) == ""


def test_unreadable_replies_that_change_nothing_are_said_to_change_nothing():
    assert said(careful=CARD.official).endswith("No number changes without them.")


def test_failed_calls_are_told_apart_from_unreadable_replies():
    text = said(counts=CARD.counts | {"failed": 2}, official={})
    assert text.startswith("2 of 96 replies are calls that failed for good.")
    assert "1 of 96 replies had no single rating" in text


def test_few_empty_or_missing_answers_are_told_and_many_come_first_and_loud():
    few = replace(CARD, counts=CARD.counts | {"unscored": 0, "empty": 1, "missing": 4})
    assert remarks(load_benchmark("mmhal"), few) == [
        "1 of 96 answers is empty and scored as such.",
        "4 of 100 samples are not answered: the numbers are those of the other 96.",
    ]
    assert warnings(few) == []
    many = replace(CARD, counts=CARD.counts | {"empty": 95, "missing": 4})
    first, second, *_ = remarks(load_benchmark("mmhal"), many)
    assert first.startswith("95 of 96 answers are empty and scored as such. These numbers say lit")
    assert warnings(many) == [first]
    assert second.startswith("4 of 100 samples")


def test_the_runs_of_a_judge_are_told():
    assert by_run({"total": [31.2, 30.8]}) == ["By run of the judge: total 31.2, 30.8."]
    assert by_run({}) == []


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("amber", "tagger: nltk; similar words: exact matching, there is no similar_words.json"),
        ("object_halbench", "gpt-3.5-turbo-0613; tagger: nltk instead of en_core_web_trf"),
    ],
)
def test_a_stand_in_is_said_to_give_other_numbers(name, judge):
    counts = CARD.counts | {"unscored": 0}
    sentences = remarks(load_benchmark(name), replace(CARD, judge=judge, counts=counts))
    assert ["not the official numbers" in sentence for sentence in sentences] == [True]
