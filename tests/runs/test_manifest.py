"""The manifest says what else, besides the specification, may change a number."""

import json
from hashlib import sha256 as hash_of
from importlib.metadata import version
from pathlib import Path

from harness.files.digests import tree_digest
from harness.runs.manifest import Manifest


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"abc")
    assert tree_digest(tmp_path / "file") == hash_of(b"abc").hexdigest()


def test_the_hash_of_a_folder_depends_on_names_and_on_where_a_file_ends(tmp_path: Path):
    contents = [
        {"a": b"12", "b": b"3"},
        {"a": b"1", "b": b"23"},
        {"a": b"12", "c": b"3"},
        {"a": b"12"},
    ]
    hashes = set()
    for number, files in enumerate(contents):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        hashes.add(tree_digest(folder))
    assert len(hashes) == len(contents)


def test_the_hash_of_a_folder_does_not_depend_on_where_it_lies(tmp_path: Path):
    for name in ("one", "other"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "file").write_bytes(b"x")
    assert tree_digest(tmp_path / "one") == tree_digest(tmp_path / "other")


def test_what_is_collected_is_what_runs_here(tmp_path: Path):
    (tmp_path / "data").write_bytes(b"abc")
    inputs = {"template": "vicuna_v1", "max_length": 2048}
    Manifest.collect({"preferences": tmp_path / "data"}, inputs).write(tmp_path / "manifest.json")
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written["packages"]["torch"] == version("torch")
    assert written["data"] == {"preferences": hash_of(b"abc").hexdigest()}
    assert written["hardware"]["cores"] >= 1
    assert written["code"].keys() == {"commit", "dirty"}
