"""The file of token ids: the same pairs as in memory, made once, found out when damaged."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import world_fixture

from harness.data.pairs.preferences import Preferences
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.tokenized import ensure_tokenized, tokenized_file
from harness.data.templates import TEMPLATES
from harness.errors import DataError
from harness.models.base import load_base

COUNT = 1030
"""More than one batch of the file."""


@pytest.fixture(scope="module")
def model(base):
    return load_base(base, torch.float32)


@pytest.fixture(scope="module")
def preferences(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    rows = world_fixture.rows(30)
    many = [rows[i % 30] | {"idx": str(i), "question": f"Number {i}?"} for i in range(COUNT)]
    return Preferences(world_fixture.write_rows(folder / "many.parquet", many))


def tokenizer(model, max_length=500, template="vicuna_v1"):
    return PairTokenizer(model.processor, TEMPLATES[template], model.image_tokens, max_length)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip((found[row] for row in range(len(found))), expected, strict=True):
        assert plain(one) == plain(other)


def plain(pair):
    values = {f.name: getattr(pair, f.name) for f in dataclasses.fields(pair)}
    return {
        name: (value.dtype, value.tolist()) if isinstance(value, torch.Tensor) else value
        for name, value in values.items()
    }


@pytest.fixture(scope="module")
def short(model, preferences):
    """A limit at which some pairs are cut, and the pairs in memory."""
    whole = list(tokenizer(model).tokenize(preferences))
    lengths = sorted(len(pair.prompt) + len(pair.rejected) for pair in whole)
    limit = lengths[len(lengths) // 2]
    return tokenizer(model, limit), list(tokenizer(model, limit).tokenize(preferences))


def test_pairs_equal_those_in_memory_cut_ones_too(short, preferences, tmp_path, caplog):
    cutting, expected = short
    told = []
    found = ensure_tokenized(preferences, cutting, tmp_path / "p.arrow", told.append)
    assert_same(found, expected)
    assert told == [1000, COUNT]
    cut = [pair.row for pair in expected if pair.cut]
    assert 0 < len(cut) < COUNT
    assert found.cut_rows == cut
    named = ", ".join(map(str, cut[:10]))
    said = f"{len(cut)} of {COUNT} pairs have responses that were cut at max_length "
    assert f"{said}{cutting.max_length}, the first ones in rows {named}" in caplog.text
    assert ", ".join(map(str, cut[:11])) not in caplog.text


def test_the_file_holds_one_image_token_per_prompt(model, preferences, tmp_path):
    found = ensure_tokenized(preferences, tokenizer(model), tmp_path / "p.arrow")
    stored = found.batch(0).column("prompt")[0].as_py()
    assert stored.count(model.processor.image_token_id) == 1
    assert len(found[0].prompt) == len(stored) + model.image_tokens - 1


def test_images_are_numbered_as_they_first_appear(model, preferences, tmp_path):
    """30 rows of 15 images, over and over, through both batches of the file."""
    found = ensure_tokenized(preferences, tokenizer(model), tmp_path / "p.arrow")
    assert found.images.tolist() == [row % 15 for row in range(COUNT)]


@pytest.mark.parametrize("row", [-1, COUNT])
def test_rows_that_are_not_there_are_refused(model, preferences, tmp_path, row):
    with pytest.raises(IndexError):
        ensure_tokenized(preferences, tokenizer(model), tmp_path / "p.arrow")[row]


def test_it_is_written_once(model, preferences, tmp_path, monkeypatch):
    ensure_tokenized(preferences, tokenizer(model), tmp_path / "p.arrow")
    monkeypatch.setattr(PairTokenizer, "tokenize", None)
    assert len(ensure_tokenized(preferences, tokenizer(model), tmp_path / "p.arrow")) == COUNT


@pytest.mark.parametrize("place", [0.0, 0.3, 0.99], ids=["start", "inside", "end"])
def test_damaged_file_is_told_and_written_again(short, preferences, tmp_path, caplog, place):
    cutting, expected = short
    file = tmp_path / "p.arrow"
    ensure_tokenized(preferences, cutting, file)
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 255
    file.write_bytes(content)
    assert_same(ensure_tokenized(preferences, cutting, file), expected)
    assert f"{file} is damaged and is made again" in caplog.text


def test_a_pair_that_cannot_be_tokenized_is_told_and_leaves_no_file(model, preferences, tmp_path):
    """The other pairs stand in the partial file alone, which does not count."""
    file = tmp_path / "p.arrow"
    with pytest.raises(DataError, match=r"row 0: the prompt has \d+ tokens with its image"):
        ensure_tokenized(preferences, tokenizer(model, 20), file)
    assert not file.exists()
    assert len(ensure_tokenized(preferences, tokenizer(model), file)) == COUNT


@pytest.fixture
def folder(tmp_path):
    """A model's folder with what its tokenizer reads, and weights that it does not."""
    for name in ("tokenizer.json", "tokenizer.model", "chat_template.jinja", "merges.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "model.safetensors").write_text("weights")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "tokenizer.model", "chat_template.jinja", "merges.txt"]
)
def test_a_change_of_the_tokenizer_changes_the_file(model, folder, name):
    before = tokenized_file(folder, folder, tokenizer(model), "data")
    (folder / name).write_text("other")
    assert tokenized_file(folder, folder, tokenizer(model), "data") != before


def test_all_that_decides_the_tokens_changes_the_file(model, folder):
    wider = tokenizer(model)
    wider.image_tokens += 1
    others = [tokenizer(model, 499), tokenizer(model, template="llava_v1"), wider]
    places = [tokenized_file(folder, folder, one, "data") for one in (tokenizer(model), *others)]
    places.append(tokenized_file(folder, folder, tokenizer(model), "other"))
    assert len(set(places)) == 5
    (folder / "model.safetensors").write_text("other")
    assert tokenized_file(folder, folder, tokenizer(model), "data") == places[0]


OPEN = """
import json, sys, torch
from pathlib import Path
from harness.data import templates
from harness.data.rows import tokenized
from harness.data.rows import batch
from harness.data.pairs import preferences
from harness.models import base as model
base, pairs, target = sys.argv[1:]
read = model.load_base(Path(base), torch.float32)
tokenizer = batch.PairTokenizer(
    read.processor, templates.TEMPLATES["vicuna_v1"], read.image_tokens, 500
)
told = []
found = tokenized.ensure_tokenized(
    preferences.Preferences(pairs), tokenizer, Path(target), told.append
)
print(json.dumps([len(found), told]))
"""


@pytest.mark.processes
def test_of_two_processes_at_once_one_writes(base, preferences, tmp_path):
    command = [sys.executable, "-c", OPEN, str(base), str(preferences.source)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(
            [*command, str(tmp_path / "p.arrow")], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = sorted(json.loads(one.communicate()[0]) for one in both)
    assert said == [[COUNT, []], [COUNT, [1000, COUNT]]]
    assert {path.name for path in Path(tmp_path).iterdir()} == {"locks", "p.arrow", "p.arrow.json"}
