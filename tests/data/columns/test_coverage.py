"""Whether pieces are the response."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.columns.coverage import departure, words
from harness.data.columns.splitting import split_sentences

TEXT = "A red dog runs, and it's near a café; a cat sleeps."


@pytest.mark.parametrize(
    "pieces",
    [
        ["a red dog runs", "and it's near a café", "a cat sleeps"],
        ["- A RED dog runs,", "  and it's near a cafe\u0301;", "a cat  sleeps."],
        ["A red dog", "runs and it's near a café a cat sleeps"],
    ],
)
def test_case_space_punctuation_and_marks_may_change(pieces):
    assert departure(TEXT, pieces) is None


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        (["A red dog runs"], "the pieces end after 4 of 13 words"),
        (["A red dog runs and it's near a café", "a cat sleeps soundly"], "go on with 'soundly'"),
        (["A blue dog runs and it's near a café", "a cat sleeps"], "'red' in the response"),
        (["a cat sleeps", "A red dog runs and it's near a café"], "word 2 is 'red'"),
        ([], "the pieces end after 0 of 13 words"),
    ],
)
def test_a_lost_added_replaced_or_moved_word_is_named(pieces, reason):
    assert reason in departure(TEXT, pieces)


def test_a_number_that_opens_a_piece_may_be_a_word():
    assert departure("There are 3. Dogs run.", ["There are", "3. Dogs run."]) is None
    assert departure("1. A dog.\n2. A cat.", ["A dog.", "A cat."]) is None


@given(st.text(alphabet="ab1.;!?\n- ", min_size=1).filter(str.strip))
def test_the_rule_loses_no_word_but_marks_of_lists(text):
    """Marks are numbers of up to two digits with a dot, wherever a piece begins."""
    said, split = (
        words(re.sub(r"\b\d{1,2}\.", " ", part)) for part in (text, " ".join(split_sentences(text)))
    )
    assert said == split


@given(
    st.lists(st.text(alphabet="abcäß", min_size=1), min_size=2, max_size=8),
    st.data(),
)
def test_leaving_out_any_word_is_found(words, data):
    place = data.draw(st.integers(0, len(words) - 1))
    assert departure(" ".join(words), words[:place] + words[place + 1 :]) is not None
