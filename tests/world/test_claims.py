"""What a text of the tiny world states, and whether it is true."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.world.claims import Claim, Context, claims_in, context_of, holds
from harness.world.language import KINDS, Question
from harness.world.lexicon import number_in, tagged
from harness.world.scenes import Scene, Sign, Thing

DOG = Thing("dog", 1, "red", "large", "lying", 0)
KITES = Thing("kite", 2, "blue", "small", "standing", 5)
SCENE = Scene(0, "park", (DOG, KITES), (Sign(7, 4, 3), Sign(2, 8, 3)), 5)


@pytest.mark.parametrize(
    ("text", "claim", "true"),
    [
        ("a small red dog", Claim("size", "dog", "small"), False),
        ("a small red dog", Claim("colour", "dog", "red"), True),
        ("The dog is lying", Claim("pose", "dog", "lying"), True),
        ("A dog and a blue kite", Claim("colour", "kite", "blue"), True),
        ("In the east is a kite", Claim("cell", "kite", "east"), True),
        ("The dog is not green", Claim("colour", "dog", "green", denied=True), True),
        ("The bed is not here", Claim("present", "bed", denied=True), True),
        ("three kites", Claim("count", "kite", "3"), False),
        ("People play here", Claim("purpose", "", "play"), True),
        ("a kitchen", Claim("place", "", "kitchen"), False),
        ("The sum is 9", Claim("sum", "", "9"), True),
        ("A dog moos", Claim("sound", "dog", "moos"), False),
        ("Kites are for flying", Claim("use", "kite", "flying"), True),
    ],
)
def test_claims(text, claim, true):
    assert claim in claims_in(text, Context())
    assert holds(claim, SCENE, Context()) is true


def test_a_place_that_is_a_direction_or_of_a_sign_places_no_object():
    for text in ("The dog is west of the kite", "A dog. The sign in the north says 3"):
        assert not [claim for claim in claims_in(text, Context()) if claim.kind == "cell"]


@pytest.mark.parametrize(
    ("word", "number"), [("ten", 10), ("07", 7), ("9" * 5000, None), ("a", None)]
)
def test_numbers(word, number):
    assert number_in(word) == number


@pytest.mark.parametrize(
    ("text", "answer"),
    [("Yes", "yes"), ("No.", "no"), ("No, it is not.", "no"), ("No it is not", "no")],
)
def test_yes_and_no_are_answers(text, answer):
    assert Claim("answer", value=answer) in claims_in(text, Context())


def test_no_before_an_object_is_no_answer():
    assert claims_in("No red dog", Context()) >= {Claim("present", "dog", denied=True)}
    assert not [one for one in claims_in("No red dog", Context()) if one.kind == "answer"]


def test_short_answers_are_about_what_was_asked():
    question = Question("counting", "How many kites are there?", "There are two kites.", ("kite",))
    context = context_of([question])
    assert claims_in("Two", context) == {Claim("count", "kite", "2")}
    assert claims_in("blue", context) == {Claim("colour", "kite", "blue")}
    assert claims_in("Two", Context()) == frozenset()


def test_nothing_is_true_of_what_is_not_there():
    for denied in (False, True):
        assert not holds(Claim("colour", "bed", "red", denied), SCENE, Context())


@pytest.mark.parametrize(
    ("claim", "compared", "true"),
    [
        (Claim("larger", "dog"), ("dog", "kite"), True),
        (Claim("larger", "kite"), ("dog", "kite"), False),
        (Claim("larger", "dog"), (), True),
        (Claim("same"), ("dog", "kite"), False),
        (Claim("same", denied=True), ("dog", "kite"), True),
    ],
)
def test_sizes_are_compared_among_what_was_asked(claim, compared, true):
    """The dog is large, the kites are small."""
    assert holds(claim, SCENE, Context(compared=compared)) is true


def test_every_kind_of_question_has_an_answer_that_states_something():
    bench = Thing("bench", 1, "white", "small", "standing", 7)
    scene = replace(SCENE, things=(*SCENE.things, bench))
    for kind in KINDS:
        question = kind(scene, np.random.default_rng(0))
        assert question is not None
        assert claims_in(question.answer, context_of([question])), kind.__name__


@given(st.text())
def test_tokens_are_the_words_and_marks_of_the_text(text):
    assert "".join(token.text for token in tagged(text)) == "".join(text.split())
