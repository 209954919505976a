"""Sub-sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.columns.splitting import split_sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A dog runs. It is red!", ["A dog runs.", "It is red!"]),
        ("Dr. Smith has 2.5 dogs. Yes.", ["Dr. Smith has 2.5 dogs.", "Yes."]),
        ("One; two", ["One;", "two"]),
        ("Things:\n- a dog\n- a cat\n1. a car", ["Things:", "a dog", "a cat", "a car"]),
        ('He said "Stop." Then he ran.', ['He said "Stop."', "Then he ran."]),
        ("no end", ["no end"]),
        ("...", ["..."]),
        ("It is near. (Or far.) 3 cats sit.", ["It is near.", "(Or far.)", "3 cats sit."]),
    ],
)
def test_known_splits(text, parts):
    assert split_sentences(text) == parts


@given(st.text(alphabet="ab AB.!?;\n'\"", min_size=1).filter(str.strip))
def test_no_letter_is_lost_and_no_part_is_empty(text):
    parts = split_sentences(text)
    assert all(part.strip() for part in parts)
    letters = "".join(c for c in text if c.isalpha())
    assert "".join(c for part in parts for c in part if c.isalpha()) == letters
