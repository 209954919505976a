"""Object HalBench against recorded runs of RLAIF-V's script, with and without judge.

The synonym list holds the words that the recorded outputs name; COCO is made up.
"""

import json

import pytest
from recorded import recorded, texts

from benchmarks.object_halbench import BENCHMARK, JUDGE_FREE, objects_in, phrases
from benchmarks.types import Response

RECORDED = recorded("object_halbench")
ITEMS = RECORDED["items"]


def annotations(split):
    names = sorted({name for scene in RECORDED["scenes"].values() for name in scene["instances"]})
    items = [item for item in ITEMS if item["split"] == split]
    scenes = [(item["image_id"], RECORDED["scenes"][item["scene"]]) for item in items]
    instances = [
        {"image_id": image, "category_id": names.index(name)}
        for image, scene in scenes
        for name in scene["instances"]
    ]
    captions = [
        {"image_id": image, "caption": text}
        for image, scene in scenes
        for text in scene["captions"]
    ]
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    return {
        f"annotations/instances_{split}2014.json": json.dumps(
            {"categories": categories, "annotations": instances}
        ),
        f"annotations/captions_{split}2014.json": json.dumps({"annotations": captions}),
    }


@pytest.fixture(scope="module")
def samples():
    rows = [{"image_id": item["image_id"], "question": "", "image": ""} for item in ITEMS]
    files = {
        "obj_halbench_300_with_image.jsonl": "\n".join(map(json.dumps, rows)),
        "synonyms_refine.txt": "\n".join(RECORDED["synonyms"]),
    }
    return BENCHMARK.read(files | annotations("train") | annotations("val"))


def used(item):
    """The replies up to the first readable one, which is where the script stops."""
    replies = texts(item["replies"])
    last = next((i for i, reply in enumerate(replies) if objects_in(reply) is not None), -1)
    return replies[: last + 1]


def scored(sample, item):
    response = Response(sample.id, item["answer"])
    replies = used(item)
    tagged = [item["tagged"][phrase] for phrase in phrases(response, replies)]
    return BENCHMARK.score(sample, response, [*replies, json.dumps(tagged)])


def scored_words(sample, item):
    return JUDGE_FREE.score(sample, Response(sample.id, item["answer"]), [])


def rates(metrics):
    return [metrics[x] for x in ("response_hallucination", "mention_hallucination", "recall")]


def printed(overall):
    return [float(f"{100 * overall[x]:.2f}") for x in ("CHAIRs_refine", "CHAIRi", "obj_rec")]


def test_ground_truth_is_the_recorded_one(samples):
    for sample, item in zip(samples, ITEMS, strict=True):
        assert sorted(sample.reference["present"]) == sorted(item["ground_truth"])


def test_the_judge_is_asked_about_the_recorded_answers_only(samples):
    for sample, item in zip(samples, ITEMS, strict=True):
        needed = BENCHMARK.annotator.needed(sample, Response(sample.id, item["answer"]))
        assert needed == bool(item["replies"])


def test_every_list_of_objects_is_read_as_recorded():
    for item in ITEMS:
        if item["replies"]:
            assert objects_in(used(item)[-1]) == list(item["listed"])


def test_every_mention_is_the_recorded_one(samples):
    for sample, item in zip(samples, ITEMS, strict=True):
        score = scored(sample, item)
        assert list(score.words) == [word for word, _ in item["generated"]], item["answer"]
        assert list(score.hallucinated) == item["hallucinated"], item["answer"]


def test_every_word_without_judge_is_the_recorded_one(samples):
    for sample, item in zip(samples, ITEMS, strict=True):
        score = scored_words(sample, item)
        assert list(score.words) == [word for word, _ in item["words_generated"]], item["answer"]
        assert list(score.hallucinated) == item["words_hallucinated"], item["answer"]


def test_every_rate_is_the_recorded_one(samples):
    pairs = list(zip(samples, ITEMS, strict=True))
    judged = BENCHMARK.aggregate([scored(*pair) for pair in pairs])
    words = JUDGE_FREE.aggregate([scored_words(*pair) for pair in pairs])
    assert rates(judged) == printed(RECORDED["overall"])
    assert rates(words) == printed(RECORDED["overall_words"])
