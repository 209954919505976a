"""Object HalBench: reading COCO, the judge's lists and the tagger's tokens."""

import base64
import json

import pytest

from benchmarks.object_halbench import BENCHMARK, JUDGE_FREE, nouns_of, objects_in, phrases
from benchmarks.types import FAILED_CALL, Response, Unscored

ROWS = [
    {"org_idx": 0, "image_id": 7, "question": "What is here?", "image": "AAEC"},
    {"org_idx": 1, "image_id": 9, "question": "And here?", "image": ""},
]
FILES = {
    "obj_halbench_300_with_image.jsonl": "\n".join(map(json.dumps, ROWS)),
    "synonyms_refine.txt": "person, man\ndog, puppy\ncat\nwine glass\n",
    "judge_prompt.txt": "Q: {question} A: {answer} {other}",
    "annotations/instances_train2014.json": json.dumps(
        {
            "categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": "cat"}],
            "annotations": [
                {"image_id": 7, "category_id": 3},
                {"image_id": 8, "category_id": 4},
            ],
        }
    ),
    "annotations/captions_val2014.json": json.dumps(
        {
            "annotations": [
                {"image_id": 7, "caption": "A man with his puppy."},
                {"image_id": 9, "caption": "Two men."},
                {"image_id": 9, "caption": "A cat."},
            ]
        }
    ),
}
ANSWER = Response(7, "Assistant: A man holds a cat today.")


@pytest.fixture
def sample():
    return BENCHMARK.read(FILES)[0]


def tagged(*phrases):
    return json.dumps([[["a", "DT", "a"], *phrase] for phrase in phrases])


MAN, CAT = ["man", "NN", "man"], ["cats", "NNS", "cat"]


def test_ground_truth_joins_instances_and_caption_words(sample):
    """Image 7: the dog of the instances, the man and the dog of its caption."""
    assert sample.reference["present"] == {"dog", "person"}
    assert BENCHMARK.read(FILES)[1].reference["present"] == {"cat"}


def test_images_are_decoded(sample):
    assert sample.image == base64.b64decode("AAEC")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("synonyms_refine.txt", None, "synonyms_refine.txt is missing"),
        ("obj_halbench_300_with_image.jsonl", json.dumps(ROWS[0] | {"image_id": 5}), "[5]"),
        ("obj_halbench_300_with_image.jsonl", "\n".join([json.dumps(ROWS[0])] * 2), "twice: [7]"),
        ("obj_halbench_300_with_image.jsonl", "{", "jsonl:1: not JSON"),
        ("obj_halbench_300_with_image.jsonl", json.dumps(ROWS[0] | {"image": "?"}), "base64"),
        ("obj_halbench_300_with_image.jsonl", '{"image_id": 7}', "no field 'question'"),
    ],
)
def test_wrong_data_are_named(file, text, told):
    files = {name: content for name, content in FILES.items() if name != file}
    if text is not None:
        files[file] = text
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is checked below
        BENCHMARK.read(files)
    assert told in str(caught.value)


def test_the_request_holds_question_and_cleaned_answer(sample):
    expected = "Q: What is here? A: A man holds a cat today. {other}"
    assert BENCHMARK.request(sample, ANSWER) == expected


def test_without_prompt_the_request_is_an_error():
    files = {name: text for name, text in FILES.items() if name != "judge_prompt.txt"}
    with pytest.raises(ValueError, match="judge_prompt"):
        BENCHMARK.request(BENCHMARK.read(files)[0], ANSWER)


@pytest.mark.parametrize(("text", "asked"), [("I see cats.", False), ("I can see cats.", True)])
def test_short_answers_are_not_put_to_the_judge(sample, text, asked):
    response = Response(7, text)
    assert BENCHMARK.annotator.needed(sample, response) is asked
    if not asked:
        assert BENCHMARK.score(sample, response, []).words == ()


@pytest.mark.parametrize(
    ("reply", "listed"),
    [
        ('["dog", "cat"]', ["dog", "cat"]),
        ('Sure!\n["dog"]\n', ["dog"]),
        ('{"objects": ["dog"]}', ["objects"]),
        ('"dog"', ["d", "o", "g"]),
        ("[]", []),
        ("null", None),
        ("5", None),
        ("()", None),
        ("['dog']", None),
        ('```json\n["dog"]\n```', None),
        (FAILED_CALL, None),
        ("", None),
    ],
)
def test_lists_in_replies(reply, listed):
    assert objects_in(reply) == listed
    assert BENCHMARK.annotator.readable(reply) is (listed is not None)


def test_every_listed_object_is_tagged_with_an_article():
    assert phrases(ANSWER, ["?", '["man", "big cat"]']) == ["a man", "a big cat"]


def test_runs_of_nouns_unless_a_known_pair_is_there(sample):
    vocabulary = sample.reference["vocabulary"]
    run = [["red", "JJ", "red"], ["cat", "NN", "cat"], ["food", "NN", "food"]]
    assert nouns_of([*run, ["of", "IN", "of"], MAN], vocabulary) == ["cat food", "man"]
    pair = [["wine", "NN", "wine"], ["glasses", "NNS", "glass"], MAN]
    assert nouns_of(pair, vocabulary) == ["wine glass"]


def test_repeats_count_once_with_a_judge_and_every_time_without(sample):
    """The man is there, the cat is not: 1 of 2 mentions with a judge, 2 of 3 without."""
    twice = Response(7, "A man, a cat and another cat.")
    judged = BENCHMARK.score(
        sample, twice, ['["man", "cats", "cats"]', tagged([MAN], [CAT], [CAT])]
    )
    assert BENCHMARK.aggregate([judged])["mention_hallucination"] == 50.0
    words = JUDGE_FREE.score(sample, twice, [])
    assert JUDGE_FREE.aggregate([words])["mention_hallucination"] == 66.67


@pytest.mark.parametrize("replies", [[], ["no list", "[]"], ["no list"]])
def test_without_a_readable_list_the_sample_is_unscored(sample, replies):
    assert isinstance(BENCHMARK.score(sample, ANSWER, replies), Unscored)


def test_the_published_script_stops_at_an_unreadable_reply(sample):
    readable = BENCHMARK.score(sample, ANSWER, ['["man"]', tagged([MAN])])
    assert BENCHMARK.aggregate([readable, BENCHMARK.fallback]) == {}
    assert BENCHMARK.aggregate([readable])["recall"] == 50.0
