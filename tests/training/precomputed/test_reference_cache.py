"""Reference log-probabilities: computed once by all, kept whatever happens to a process."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from reference_process import BATCH, made_logps

from harness.errors import DataError, Interrupted
from harness.training.precomputed.reference import (
    SHARD_PAIRS,
    ReferenceKey,
    ViewsKey,
    ensure_reference,
)
from methods.views import View

KEY = ReferenceKey(
    model="model",
    data="data",
    pairs=5,
    template="vicuna_v1",
    image_transform="pad",
    dtype="float32",
    max_length=2048,
    device="cpu",
    attention="segments",
    kernels="torch",
    torch="0",
)
ALONE = SimpleNamespace(rank=0, count=1)


class Counted:
    """`made_logps` that notes the first row of every call."""

    def __init__(self):
        self.starts = []

    def __call__(self, rows):
        self.starts.append(rows[0])
        return made_logps(rows)


def starts(*shards):
    return [
        row
        for shard in shards
        for row in range(shard * SHARD_PAIRS, (shard + 1) * SHARD_PAIRS, BATCH)
    ]


def process(folder, pairs, log, seconds=0.0, rank=0, count=1):
    """Start a process that computes `pairs` reference values."""
    script = str(Path(__file__).with_name("reference_process.py"))
    arguments = map(str, (folder, pairs, log, seconds, rank, count))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, script, *arguments], env=environment)


def shard(folder, number):
    return folder / f"shard-{number:06d}.safetensors"


def assert_all_values(found, pairs):
    rows = [*range(0, pairs, 97), pairs - 1]
    for row, chosen, rejected in zip(rows, *found.of(rows, 8)[:2], strict=True):
        (expected, other), *_ = made_logps([row])
        assert chosen.tolist() == expected.tolist() + [0.0] * (8 - len(expected))
        assert rejected.tolist() == other.tolist() + [0.0] * 7


def test_values_come_back_padded_with_zeros(tmp_path):
    """Row 2 has three chosen tokens of -2 and one rejected of -0.5."""
    found = ensure_reference(tmp_path / "a", 5, 2, made_logps, ALONE).of([2, 0], 4)
    assert found.chosen.tolist() == [[-2, -2, -2, 0], [0, 0, 0, 0]]
    assert found.rejected.tolist() == [[-0.5, 0, 0, 0], [0, 0, 0, 0]]


def test_a_second_run_reads_the_files(tmp_path):
    logps = Counted()
    for _ in range(2):
        ensure_reference(tmp_path, 5, 2, logps, ALONE)
    assert logps.starts == [0, 2, 4]
    assert {path.name for path in tmp_path.iterdir()} == {
        "locks",
        "shard-000000.safetensors",
        "shard-000000.safetensors.json",
    }


def test_any_rows_of_many_shards_are_found(tmp_path):
    pairs = 20 * SHARD_PAIRS + 1
    assert_all_values(ensure_reference(tmp_path, pairs, SHARD_PAIRS, made_logps, ALONE), pairs)


def test_every_field_of_the_key_changes_the_folder(tmp_path):
    changed = [
        KEY._replace(**{name: 7 if isinstance(value, int) else "x"})
        for name, value in KEY._asdict().items()
    ]
    folders = [key.folder(tmp_path) for key in (KEY, *changed)]
    assert len(set(folders)) == 1 + len(KEY._fields)
    assert json.loads((folders[0] / "key.json").read_text()) == KEY._asdict()


def test_progress_counts_pairs_of_all_processes(tmp_path):
    """Of 1100 pairs in three files one is there: 512 are done before the second, 1024 after it."""
    ensure_reference(tmp_path, SHARD_PAIRS, BATCH, made_logps, ALONE)
    told = []
    ensure_reference(tmp_path, 1100, BATCH, made_logps, ALONE, told.append)
    assert told == [512, 1024, 1100]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "unsealed"])
def test_damaged_shard_is_told_and_computed_again(tmp_path, caplog, damage):
    pairs = 3 * SHARD_PAIRS
    ensure_reference(tmp_path, pairs, BATCH, made_logps, ALONE)
    file = shard(tmp_path, 1)
    content = file.read_bytes()
    if damage == "unsealed":
        file.with_name(f"{file.name}.json").unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b""}[damage])
    logps = Counted()
    found = ensure_reference(tmp_path, pairs, BATCH, logps, ALONE)
    assert logps.starts == starts(1)
    assert f"{file} is damaged and is made again" in caplog.text
    assert file.read_bytes() == content
    assert_all_values(found, pairs)


def test_stopping_keeps_what_is_done(tmp_path):
    def stop(done):
        if done == 2 * SHARD_PAIRS:
            raise Interrupted("stopped")

    pairs, logps = 3 * SHARD_PAIRS, Counted()
    with pytest.raises(Interrupted):
        ensure_reference(tmp_path, pairs, BATCH, made_logps, ALONE, stop)
    ensure_reference(tmp_path, pairs, BATCH, logps, ALONE)
    assert logps.starts == starts(2)


def test_an_error_in_the_model_leaves_no_shard(tmp_path):
    def failing(rows):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        ensure_reference(tmp_path, 5, 5, failing, ALONE)
    assert not shard(tmp_path, 0).exists()
    assert_all_values(ensure_reference(tmp_path, 5, 5, made_logps, ALONE), 5)


def test_a_full_disk_is_told_and_loses_no_shard(tmp_path, monkeypatch):
    def full(tensors, path):
        raise OSError(28, "No space left on device")

    ensure_reference(tmp_path, SHARD_PAIRS, BATCH, made_logps, ALONE)
    with monkeypatch.context() as patch:
        patch.setattr("harness.training.precomputed.reference.save_file", full)
        with pytest.raises(DataError, match=r"No space .* Free space"):
            ensure_reference(tmp_path, 2 * SHARD_PAIRS, BATCH, made_logps, ALONE)
    logps = Counted()
    ensure_reference(tmp_path, 2 * SHARD_PAIRS, BATCH, logps, ALONE)
    assert logps.starts == starts(1)


@pytest.mark.processes
def test_killed_in_the_middle_the_pass_goes_on_after_the_last_whole_shard(tmp_path):
    """A batch takes 20 ms; the process is killed in the second file or later."""
    pairs, log = 6 * SHARD_PAIRS, tmp_path / "calls"
    running = process(tmp_path / "r", pairs, log, seconds=0.02)
    while not shard(tmp_path / "r", 1).exists():
        assert running.poll() is None
        time.sleep(0.005)
    time.sleep(0.05)
    running.kill()
    assert running.wait() == -9
    kept = [number for number in range(6) if shard(tmp_path / "r", number).exists()]
    assert kept[:2] == [0, 1]
    assert len(kept) < 6
    logps = Counted()
    found = ensure_reference(tmp_path / "r", pairs, BATCH, logps, ALONE)
    assert logps.starts == starts(*range(len(kept), 6))
    assert_all_values(found, pairs)


@pytest.mark.processes
@pytest.mark.parametrize("ranks", [[(0, 1), (0, 1)], [(0, 2), (1, 2)]], ids=["runs", "ranks"])
def test_two_processes_at_once_compute_no_shard_twice(tmp_path, ranks):
    """Two runs that want the same, or two ranks of one: the work is shared either way."""
    pairs, log = 6 * SHARD_PAIRS, tmp_path / "calls"
    both = [process(tmp_path / "r", pairs, log, 0.01, rank, count) for rank, count in ranks]
    assert [one.wait() for one in both] == [0, 0]
    assert sorted(map(int, log.read_text().split())) == starts(*range(6))
    logps = Counted()
    assert_all_values(ensure_reference(tmp_path / "r", pairs, BATCH, logps, ALONE), pairs)
    assert logps.starts == []


def test_memory_of_reading_does_not_grow_with_the_data(tmp_path):
    """What is open is bounded, so the map of a shard read long ago is gone."""
    pairs = 40 * SHARD_PAIRS
    found = ensure_reference(tmp_path, pairs, SHARD_PAIRS, made_logps, ALONE)
    for row in range(0, pairs, SHARD_PAIRS):
        found.of([row], 8)
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    assert 0 < sum(str(shard(tmp_path, number)) in mapped for number in range(40)) <= 16


def test_values_are_float32_whatever_the_model_gives(tmp_path):
    def wide(rows):
        return [(torch.ones(2, dtype=torch.float64) / 3,) * 2 for _ in rows]

    found = ensure_reference(tmp_path, 1, 1, wide, ALONE).of([0], 2)
    assert found.chosen.dtype == torch.float32


def test_views_are_kept_beside_the_pairs_by_name(tmp_path):
    """In a folder of their own, which views and seed decide; that of the pairs stays."""
    views = (View("crop", "crop", "chosen"), View("noise", "noise", "rejected"))
    key = ViewsKey(views, seed=0)
    folders = [
        KEY.folder(tmp_path, one)
        for one in (None, key, key._replace(seed=1), key._replace(views=views[:1]))
    ]
    assert len(set(folders)) == 4
    assert folders[0] == KEY.folder(tmp_path)

    def logps(rows):
        return [(torch.full((2,), -1.0 - row), torch.full((row + 1,), -5.0)) for row in rows]

    names = [view.name for view in views]
    found = ensure_reference(folders[1], 5, 2, logps, ALONE, sides=names)
    assert found.side("crop", [3, 1], 3).tolist() == [[-4, -4, 0], [-2, -2, 0]]
    assert found.side("noise", [1], 3).tolist() == [[-5, -5, 0]]
