"""Taggers: NLTK over data in a folder, and the singulars of WordNet."""

import json
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.types import Token
from harness.errors import DataError
from harness.evaluation.tagging.nouns import NLTKTagger, NounForms, PhraseTagger
from harness.evaluation.tagging.plain_pickle import read_plain_pickle

INDEX = "  1 licence text\n" + "".join(
    f"{noun} n 1 0\n" for noun in ("bus", "dog", "knife", "leaf", "men", "man", "vas", "vase")
)
EXCEPTIONS = "knives knife\nmen man\n"
# One rule, "the word ends in -ogs", so that every number can be checked by hand.
WEIGHTS = {"i suffix ogs": {"NNS": 2.0, "NN": 1.0}, "bias": {"NN": 1.0, "NNS": 0.5}}
TAGS = {"the": "DT", ".": ".", "men": "NNS", "big": "JJ", "a": "DT"}
CLASSES = {"NN", "NNS", "DT", "JJ", "."}
PUNKT = ("abbrev_types.txt", "sent_starters.txt", "collocations.tab", "ortho_context.tab")

plain = st.recursive(
    st.none()
    | st.text(alphabet="ab\u00e9", max_size=4)
    | st.floats(allow_nan=False)
    | st.integers(0, 99999),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@pytest.fixture
def folder(tmp_path):
    """NLTK's data in the flat layout, the tagger as the pickle that was once published."""
    punkt = tmp_path / "data" / "punkt_tab_english"
    punkt.mkdir(parents=True)
    for name in PUNKT:
        (punkt / name).write_text("mr\n" if name.startswith("abbrev") else "")
    (tmp_path / "data" / "index.noun").write_text(INDEX)
    (tmp_path / "data" / "noun.exc").write_text(EXCEPTIONS)
    name = "averaged_perceptron_tagger"
    with zipfile.ZipFile(tmp_path / "data" / f"{name}.zip", "w") as archive:
        content = pickle.dumps((WEIGHTS, TAGS, CLASSES), protocol=2)
        archive.writestr(f"{name}/{name}.pickle", content)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("word", "lemma"),
    [
        ("dogs", "dog"),
        ("dogss", "dog"),
        ("buses", "bus"),
        ("leaves", "leaf"),
        ("knives", "knife"),
        ("men", "men"),  # as short as "man", and known
        ("vases", "vas"),  # shorter than "vase"
        ("Dogs", "Dogs"),
        ("xyzs", "xyzs"),
        ("", ""),
    ],
)
def test_the_lemma_is_the_shortest_known_form(word, lemma):
    assert NounForms(INDEX, EXCEPTIONS).lemma(word) == lemma


@given(st.text(alphabet="dogsmenvxi", max_size=8))
def test_a_lemma_is_the_word_itself_or_a_known_noun(word):
    lemma = NounForms(INDEX, EXCEPTIONS).lemma(word)
    assert lemma == word or f"{lemma} n" in INDEX


def test_texts_become_tagged_tokens_with_noun_lemmas(folder, tmp_path):
    tagger = NLTKTagger([folder], tmp_path / "cache")
    assert tagger.tag(["the dogs. the men.", ""]) == [
        [
            Token("the", "DT", "the"),
            Token("dogs", "NNS", "dog"),
            Token(".", ".", "."),
            Token("the", "DT", "the"),
            Token("men", "NNS", "men"),
            Token(".", ".", "."),
        ],
        [],
    ]


def test_the_pickle_is_converted_once(folder, tmp_path, monkeypatch):
    NLTKTagger([folder], tmp_path / "cache").tag(["dogs"])
    monkeypatch.setattr("harness.evaluation.tagging.nouns.read_plain_pickle", None)
    assert NLTKTagger([folder], tmp_path / "cache").tag(["dogs"])[0][0].tag == "NNS"


def test_another_pickle_is_not_taken_for_the_one_converted_before(folder, tmp_path):
    NLTKTagger([folder], tmp_path / "cache").tag(["dogs"])
    name = "averaged_perceptron_tagger"
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        content = pickle.dumps((WEIGHTS, {"dogs": "VBZ"}, CLASSES | {"VBZ"}), protocol=2)
        archive.writestr(f"{name}/{name}.pickle", content)
    assert NLTKTagger([folder], tmp_path / "cache").tag(["dogs"])[0][0].tag == "VBZ"


def test_files_that_are_not_the_published_ones_are_named(folder, tmp_path):
    name = NLTKTagger([folder], tmp_path / "cache").name
    assert name.startswith("nltk averaged_perceptron_tagger, WordNet 3.0 (not the official files: ")
    assert "index.noun" in name
    assert "averaged_perceptron_tagger.zip" in name


def test_files_that_are_not_here_change_nothing_in_the_name(tmp_path):
    tagger = NLTKTagger([tmp_path], tmp_path / "cache")
    assert tagger.name == "nltk averaged_perceptron_tagger, WordNet 3.0"


def test_json_of_newer_nltk_is_read(folder, tmp_path):
    (folder / "averaged_perceptron_tagger.zip").unlink()
    place = folder / "taggers" / "averaged_perceptron_tagger_eng"
    place.mkdir(parents=True)
    for part, value in (("weights", WEIGHTS), ("tagdict", TAGS), ("classes", sorted(CLASSES))):
        (place / f"averaged_perceptron_tagger_eng.{part}.json").write_text(json.dumps(value))
    assert NLTKTagger([folder], tmp_path / "cache").tag(["dogs"])[0][0].tag == "NNS"


def test_missing_data_are_named_with_what_to_fetch(tmp_path):
    with pytest.raises(DataError, match=r"punkt_tab.*NLTK_DATA"):
        NLTKTagger([tmp_path], tmp_path / "cache").tag(["dogs"])


def test_phrases_end_in_nouns_with_true_singulars(folder, tmp_path):
    phrases = PhraseTagger(NLTKTagger([folder], tmp_path / "cache"))
    assert phrases.tag(["a big", "a big men"]) == [
        [Token("a", "DT", "a"), Token("big", "NN", "big")],
        [Token("a", "DT", "a"), Token("big", "JJ", "big"), Token("men", "NNS", "man")],
    ]


@given(plain)
def test_plain_values_survive_a_pickle(value):
    content = pickle.dumps((value, {"x"}), protocol=2)
    assert read_plain_pickle(content, "file") == (value, {"x"})


@pytest.mark.parametrize("value", [print, ValueError("x"), object(), b"bytes"])
def test_a_pickle_that_names_code_is_refused(value):
    with pytest.raises(DataError, match="file"):
        read_plain_pickle(pickle.dumps(value, protocol=2), "file")


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"nonsense", b"\x80\x02}q\x00h\x05."])
def test_a_damaged_pickle_is_refused(content):
    with pytest.raises(DataError, match="file"):
        read_plain_pickle(content, "file")
