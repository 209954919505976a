"""AMBER against recorded runs of its script, with every word replaced by a code."""

import json
from dataclasses import astuple

import pytest
from recorded import recorded

from benchmarks.amber import BENCHMARK, Words, describe
from benchmarks.types import Response, Unscored

RECORDED = recorded("amber")
SIMILARITIES = ("exact_only", "tiny_vectors")
GENERATIVE = ("chair", "cover", "hal", "cog")
BLOCKS = (
    "",
    "existence/",
    "attribute/",
    "attribute/state/",
    "attribute/number/",
    "attribute/action/",
    "relation/",
)


def described(similarity):
    pairs = {tuple(pair) for pair in RECORDED["similar"]}
    similar = pairs | {(b, a) for a, b in pairs} if similarity == "tiny_vectors" else set()
    objects, safe = frozenset(RECORDED["objects"]), frozenset(RECORDED["safe"])
    words = Words(RECORDED["associated"], objects, safe, frozenset(similar))
    return [
        describe(
            [noun for noun in item["nouns"] if noun in objects],
            item["truth"],
            item["hallu"],
            words,
        )
        for item in RECORDED["items"]
    ]


def printed(metrics):
    return [metrics[name] for name in GENERATIVE]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_description_is_counted_as_recorded(similarity):
    counts = [[len(words) for words in astuple(one)] for one in described(similarity)]
    assert counts == [item[similarity] for item in RECORDED["items"]]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_printed_number_of_descriptions_is_the_recorded_one(similarity):
    scores = described(similarity)
    assert printed(BENCHMARK.aggregate(scores)) == RECORDED["printed"][similarity]
    first = BENCHMARK.aggregate(scores[:80])
    assert printed(first) == RECORDED["printed_first_80"][similarity]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_single_descriptions_print_what_was_recorded(similarity):
    """Few counts make the epsilons visible: a clean description prints 0.1 for Hal."""
    scores = dict(
        zip((item["id"] for item in RECORDED["items"]), described(similarity), strict=True)
    )
    for sample_id, numbers in RECORDED["printed_alone"].items():
        assert printed(BENCHMARK.aggregate([scores[int(sample_id)]])) == numbers[similarity]


def test_every_printed_number_of_yes_or_no_answers_is_the_recorded_one():
    rows = [
        {"id": i, "type": kind, "truth": truth}
        for i, (kind, truth, _) in enumerate(RECORDED["answers"])
    ]
    files = {
        "annotations.json": json.dumps(rows),
        "query_all.json": json.dumps([{"id": r["id"], "image": "", "query": ""} for r in rows]),
        "relation.json": "{}",
        "safe_words.txt": "",
    }
    scores = [
        BENCHMARK.score(sample, Response(sample.id, answer), [])
        for sample, (_, _, answer) in zip(BENCHMARK.read(files), RECORDED["answers"], strict=True)
    ]
    counted = [one.counted_as if isinstance(one, Unscored) else one for one in scores]
    metrics = BENCHMARK.aggregate(counted)
    names = [block + name for block in BLOCKS for name in ("accuracy", "precision", "recall", "f1")]
    assert [metrics[name] for name in names] == RECORDED["printed_answers"]
