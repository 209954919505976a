"""Names of contents stay what they are: a changed one would lose runs, replies and caches."""

import json
from base64 import b64encode
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.types import Response, Sample
from harness.data.pairs.checks import check_pairs
from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.rows import tokenized
from harness.data.templates import TEMPLATES
from harness.evaluation.generation.samples import questions_hash
from harness.evaluation.judging.annotate import Annotation
from harness.files import digests
from harness.files.digests import (
    content_digest,
    digest_of,
    file_digest,
    text_digest,
    tree_digest,
)
from harness.llm.messages import ChatRequest
from harness.llm.store import key_of
from harness.models.base import model_digest
from harness.models.sources import content_hash
from harness.runs.rundir import run_name
from harness.settings.resolve import resolve
from harness.training.precomputed.reference import ReferenceKey
from harness.training.precomputed.vision_cache import VisionKey
from harness.upstream.reading import read_data
from harness.world.build import digest
from harness.world.config import WorldConfig

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of "abc", as FIPS 180-2 gives it."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "one").write_bytes(b"abc")
    (folder / "sub" / "two.json").write_text("{}")
    return folder


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w")
    return folder


@pytest.fixture
def pairs(tmp_path):
    image = {"bytes": b64encode(b"img").decode(), "path": None}
    rows = [
        {"idx": str(i), "question": "q", "chosen": f"c{i}", "rejected": "r", "image": image}
        for i in range(3)
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Preferences(file)


def test_texts_bytes_and_files_of_one_content_have_one_digest(tree):
    assert {text_digest("abc"), text_digest(b"a", "", "bc"), file_digest(tree / "one")} == {ABC}
    assert tree_digest(tree / "one") == ABC
    assert text_digest("abc", digits=6) == ABC[:6]


def test_values_in_any_order_of_keys_have_one_digest():
    values = {"b": [1, 2.5, None], "a": "é"}
    assert digest_of(values, 16) == "fc10ba9755cfc69c"
    assert digest_of(dict(reversed(values.items())), 12) == "fc10ba9755cf"


@given(st.lists(st.text() | st.binary()), st.integers(0, 64))
def test_where_a_text_is_parted_does_not_count(parts, digits):
    whole = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    assert text_digest(*parts, digits=digits) == text_digest(whole)[:digits]


def test_folders_and_lists_of_files(tree):
    assert tree_digest(tree) == "1dc85888ac032d7f8d82920766a72de185023328536116fa173155e340bc6153"
    files = [tree / "one", tree / "none", tree / "sub" / "two.json"]
    for _ in range(2):
        assert content_digest(lambda: files) == (
            "51fb9923f452b422985dfa3adc41235735f48a35fed166c6395dd1e10c0bcffb"
        )


def test_a_digest_is_remembered_by_whatever_path_a_file_is_reached(tree, monkeypatch):
    (tree / "link").symlink_to(tree / "one")
    known = content_digest(lambda: [tree / "one"])
    monkeypatch.setattr(digests, "file_digest", lambda file: 1 / 0)
    assert content_digest(lambda: [tree / "link"]) == known


def test_a_copy_has_the_digest_of_the_link_that_it_replaces(tree):
    link = tree / "link"
    link.symlink_to(tree / "one")
    before = content_digest(lambda: [link])
    link.unlink()
    link.write_bytes(b"abc")
    assert content_digest(lambda: [link]) == before


def test_names_that_no_file_can_have_count_as_not_there(tree):
    names = [tree / ("a" * 300), tree / "a\0b", tree / "none", tree / "sub"]
    assert len({content_digest(lambda name=name: [name]) for name in names}) == 1


def test_the_hash_of_a_checkpoint_follows_the_names_of_its_files(model):
    before = content_hash(model)
    (model / "config.json").rename(model / "other.json")
    assert content_hash(model) != before


def test_names_of_runs():
    spec = resolve("dpo", "tiny", None, seed=3).spec
    assert run_name(spec) == "dpo-tiny-seed3-d092329e0720"
    assert run_name(spec, "3fa2") == "dpo-tiny-seed3-3fa2"


def test_keys_of_replies():
    request = ChatRequest("m", (("user", "é?"),), 0.0, 9, 1)
    assert key_of("http://host/v1", request) == (
        "ec0cbbfb43a2687f1a08490f5be2cb7be6cb70c6fa9e17d941db48529d660280"
    )


def test_keys_of_annotations():
    benchmark = SimpleNamespace(name="some", request=lambda sample, response: sample.question)
    annotators = SimpleNamespace(asked=lambda benchmark: "judge")
    key = Annotation(benchmark, annotators).key(Sample(1, "?", ""), Response(1, "a cat"))
    assert key == ("7533a74f13aebc2902e8bebf594550942df1916010630b1e45127e56d133c243")


def test_folders_of_the_cache(tmp_path, model):
    settings = ("t", "pad", "float32", 2048, "cpu", "segments", "torch")
    reference = ReferenceKey("m", "d", 5, *settings, "0")
    assert reference.folder(tmp_path).name == "8f2189ab970dc846"
    features = VisionKey("m", "d", "pad", "float32", "cpu", "0")
    assert features.folder(tmp_path).name == "f0ec70348888c1f0"
    assert digest(WorldConfig()) == "f9ba8325298e"


def test_files_of_tokens(tmp_path, model, monkeypatch):
    monkeypatch.setattr(tokenized, "transformers", SimpleNamespace(__version__="1"))
    monkeypatch.setattr(tokenized, "tokenizers", SimpleNamespace(__version__="2"))
    asked = SimpleNamespace(template=TEMPLATES["vicuna_v1"], image_tokens=3, max_length=9)
    file = tokenized.tokenized_file(tmp_path, model, asked, "d")
    assert file.name == "2b9174f74c71f602.arrow"


def test_models(model):
    assert content_hash(model) == "bc5919dc335341b9"
    assert model_digest(model) == "83a9b3ff1708c358"


def test_pairs(pairs):
    assert pairs.digest == "b1774e9599d92a3f"
    assert pairs.without([1]).digest == "98f1447e50b5c44d"
    assert check_pairs(pairs).folder.name == "d9ec7334941de70ead7011c5"
    pair = PreferencePair(row=0, pair_id="", question="q", chosen="c", rejected="r", image=b"abc")
    assert [image.key for image in pair.images] == [ABC]


def test_questions(tmp_path):
    samples = [Sample(1, "What?", "a.jpg"), Sample("x", "Who?", b"bytes")]
    assert questions_hash(samples) == "27042ecb2f96c065"
    folder = tmp_path / "toy"
    (folder / "sub").mkdir(parents=True)
    (folder / "q.json").write_text("[]")
    (folder / "sub" / "a.txt").write_text("x")
    benchmark = SimpleNamespace(
        name="toy", files=("q.json", "sub/a.txt"), read=lambda texts: samples
    )
    assert read_data(benchmark, folder)[1] == "sha256:8f70a6d9bae5"
