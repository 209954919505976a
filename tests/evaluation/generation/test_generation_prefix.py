import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_llava import make_checkpoint, make_picture

from harness.errors import DataError
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.batching import Asked, batches, batches_by_image, split
from harness.evaluation.generation.prefix import SharedPrefix

GREEDY = {"max_new_tokens": 10, "num_beams": 1, "do_sample": False, "temperature": None}
QUESTION = "is are there a red blue circle square left of the and why , ? Yes No 7"
WORDS = [*QUESTION.split(), "\n", "é"]
PICTURES = 4


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Three random models."""
    return [
        Llava(
            make_checkpoint(tmp_path_factory.mktemp("model"), seed),
            "vicuna_v1",
            "center_crop",
            torch.device("cpu"),
        )
        for seed in range(3)
    ]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    colours = random.Random(0).choices(range(256), k=3 * PICTURES)
    return [
        make_picture(folder / f"{place}.png", tuple(colours[3 * place : 3 * place + 3]))
        for place in range(PICTURES)
    ]


@pytest.fixture
def encoded(monkeypatch):
    """Count the images that go through the model."""
    counts = []
    encode = Llava.image_features

    def counted(self, images):
        counts.append(len(set(images)))
        return encode(self, images)

    monkeypatch.setattr(Llava, "image_features", counted)
    return counts


def asked(questions, **changes):
    decoding = tuple((GREEDY | changes).items())
    return [Asked("toy", place, one, decoding) for place, one in enumerate(questions)]


texts = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(texts, st.integers(0, PICTURES - 1)), min_size=1, max_size=9),
    size=st.integers(1, 5),
    seed=st.integers(0, 2),
)
def test_answers_from_a_shared_prefix_are_those_of_the_plain_way(
    models, pictures, rows, size, seed
):
    """Any questions, empty ones too, any images in any order, any batch size."""
    questions = [Question(text, pictures[place]) for text, place in rows]
    prefix = SharedPrefix(models[seed])
    together = [
        answer
        for start in range(0, len(rows), size)
        for answer in prefix.answer(questions[start : start + size], GREEDY)
    ]
    assert together == [models[seed].answer([question], GREEDY)[0] for question in questions]


def test_answers_depend_on_picture_and_question(models, pictures):
    """Otherwise equal answers would say nothing about the prefix."""
    questions = [Question(text, pictures[0]) for text in WORDS[:6]]
    questions += [Question(WORDS[0], picture) for picture in pictures[1:]]
    assert len(set(SharedPrefix(models[0]).answer(questions, GREEDY))) == len(questions)


def test_each_image_is_computed_once_even_when_a_batch_ends_in_its_middle(
    models, pictures, encoded
):
    """Five questions per image in batches of three: image 0 goes on in the second batch."""
    questions = [Question(word, picture) for picture in pictures[:2] for word in WORDS[:5]]
    prefix = SharedPrefix(models[0])
    for start in range(0, 10, 3):
        prefix.answer(questions[start : start + 3], GREEDY)
    assert encoded == [1, 1], "batches three and four need no new image"


def test_kept_image_is_not_taken_for_another(models, pictures):
    prefix = SharedPrefix(models[0])
    prefix.answer([Question("a", pictures[0])], GREEDY)
    other = Question("a", pictures[1])
    assert prefix.answer([other], GREEDY) == models[0].answer([other], GREEDY)


def test_kept_prefix_serves_only_its_own_template(models, pictures):
    """The other template's model starts with its own prefix and gives its own answers."""
    question = Question("Is there a circle?", pictures[0])
    other = models[0].asked_with("llava_v1", "center_crop")
    SharedPrefix(models[0]).answer([question], GREEDY)
    assert SharedPrefix(other).answer([question], GREEDY) == other.answer([question], GREEDY)
    assert other.answer([question], GREEDY) != models[0].answer([question], GREEDY)


@pytest.mark.parametrize("place", [0, 1])
def test_question_with_the_image_token_is_refused(models, pictures, place):
    rows = ["Is it red?", "Is it red?"]
    rows[place] = "What does <image> mean?"
    with pytest.raises(DataError, match="10 image tokens instead of 9"):
        SharedPrefix(models[0]).answer([Question(text, pictures[0]) for text in rows], GREEDY)


@pytest.mark.parametrize(
    "changes",
    [{"num_beams": 3}, {"do_sample": True, "temperature": 0.2}, {"repetition_penalty": 1.1}],
    ids=["beams", "sampling", "penalty"],
)
def test_only_greedy_questions_share(pictures, changes):
    rows = asked([Question("Is it?", pictures[0])] * 2, **changes)
    assert split(rows, share=True) == ([], rows)


def test_single_questions_and_unwanted_sharing_go_the_plain_way(pictures):
    rows = asked([Question("Is it?", pictures[place]) for place in (0, 1, 0)])
    assert split(rows, share=True) == ([rows[0], rows[2]], [rows[1]])
    assert split(rows, share=False) == ([], rows)


def test_descriptions_wait_for_no_yes_or_no_and_the_other_way_round(pictures):
    """Each image has one description and two questions: only the questions share."""
    rows = asked(
        [
            Question(text, picture)
            for picture in pictures
            for text in ("Describe this image.", "Is it red?", "Does the cat sleep?")
        ]
    )
    shared, plain = split(rows, share=True)
    assert {one.question.text for one in plain} == {"Describe this image."}
    for groups in (batches(rows, 4), batches_by_image(shared, 4)):
        for group in groups:
            assert len({one.kind for one in group}) == 1


@given(
    places=st.lists(st.integers(0, 5), max_size=30),
    lengths=st.randoms(use_true_random=False),
    size=st.integers(1, 6),
)
def test_batches_by_image_hold_every_question_once_and_visit_no_image_twice(places, lengths, size):
    questions = [
        Question("is " * lengths.randint(1, 40), f"{place}.png".encode()) for place in places
    ]
    rows = asked(questions)
    groups = list(batches_by_image(rows, size))
    ordered = [one for group in groups for one in group]
    assert sorted(ordered, key=lambda one: one.index) == rows
    assert all(len(group) <= size for group in groups)
    images = [one.question.image for one in ordered]
    visits = 1 + sum(a != b for a, b in itertools.pairwise(images)) if images else 0
    assert visits == len(set(images))
