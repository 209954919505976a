"""The oracle's replies, read by the real scorers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from question_world import build_world, official

from benchmarks.types import Response, Sample
from harness.errors import DataError, JudgeError
from harness.world import language
from harness.world.asked import Asked, read_asked
from harness.world.language import Question
from harness.world.lexicon import OBJECT_OF
from harness.world.oracle import (
    Oracle,
    grade_both,
    grade_correctness,
    list_objects,
    rate,
    weigh,
)
from harness.world.scenes import Scene, Sign, Thing, absent

DOG = Thing("dog", 1, "red", "large", "lying", 0)
KITES = Thing("kite", 2, "blue", "small", "standing", 5)
SCENE = Scene(0, "park", (DOG, KITES), (Sign(7, 4, 3), Sign(2, 8, 3)), 5)
COLOUR = Question("attribute", "What color is the dog?", "The dog is red.", ("dog",))
MISSING = Question("adversarial", "What color is the bed?", "There is no bed here.", ("bed",))
CAPTION = Question("caption", "Describe.", language.caption(SCENE, None), ("dog", "kite"))
SIGN = Question("ocr", "What does the sign in the center say?", "The sign says 7.")
YES = Question("relation", "Is the dog west of the kite?", "Yes", ("dog", "kite"))
WHICH = Question("knowledge", "What do you know?", "It is a dog. A dog barks.", ("dog",))
COUNT = Question("counting", "How many kites are there?", "There are two kites.", ("kite",))
LARGER = Question("comparison", "Which one?", "The dog is larger.", ("dog", "kite"))


def asked(*questions):
    return Asked("mmhal", 0, SCENE, questions)


def rating(text, *questions):
    return int(rate(asked(*questions), text)[-1])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build_world(tmp_path_factory.mktemp("oracle") / "world")


@pytest.fixture(scope="module")
def rows(world):
    return read_asked(world / "benchmarks")


@pytest.fixture
def judged(world, rows, tmp_path):
    def judge(benchmark, answer):
        answers = {one.id: answer(one) for one in rows if one.benchmark == benchmark}
        return official(world, tmp_path, benchmark, answers)

    return judge


def true_answer(one):
    return one.answer


def invention(one):
    """The true answer and an object that is not there."""
    return f"{one.answer} {language.aside(absent(one.scene)[0])}"


def nothing(_one):
    return ""


def test_true_captions_have_no_hallucination_and_full_recall(judged):
    metrics = judged("object_halbench", true_answer)
    assert metrics == {
        "response_hallucination": 0.0,
        "mention_hallucination": 0.0,
        "recall": 100.0,
    }


def test_a_caption_with_an_invention_hallucinates(judged):
    assert judged("object_halbench", invention)["response_hallucination"] == 100.0


def test_true_answers_are_right_on_amber_within_its_epsilons(judged):
    metrics = judged("amber", true_answer)
    assert metrics["chair"] == metrics["cog"] == 0.0
    assert metrics["hal"] <= 0.1
    assert metrics["cover"] >= 99.9
    assert metrics["accuracy"] >= 99.9
    assert metrics["amber_score"] >= 99.9


def test_an_invention_is_counted_by_amber(judged):
    metrics = judged("amber", invention)
    assert metrics["hal"] == 100.0
    assert metrics["chair"] > 15
    assert metrics["accuracy"] == 0.0


def test_true_answers_are_rated_six_on_mmhal(judged):
    metrics = judged("mmhal", true_answer)
    assert (metrics["score"], metrics["hallucination_rate"]) == (6.0, 0.0)


def test_inventions_are_hallucinations_on_mmhal(judged):
    metrics = judged("mmhal", invention)
    assert (metrics["score"], metrics["hallucination_rate"]) == (2.0, 100.0)


def test_the_reference_is_as_good_as_itself_on_llava_bench(judged):
    assert set(judged("llava_bench", true_answer).values()) == {100.0}


def test_inventions_cost_grades_on_llava_bench(judged):
    assert judged("llava_bench", invention)["all"] < 95.0


def test_true_answers_are_all_correct_on_mm_vet(judged):
    assert set(judged("mm_vet", true_answer).values()) == {100.0}


def test_inventions_cost_points_on_mm_vet(judged):
    assert judged("mm_vet", invention)["total"] < 85.0


@pytest.mark.parametrize(
    ("name", "metric", "lowest"),
    [("mmhal", "score", 0.0), ("llava_bench", "all", 11.1), ("mm_vet", "total", 0.0)],
)
def test_empty_answers_get_the_lowest_grade(judged, name, metric, lowest):
    """The lowest grade on LLaVA-Bench is 1 of 9: 11.1 percent."""
    assert judged(name, nothing)[metric] == lowest


def test_every_true_answer_states_only_what_is_true(rows):
    for one in rows:
        verdict = weigh(one.answer, one)
        assert (verdict.coverage, verdict.precision) == (1.0, 1.0), one


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("The dog is red.", COLOUR, 6),
        ("Red", COLOUR, 6),
        ("It is red.", COLOUR, 6),
        ("The dog is green.", COLOUR, 0),
        ("There is a dog.", COLOUR, 3),
        ("Two blue kites are in the east.", COLOUR, 3),
        ("The dog is red. There is also a bed nearby.", COLOUR, 2),
        ("There is a bed.", COLOUR, 0),
        ("It is a dog. A dog moos.", WHICH, 1),
        ("There is no bed here.", MISSING, 6),
        ("No bed", MISSING, 6),
        ("The bed is blue.", MISSING, 0),
        ("The bed is not blue.", MISSING, 0),
        ("There is no dog here.", MISSING, 0),
        ("2", COUNT, 6),
        ("There are two kites.", COUNT, 6),
        ("There is one kite.", COUNT, 0),
        ("The kite is larger.", LARGER, 0),
        ("They are of the same size.", LARGER, 0),
        ("The sign says 7.", SIGN, 6),
        ("seven", SIGN, 6),
        ("The sign says 2.", SIGN, 0),
        ("Yes, it is.", YES, 6),
        ("No", YES, 0),
        ("It is a kite. A kite is for flying.", WHICH, 0),
        ("Two red", CAPTION, 0),
        ("qwerty \N{SNOWMAN}", CAPTION, 0),
    ],
)
def test_ratings(text, question, expected):
    """Answers about a lying large red dog northwest and two blue kites east; signs 7 and 2."""
    assert rating(text, question) == expected


def test_half_of_a_description_is_rated_by_what_it_tells():
    """'A red dog is in the northwest' is 3 of 7 facts; the kites alone are 4 of 7."""
    assert rating("A red dog is in the northwest.", CAPTION) == 4
    assert rating("Two blue kites are in the east.", CAPTION) == 5


def test_grades_are_two_numbers_on_the_first_line():
    """3 of 7 facts, all true: harmonic mean 0.6, grade 1 + 8 x 0.6 = 5.8, to half points 6."""
    grades, reasons = grade_both(asked(CAPTION), "A red dog is in the northwest.").split("\n")
    assert grades == "9 6"
    assert "3 of 7 facts" in reasons


def test_correctness_is_the_share_of_the_answer_less_what_is_invented():
    """Dog, meant object and sound are 3 facts. Two of 3 make 0.7; of 4 claims 3 are true: 0.8."""
    assert grade_correctness(asked(WHICH), "It is a dog.") == "0.7"
    assert grade_correctness(asked(WHICH), "It is a dog. A dog barks. A bed.") == "0.8"


def test_objects_are_listed_once_and_as_they_stand():
    text = "Two red dogs, a DOG and mice. There is no bed. The dogs lie."
    assert json.loads(list_objects(asked(CAPTION), text)) == ["dogs", "dog", "mice", "bed"]


def test_tokens_have_penn_tags_and_lemmas(world):
    tokens = Oracle(world).tag(["Two red Mice bark at 12 blorps.", ""])
    assert [tuple(token) for token in tokens[0]] == [
        ("Two", "CD", "two"),
        ("red", "JJ", "red"),
        ("Mice", "NNS", "mouse"),
        ("bark", "NN", "bark"),
        ("at", "IN", "at"),
        ("12", "CD", "12"),
        ("blorps", "NN", "blorps"),
        (".", ".", "."),
    ]
    assert tokens[1] == []


WORDS = ("no", "not", "two", "7", "red", "north", "sign", "sum", "it", "is", "a", ".", ",")
PIECES = st.one_of(st.sampled_from([*OBJECT_OF, *WORDS]), st.text(max_size=5))


@given(st.lists(PIECES, max_size=12).map(" ".join))
def test_no_text_breaks_the_oracle(text):
    for question in (COLOUR, CAPTION, SIGN, YES, WHICH, COUNT, LARGER):
        one = asked(question)
        assert 0 <= rating(text, question) <= 6
        assert 0 <= float(grade_correctness(one, text)) <= 1
        reference, grade = map(float, grade_both(one, text).split("\n")[0].split(" "))
        assert 1 <= grade <= reference == 9
        json.loads(list_objects(one, text))


def test_a_foreign_sample_is_refused(world):
    sample, response = Sample("foreign", "?", "x.png"), Response("foreign", "Yes")
    with pytest.raises(JudgeError, match="'foreign'"):
        Oracle(world).reply("mmhal", sample, response, "", 0)


def test_a_folder_without_the_oracles_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"oracle\.jsonl"):
        Oracle(tmp_path)
