"""Object mentions: which words count, and what the rates say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chair import compare, known_words, rates, read_pairs, read_synonyms, words_in
from benchmarks.plurals import words_of

VOCABULARY = read_synonyms(
    "person, man, woman, child\nknife\nvase\ndog, puppy\ntoilet\nchair, seat\n"
    "wine glass\ntie, bow tie\nhot dog\n"
)
CLASSES = ["person", "knife", "vase", "dog", "toilet", "chair", "wine glass", "tie", "hot dog"]


def mentions(*words, present=()):
    return compare(words, frozenset(present), VOCABULARY)


scores = st.builds(
    lambda words, present: mentions(*words, present=present),
    st.lists(st.sampled_from(CLASSES), max_size=4),
    st.lists(st.sampled_from(CLASSES), max_size=4),
)


def test_two_of_three_mentions_absent_in_one_of_two_responses():
    """Response 1: man, dog; only a person is there. Response 2: knife; it is there, and a vase.

    Responses 1/2 = 50 %, mentions 1/3 = 33.33 %, recall: person and knife of person, knife and
    vase = 2/3 = 66.67 %.
    """
    first = mentions("man", "dog", present=["person"])
    second = mentions("knife", present=["knife", "vase"])
    assert rates([first, second]) == {
        "response_hallucination": 50.0,
        "mention_hallucination": 33.33,
        "recall": 66.67,
    }


def test_two_words_of_one_class_are_two_mentions_and_one_object_found():
    score = mentions("man", "woman", present=["person", "dog"])
    assert rates([score])["recall"] == 50.0
    assert score.words == ("man", "woman")


def test_a_response_without_objects_leaves_the_rates_of_the_others_alone():
    bad = mentions("dog", present=[])
    assert rates([bad, mentions()]) == rates([bad])
    assert rates([bad])["response_hallucination"] == 100.0


@pytest.mark.parametrize("empty", [[], [mentions()]], ids=["no scores", "nothing there"])
def test_rates_of_nothing_are_absent(empty):
    assert rates(empty) == {}


@given(st.lists(scores, max_size=6), scores)
def test_one_more_absent_object_never_lowers_hallucination(others, score):
    """(h + 1) / (m + 1) >= h / m as long as h <= m."""
    worse = compare((*score.words, "tie"), frozenset(), VOCABULARY)
    before = rates([*others, compare(score.words, frozenset(), VOCABULARY)])
    after = rates([*others, worse])
    for name in ("response_hallucination", "mention_hallucination"):
        assert after[name] >= before.get(name, 0.0)


@given(st.lists(scores, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_responses_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert rates(shuffled) == rates(values)


@given(scores)
def test_only_mentioned_words_are_hallucinated_and_only_present_classes_found(score):
    assert set(score.hallucinated) <= set(score.words)
    assert score.found <= score.present


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog. A child's knife, too!", "a|dog|.|a|child|'s|knife|,|too|!"),
        ("dog-like **dog** cat/dog", "dog-like|**dog**|cat/dog"),
        ("The dog... barks--twice.", "the|dog|...|barks|--|twice|."),
        ('"A dog."', '"|a|dog|.|"'),
        ("", ""),
    ],
)
def test_texts_fall_into_words(text, words):
    assert words_of(text) == ([] if not words else words.split("|"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Two women and three children.", ["woman", "child"]),
        ("Knives beside dogs and puppies", ["knife", "dog", "puppy"]),
        ("two men", []),  # WordNet knows "men" as a noun of its own
        ("two vases", []),  # and "vas"
        ("wine glasses", ["wine glass"]),
        ("He wears a bow tie.", ["tie"]),
        ("A hot dog", ["hot dog"]),
        ("The seat of the toilet", ["toilet"]),
        ("A toilet seat", ["toilet"]),
        ("A seat", ["seat"]),
        ("A baby bear and a baby dog", ["dog"]),
        ("dog, hot. Dog", ["dog", "dog"]),
    ],
)
def test_mentions_in_a_text(text, found):
    assert words_in(text, VOCABULARY) == found


def test_pairs_are_matched_from_the_left_and_not_twice():
    assert read_pairs(["hot", "dog", "dog"], VOCABULARY) == (["hot dog", "dog"], ["hot dog"])


@given(st.lists(st.sampled_from([*VOCABULARY.classes, "sky"])))
def test_known_words_are_in_the_vocabulary_and_in_order(words):
    known = known_words(words, VOCABULARY)
    remaining = iter(words)
    assert all(word in remaining for word in known)
    assert set(known) <= set(VOCABULARY.classes)


def test_an_empty_synonym_list_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        read_synonyms("\n\n")
