"""The manifest says what else, besides the specification, may change a number."""

import json
import subprocess
from hashlib import sha256 as hash_of
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.files.digests import tree_digest
from harness.runs.manifest import ROOT, SOURCES, Manifest, code_of


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
    inputs = {"template": "vicuna_v1", "max_length": 2048}
    Manifest.collect({"preferences": "3fa2"}, inputs).write(tmp_path / "manifest.json")
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written["packages"]["torch"] == version("torch")
    assert written["data"] == {"preferences": "3fa2"}
    assert written["hardware"]["cores"] >= 1
    assert written["code"].keys() == {"commit", "dirty"}


@pytest.fixture
def checkout(tmp_path: Path):
    """Make a checkout of the three packages, a file each, and a table beside them."""

    def git(*arguments):
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

    for name in (*SOURCES, "results"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("one = 1\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "all")
    return tmp_path


def test_this_checkout_holds_the_sources():
    assert all((ROOT / name / "__init__.py").is_file() for name in SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_change_in_any_package_is_dirty(checkout: Path, name: str):
    assert code_of(checkout).dirty is False
    (checkout / name / "new.py").write_text("two = 2\n")
    assert code_of(checkout).dirty is True


def test_new_tables_do_not_make_it_dirty(checkout: Path):
    (checkout / "results" / "table.md").write_text("1")
    found = code_of(checkout)
    assert (len(found.commit or ""), found.dirty) == (40, False)


def test_a_folder_inside_somebody_s_checkout_has_no_commit(checkout: Path):
    """As an environment with the packages installed in it."""
    for name in SOURCES:
        (checkout / "env" / name).mkdir(parents=True)
        (checkout / "env" / name / "__init__.py").touch()
    found = code_of(checkout / "env")
    assert (found.commit, found.dirty) == (None, None)


def test_no_secret_of_the_command_line_is_written_down(monkeypatch):
    words = ["harness", "reproduce", "--judge-url", "https://me:word@host/v1?api_key=abc"]
    monkeypatch.setattr("sys.argv", words)
    command = Manifest.collect({}, {}).command
    assert command == (*words[:3], "https://***@host/v1?api_key=***")
