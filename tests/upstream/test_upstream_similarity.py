"""The table of similar words: cosines in float32, strictly above 0.8."""

import json

import numpy as np
import pytest

from benchmarks.amber import read_words
from harness.errors import ConfigError, DataError
from harness.upstream import similarity as module
from harness.upstream.similarity import similar_pairs, similarity, words_of, write_table


def vector(*values):
    return np.array(values, dtype=np.float32)


def test_cosine_by_hand():
    """(3, 4) and (4, 3): 24 / (5 * 5) = 0.96."""
    assert similarity(vector(3, 4), vector(4, 3)) == pytest.approx(0.96, abs=1e-7)


def test_a_word_without_vector_is_similar_to_nothing():
    vectors = {"a": vector(0, 0), "b": vector(1, 0), "c": vector(0, 0)}
    assert similarity(vectors["a"], vectors["b"]) == 0
    assert similar_pairs(list(vectors), vectors) == []


def test_four_fifths_in_float32_is_above_the_threshold():
    """(4, 3) and (1, 0): 4 / 5, which as float32 is 0.800000012, above 0.8; 0.79 is not."""
    assert similar_pairs(["a", "b"], {"a": vector(4, 3), "b": vector(1, 0)}) == [("a", "b")]
    below = {"a": vector(0.79, np.sqrt(1 - 0.79**2)), "b": vector(1, 0)}
    assert similar_pairs(["a", "b"], below) == []


def test_pairs_are_sorted_and_stand_once():
    vectors = {word: vector(1, place) for place, word in enumerate("cab")}
    vectors["d"] = vector(-1, 0)
    assert similar_pairs(["c", "a", "b", "a", "d"], vectors) == [("a", "b")]


def test_length_of_a_vector_does_not_matter():
    vectors = {"a": vector(1, 1), "b": vector(100, 100)}
    assert similar_pairs(["b", "a"], vectors) == [("a", "b")]


@pytest.fixture
def amber(tmp_path):
    (tmp_path / "relation.json").write_text('{"dog": ["puppy"], "sky": ["cloud", "dog"]}')
    (tmp_path / "safe_words.txt").write_text("sign\n")
    return tmp_path


def test_amber_reads_the_table_that_is_written(amber, monkeypatch):
    vectors = {"dog": vector(1, 0), "puppy": vector(2, 1), "sky": vector(0, 1)}
    vectors["cloud"] = vector(0, 0)
    monkeypatch.setattr(module, "spacy_vectors", lambda _w, model: (vectors, f"{model} 3.7.1"))
    path, count = write_table(amber, "en_core_web_lg")
    names = ("relation.json", "safe_words.txt", "similar_words.json")
    words, note = read_words({name: (amber / name).read_text() for name in names})
    assert (path, count) == (amber / "similar_words.json", 1)
    assert words.similar == {("dog", "puppy"), ("puppy", "dog")}
    assert "en_core_web_lg 3.7.1" in note
    assert json.loads(path.read_text())["words_without_vector"] == ["cloud"]


def test_all_words_are_keys_and_associations(amber):
    assert words_of(amber) == ["cloud", "dog", "puppy", "sky"]


def test_without_spacy_it_says_how_to_install_it(amber, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="python -m spacy download en_core_web_lg"):
        write_table(amber, "en_core_web_lg")


def test_without_relation_json_it_says_what_to_fetch(tmp_path):
    with pytest.raises(DataError, match=r"relation\.json"):
        write_table(tmp_path, "en_core_web_lg")


def test_the_medium_model_is_refused_before_it_is_loaded(amber):
    with pytest.raises(ConfigError, match="1 of 28 official numbers"):
        write_table(amber, "en_core_web_md")
