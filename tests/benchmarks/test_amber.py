"""AMBER: counting objects in descriptions, and yes-or-no answers."""

import json
from collections import Counter
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.amber import BENCHMARK, Words, describe
from benchmarks.amber_metrics import Answer, Description
from benchmarks.types import Response, Sample, Unscored

WORDS = Words(
    associated={"grass": ["lawn"], "dog": ["puppy"], "cat": [], "sky": []},
    objects=frozenset(["grass", "lawn", "dog", "puppy", "cat", "sky", "shoe", "hound"]),
    safe=frozenset(["shoe"]),
    similar=frozenset([("hound", "dog"), ("dog", "hound")]),
)
FILES = {
    "annotations.json": json.dumps(
        [
            {"id": 1, "type": "generative", "truth": ["grass"], "hallu": ["dog"]},
            {"id": 2, "type": "discriminative-hallucination", "truth": "no"},
            {"id": 3, "type": "relation", "truth": "no"},
        ]
    ),
    "query_all.json": json.dumps(
        [{"id": i, "image": f"AMBER_{i}.jpg", "query": "?"} for i in (1, 2, 3)]
    ),
    "relation.json": json.dumps({"grass": ["lawn"], "dog": ["puppy"]}),
    "safe_words.txt": "shoe\n",
}
objects = st.lists(st.sampled_from(sorted(WORDS.objects)), max_size=6)
answers = st.builds(
    Answer,
    st.sampled_from(["existence", "relation", "attribute/state"]),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["Yes", "No", "no", ""]),
)


def found(*mentioned, truth=("grass",), hallu=("dog",)):
    return describe(mentioned, truth, hallu, WORDS)


def counts(score):
    """How many objects, hallucinated, covered, truths, cognition, likely."""
    return tuple(len(getattr(score, field.name)) for field in fields(score))


@pytest.mark.parametrize(
    ("mentioned", "expected"),
    [
        # objects, hallucinated, covered, truths, cognition, likely
        (["grass"], (1, 0, 1, 1, 0, 1)),
        (["lawn"], (1, 0, 1, 1, 0, 1)),
        (["grass", "lawn", "grass"], (3, 0, 1, 1, 0, 1)),
        (["cat"], (1, 1, 0, 1, 0, 1)),
        (["dog"], (1, 1, 0, 1, 1, 1)),
        (["hound"], (1, 1, 0, 1, 1, 1)),
        (["shoe"], (1, 0, 0, 1, 0, 1)),
        ([], (0, 0, 0, 1, 0, 1)),
    ],
    ids=["named", "by association", "repeated", "absent", "likely", "similar", "safe", "nothing"],
)
def test_one_description(mentioned, expected):
    assert counts(found(*mentioned)) == expected


def test_a_word_similar_to_a_truth_is_covered_and_still_sets_its_likely_flag():
    score = found("hound", truth=["dog"], hallu=["hound"])
    assert counts(score) == (1, 0, 1, 1, 1, 1)
    assert (score.covered, score.cognition) == (("dog",), ("hound",))


def test_the_repeat_of_a_truth_can_never_be_covered():
    assert found("grass", truth=["grass", "grass"]).covered == ("grass",)


def test_two_descriptions_by_hand():
    """5 objects, 2 hallucinated: 2/5.001 = 40.0; covered 2 of 2; one of two clean; cog 1/2.

    Cover 2/2.001 = 99.95002 -> 100.0, Hal 100 - 1/2.001 = 50.02 -> 50.0.
    """
    metrics = BENCHMARK.aggregate([found("grass", "lawn", "dog", "cat"), found("grass")])
    assert metrics == {"chair": 40.0, "cover": 100.0, "hal": 50.0, "cog": 50.0}


def test_one_clean_description_prints_a_tenth_of_a_percent():
    """100 - 100 / 1.001 = 0.0999."""
    assert BENCHMARK.aggregate([found("grass")])["hal"] == 0.1


def test_four_answers_by_hand():
    """Truths no, no, yes, yes; answers No, Yes, No, Yes: 2 right; "No" is right once of twice.

    Accuracy 2/4.001 = 50.0, precision and recall 1/2.001 = 50.0 (49.98), F1 2*.25/1.0001 = 50.0.
    """
    scores = [
        Answer("relation", truth, answer)
        for truth, answer in [("no", "No"), ("no", "Yes"), ("yes", "No"), ("yes", "Yes")]
    ]
    expected = dict.fromkeys(("accuracy", "precision", "recall", "f1"), 50.0)
    metrics = BENCHMARK.aggregate(scores)
    assert metrics == expected | {f"relation/{name}": 50.0 for name in expected}


@pytest.mark.parametrize("answer", ["yes", "no", "No.", " Yes", "", "Unsure"])
def test_anything_but_yes_and_no_is_neither(answer):
    """Officially wrong, and left out of the careful numbers."""
    sample = Sample(
        1005, "Is there a dog?", "1.jpg", "discriminative-hallucination", {"truth": "no"}
    )
    scored = BENCHMARK.score(sample, Response(1005, answer), [])
    assert isinstance(scored, Unscored)
    assert scored.reason == 'neither "Yes" nor "No"'
    metrics = BENCHMARK.aggregate([scored.counted_as])
    assert set(metrics.values()) == {0.0}


@pytest.mark.parametrize(
    ("truth", "answer", "verdict"),
    [
        ("no", "No", "right"),
        ("no", "Yes", "wrong"),
        ("yes", "Yes", "right"),
        ("yes", "No", "wrong"),
    ],
)
def test_every_answer_has_its_verdict(truth, answer, verdict):
    assert Answer("relation", truth, answer).verdict.startswith(verdict)


def test_the_total_is_rounded_half_up_in_decimal():
    """(100 - 5.6 + 72.3) / 2 = 83.35, which binary rounding makes 83.3."""
    descriptions = [Description(("cat",) * 1000, ("cat",) * 56)]
    no = [Answer("relation", "no", "No")] * 723
    rest = [Answer("relation", "no", "Yes")] * 277 + [Answer("relation", "yes", "No")] * 277
    metrics = BENCHMARK.aggregate([*descriptions, *no, *rest])
    assert (metrics["chair"], metrics["f1"]) == (5.6, 72.3)
    assert metrics["amber_score"] == 83.4


def test_parts_without_answers_are_absent():
    assert BENCHMARK.aggregate([]) == {}
    assert "accuracy" not in BENCHMARK.aggregate([found("grass")])
    assert "chair" not in BENCHMARK.aggregate([Answer("relation", "no", "No")])


@given(objects, objects, objects)
def test_one_more_absent_object_never_lowers_chair_or_hal(mentioned, truth, hallu):
    before = describe(mentioned, truth, hallu, WORDS)
    after = describe([*mentioned, "unheard-of"], truth, hallu, WORDS)
    old, new = BENCHMARK.aggregate([before]), BENCHMARK.aggregate([after])
    assert new["chair"] >= old["chair"]
    assert new["hal"] >= old["hal"]


@given(objects, objects, objects)
def test_flags_never_exceed_what_is_annotated(mentioned, truth, hallu):
    score = describe(mentioned, truth, hallu, WORDS)
    assert set(score.hallucinated) <= set(score.objects) == set(mentioned)
    assert len(score.objects) == len(mentioned)
    assert not Counter(score.covered) - Counter(score.truths)
    assert not Counter(score.cognition) - Counter(score.likely)


@given(st.lists(answers, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(scores, random):
    assert BENCHMARK.aggregate(random.sample(scores, len(scores))) == BENCHMARK.aggregate(scores)


def test_only_descriptions_are_put_to_the_tagger():
    samples = BENCHMARK.read(FILES)
    requests = [BENCHMARK.request(sample, Response(sample.id, "No")) for sample in samples]
    assert requests == ["No", "", ""]


def test_nouns_of_the_tagger_are_compared_and_other_words_are_not():
    sample = BENCHMARK.read(FILES)[0]
    tokens = [["lawn", "NN", "lawn"], ["dogs", "NNS", "dog"], ["grass", "VB", "grass"]]
    score = BENCHMARK.score(sample, Response(1, "some text"), [json.dumps([tokens])])
    assert (score.objects, score.hallucinated) == (("lawn", "dog"), ("dog",))
    assert counts(BENCHMARK.score(sample, Response(1, ""), [])) == (0, 0, 0, 1, 0, 1)


def test_similar_words_come_from_a_file_and_count_both_ways():
    table = json.dumps({"model": "en_core_web_lg 3.7.1", "pairs": [["dog", "lawn"]]})
    exact = BENCHMARK.read(FILES)[0].reference
    similar = BENCHMARK.read(FILES | {"similar_words.json": table})[0].reference
    assert "exact matching" in exact["resources"]
    assert "en_core_web_lg 3.7.1" in similar["resources"]
    assert similar["words"].similar == {("dog", "lawn"), ("lawn", "dog")}


OWN = FILES | {
    "relation.json": json.dumps({"dog": ["lawn"], "cat": [], "bicycle": [], "bike": [], "sky": []})
}


def resources(**table):
    """Return what the samples say of AMBER's own words under a table of similar ones."""
    files = OWN | ({"similar_words.json": json.dumps(table)} if table else {})
    return BENCHMARK.read(files)[0].reference


def test_two_pairs_of_amber_s_own_words_count_as_alike_without_a_table():
    found = resources()
    assert found["resources"] == "similar words: cat\u2013dog and bicycle\u2013bike"
    pairs = {("cat", "dog"), ("bicycle", "bike")}
    assert found["words"].similar == pairs | {(b, a) for a, b in pairs}
    described = describe(["dog", "bike"], ["cat", "bicycle"], [], found["words"])
    assert (described.hallucinated, described.covered) == ((), ("cat", "bicycle"))


def test_the_evidence_for_the_two_pairs_stands_beside_the_numbers():
    (text,) = (
        text for part, text in BENCHMARK.caveats.items() if part in "x; " + resources()["resources"]
    )
    assert "28 official numbers" in text
    assert "210 of 210" in text


@pytest.mark.parametrize(
    ("table", "note"),
    [
        (
            {"model": "en_core_web_lg 3.7.1", "threshold": 0.8},
            "similar words: en_core_web_lg 3.7.1",
        ),
        (
            {"model": "glove 6B", "threshold": 0.8},
            "similar words: glove 6B, not official (en_core_web_lg above 0.8)",
        ),
        (
            {"model": "en_core_web_lg 3.7.1", "threshold": 0.7},
            "similar words: en_core_web_lg 3.7.1 above 0.7, not official "
            "(en_core_web_lg above 0.8)",
        ),
    ],
)
def test_a_table_wins_and_another_model_or_threshold_is_named(table, note):
    found = resources(**table, pairs=[["dog", "sky"]])
    assert found["resources"] == note
    assert found["words"].similar == {("dog", "sky"), ("sky", "dog")}
    told = [text for part, text in BENCHMARK.caveats.items() if part in note]
    assert ["not the official numbers" in text for text in told] == ["official" in note] * len(told)


def test_an_empty_table_asks_for_exact_matching():
    found = resources(model="none", pairs=[])
    assert "exact matching" in found["resources"]
    assert found["words"].similar == frozenset()


def test_the_medium_model_is_refused():
    with pytest.raises(ValueError, match="1 of 28 official numbers"):
        resources(model="en_core_web_md 3.7.1", pairs=[["dog", "sky"]])


@pytest.mark.parametrize("pairs", ["dog", [["dog"]], [["dog", 1]]])
def test_a_table_without_pairs_of_words_is_refused(pairs):
    with pytest.raises(ValueError, match="pairs of words"):
        resources(model="en_core_web_lg", pairs=pairs)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("annotations.json", '[{"id": 9, "type": "relation", "truth": "no"}]', "no such id"),
        ("annotations.json", '[{"id": 1, "type": "taste", "truth": "no"}]', "unknown type"),
        ("annotations.json", '[{"id": 1}]', "no field 'type'"),
        ("relation.json", None, "relation.json is missing"),
    ],
)
def test_wrong_data_are_named(file, text, told):
    files = {name: content for name, content in FILES.items() if name != file}
    if text is not None:
        files[file] = text
    with pytest.raises(ValueError, match=told):
        BENCHMARK.read(files)
