"""Time of scoring a few hundred answers, from the annotator's reply to the printed numbers."""

import json

import pytest

from benchmarks import amber, chair, mm_vet, mmhal
from benchmarks.types import Response, Sample

COUNT = 300


def scored(benchmark, samples, responses, replies):
    """Score every sample and aggregate, as an evaluation does."""
    scores = [benchmark.score(*one) for one in zip(samples, responses, replies, strict=True)]
    return benchmark.aggregate(scores)


def test_chair(benchmark):
    """Three mentions, of them two chairs that are not there; cat and table are, one is named."""
    words = chair.read_synonyms("cat, kitten\nchair, seat\ntable, desk\ncar, automobile")
    texts = [f"Number {i}: a kitten sleeps between two chairs or seats." for i in range(COUNT)]
    present = frozenset({"cat", "table"})

    def measure():
        found = [chair.words_in(text, words) for text in texts]
        return chair.rates([chair.compare(one, present, words) for one in found])

    assert benchmark(measure) == {
        "response_hallucination": 100.0,
        "mention_hallucination": 66.67,
        "recall": 50.0,
    }


def test_amber_generative(benchmark):
    """Two nouns of the lexicon, one of them there; one of two truths covered; no likely one."""
    words = amber.Words({"dog": ["puppy"]}, frozenset({"dog", "puppy", "cat", "sky"}), frozenset(),
                        frozenset())  # fmt: skip
    truth = {"truth": ["dog", "sky"], "hallu": ["bird"], "words": words}
    samples = [Sample(i, "Describe.", "0.png", amber.GENERATIVE, truth) for i in range(COUNT)]
    responses = [Response(i, "A puppy and a cat.") for i in range(COUNT)]
    tagged = [[["A", "DT", "a"], ["puppy", "NN", "puppy"], ["cat", "NN", "cat"]]]
    replies = [[json.dumps(tagged)]] * COUNT
    found = benchmark(scored, amber.BENCHMARK, samples, responses, replies)
    assert found["chair"] == pytest.approx(50.0, abs=0.1)
    assert found["cover"] == pytest.approx(50.0, abs=0.1)
    assert found["hal"] == pytest.approx(100.0, abs=0.1)
    assert found["cog"] == pytest.approx(0.0, abs=0.1)


def test_amber_discriminative(benchmark):
    """Half the questions are answered rightly; all are answered with "No", so recall is whole."""
    kind = "discriminative-hallucination"
    samples = [
        Sample(i, "Is there a dog?", "0.png", kind, {"truth": "no" if i % 2 else "yes"})
        for i in range(COUNT)
    ]
    responses = [Response(i, "No") for i in range(COUNT)]
    found = benchmark(scored, amber.BENCHMARK, samples, responses, [[]] * COUNT)
    assert found["accuracy"] == pytest.approx(50.0, abs=0.1)
    assert found["precision"] == pytest.approx(50.0, abs=0.1)
    assert found["recall"] == pytest.approx(100.0, abs=0.1)


def test_mmhal(benchmark):
    """Ratings 0 to 5 in turn: mean 2.5, half of them below 3."""
    samples = [Sample(i, "Why?", "0.png", mmhal.TYPES[i % 8], {}) for i in range(COUNT)]
    responses = [Response(i, "So.") for i in range(COUNT)]
    replies = [[f"Explanation: good enough.\nRating: {i % 6}, so to say"] for i in range(COUNT)]
    found = benchmark(scored, mmhal.BENCHMARK, samples, responses, replies)
    assert (found["score"], found["hallucination_rate"]) == (2.5, 50.0)


def test_mm_vet(benchmark):
    """Answers are worth 0.0, 0.5 and 1.0 in turn, the whole ones all and only of ocr."""
    parts = (("rec",), ("know", "rec"), ("ocr",))
    samples = [
        Sample(f"v1_{i}", "Why?", "0.png", "", {"capabilities": parts[i % 3]}) for i in range(COUNT)
    ]
    responses = [Response(sample.id, "So.") for sample in samples]
    replies = [["unreadable", f"{i % 3 / 2} of 1"] for i in range(COUNT)]
    found = benchmark(scored, mm_vet.BENCHMARK, samples, responses, replies)
    assert (found["total"], found["rec"], found["ocr"]) == (50.0, 25.0, 100.0)
