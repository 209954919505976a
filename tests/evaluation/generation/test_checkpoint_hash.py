"""The name of a checkpoint's content in journals: which bytes make it, and how it is remembered."""

import hashlib
import os
from pathlib import Path

import pytest

from harness.models.sources import content_hash

FILES = {"model.safetensors": b"weights", "config.json": b"{}"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    (folder / "logs").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def test_it_is_made_of_names_and_hashes_in_order(folder):
    """By hand, so that journals of unfinished generations are found again by later versions."""
    content = b"".join(
        name.encode() + hashlib.sha256(FILES[name]).digest() for name in sorted(FILES)
    )
    assert content_hash(folder) == hashlib.sha256(content).hexdigest()[:16]


def test_a_second_call_reads_no_file_of_the_checkpoint(folder, monkeypatch):
    first = content_hash(folder)
    opened = []
    open_path = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, *words, **more: opened.append(path) or open_path(path, *words, **more),
    )
    assert content_hash(folder) == first
    assert not [path for path in opened if path.is_relative_to(folder)]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_file_of_the_same_size_is_seen(folder, name):
    first, path = content_hash(folder), folder / name
    times = path.stat()
    path.write_bytes(FILES[name][::-1])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000))
    assert content_hash(folder) != first


def test_another_name_or_another_file_is_another_checkpoint(folder):
    first = content_hash(folder)
    (folder / "extra.txt").write_text("")
    second = content_hash(folder)
    (folder / "extra.txt").rename(folder / "other.txt")
    assert len({first, second, content_hash(folder)}) == 3
