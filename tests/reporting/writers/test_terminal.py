"""What people see of single answers."""

import io

import pytest
from rich.console import Console

from benchmarks.amber_metrics import Answer, Description
from benchmarks.mmhal import Rating
from benchmarks.types import Response, Sample, Unscored
from harness.console import visible
from harness.evaluation.items import Item
from harness.evaluation.judging.replies import Replies
from harness.reporting.writers import terminal as show
from harness.reporting.writers.terminal import print_items, select

SAMPLE = Sample(7, "Describe this image.", "7.jpg", "generative")


def item(score, text="A cat and two dogs.", replies=(), tagged=None):
    return Item(SAMPLE, Response(7, text), Replies(tuple(replies), tagged), score)


@pytest.fixture
def printed(monkeypatch):
    def lines(*items, color=False):
        file = io.StringIO()
        system = "standard" if color else None
        console = Console(file=file, width=140, force_terminal=color, color_system=system)
        monkeypatch.setattr(show, "results", console)
        print_items(items)
        return file.getvalue()

    return lines


def test_hallucinated_words_stand_in_the_answer_in_red(printed):
    text = printed(item(Description(objects=("cat", "dog"), hallucinated=("dog",))), color=True)
    assert "A cat and two \x1b[1;31mdog\x1b[0ms." in text
    assert "hallucinated: \x1b[0m\x1b[1;31mdog" in text


def test_every_field_of_a_score_is_named(printed):
    text = printed(item(Answer("relation", "no", "No")))
    for line in ("kind: relation", "truth: no", "answer: No", "verdict: right"):
        assert line in text


def test_question_and_reference_stand_beside_the_answer(printed):
    """A reference may be text, lists or a mapping; what is empty is left out."""
    reference = {"answer": "A tiger", "truth": ["cat", "dog"], "hint": ""}
    sample = Sample(7, "Which animal?", "7.jpg", reference=reference)
    text = printed(Item(sample, Response(7, "A cat"), Replies((), None), Rating(4)))
    assert "Which animal?" in text
    assert "answer: A tiger" in text
    assert "truth: cat, dog" in text
    assert "hint" not in text


def test_what_could_not_be_judged_is_shown_with_its_reason_and_its_reply(printed):
    unscored = Unscored(7, "no rating", Rating(0, "counting"))
    text = printed(item(unscored, replies=["x" * 1000]))
    assert "unscored: no rating" in text
    assert "counted as: 0, counting, hallucinated" in text
    assert "(1000 characters)" in text.replace("\n", " ")
    assert text.count("x") < 400


def test_replies_of_the_judge_are_shown_and_those_of_the_tagger_not(printed):
    """Whatever they look like: a judge may list lists too."""
    text = printed(item(Rating(4), replies=['[["a judge"]]'], tagged='[[["a", "tagger", "a"]]]'))
    assert '[["a judge"]]' in text
    assert "tagger" not in text


def test_markup_and_controls_are_shown_as_they_are(printed):
    text = printed(item(Rating(4), text="[red]\x1b[2J\u202e"))
    assert "\x1b" not in text
    assert r"[red]\x1b[2J\u202e" in text


def test_new_lines_and_letters_of_any_language_stay():
    assert visible("Zwei\n\tŽ 犬 \U0001f600") == "Zwei\n\tŽ 犬 \U0001f600"


def test_items_are_picked_by_id_and_number():
    items = [Item(Sample(i, "", ""), Response(i, ""), Replies(), Rating(1)) for i in (1, 2, 12)]
    assert [each.sample.id for each in select(items, ["12", "2"], None)] == [2, 12]
    assert [each.sample.id for each in select(items, [], 1)] == [1]
