"""`reproduce` with other machines: what it refuses, and what it hands to SLURM."""

import os
from pathlib import Path

import pytest

from harness.errors import ConfigError, PreflightError
from harness.launchers.sbatch import script_text
from harness.reproduce.reproduce import reproduce
from harness.settings.request import Request

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture
def request_of(tmp_path, monkeypatch):
    """Return a function that makes a request; nothing of the tiny world is built here."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def make(*hosts, **values):
        if hosts:
            (tmp_path / "hosts.txt").write_text("\n".join(hosts))
            values |= {"launcher": "hostfile", "hostfile": tmp_path / "hosts.txt"}
        return Request(method="dpo", out=tmp_path / "out", **values)

    return make


def test_slots_that_do_not_divide_the_batch_are_refused(request_of):
    """The tiny preset's batch has 16 pairs."""
    with pytest.raises(PreflightError, match=r"batch_pairs 16 is not a multiple of the 3 devices"):
        reproduce(request_of("localhost slots=2", "127.0.0.1 slots=1", dry_run=True))


def test_devices_that_are_not_the_sum_of_the_slots_are_refused(request_of):
    with pytest.raises(ConfigError, match=r"training\.devices is 2, and .* have 4"):
        reproduce(request_of("node1 slots=4", devices=2))


def test_an_unreachable_host_is_told_before_anything_is_built(request_of, monkeypatch, tmp_path):
    monkeypatch.setenv("FAKE_DEAD_HOSTS", "node2")
    with pytest.raises(PreflightError, match=r"line 2: node2 cannot be reached"):
        reproduce(request_of("localhost slots=1", "node2 slots=1"))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache" / "worlds").exists()


def test_wrong_places_are_told_before_the_tiny_world_is_built(request_of, tmp_path):
    """The benchmarks are the tiny world's and not built; all else that is wrong is told at once."""
    overrides = (
        f"model.path={tmp_path / 'model'}",
        f"data.preferences={tmp_path / 'pairs.parquet'}",
        f"data.hardness.clip=local-dir:{tmp_path / 'clip'}",
    )
    request = request_of(overrides=overrides).model_copy(update={"method": "dama"})
    with pytest.raises(PreflightError) as caught:
        reproduce(request)
    told = str(caught.value)
    for place in ("model: no such folder", "pairs.parquet: there is no such file", "clip: there"):
        assert f"{tmp_path}/{place}" in told
    assert not (tmp_path / "cache" / "worlds").exists()


def test_a_wrong_folder_of_benchmarks_is_told_before_the_tiny_world_is_built(request_of, tmp_path):
    with pytest.raises(PreflightError, match="nowhere/mmhal: not the data of benchmark 'mmhal'"):
        reproduce(request_of(overrides=("evaluation.data=nowhere",)))
    assert not (tmp_path / "cache" / "worlds").exists()


@pytest.mark.parametrize("ablate", [False, True])
def test_a_call_is_submitted_as_it_is_and_nothing_is_run(request_of, capfd, tmp_path, ablate):
    words = ("reproduce", "--method", "dpo", "--launcher", "slurm")
    values = {"launcher": "slurm", "sbatch": ("partition=gpu time=10", "nodes=2")}
    request = request_of(words=words, ablate=ablate, **values)
    reproduce(request.model_copy(update={"method": "dama"}) if ablate else request)
    said = capfd.readouterr().err
    assert "Job 41 is in the queue" in said
    (script,) = (tmp_path / "out" / "slurm").glob("*.sbatch")
    text = script.read_text()
    assert "#SBATCH --partition=gpu\n#SBATCH --time=10\n#SBATCH --nodes=2\n" in text
    assert "-m harness reproduce --method dpo --launcher slurm &" in text
    assert not (tmp_path / "out" / "runs").exists()


def test_a_script_says_nothing_of_keys(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in script_text(["true"], "name", {}, tmp_path / "log")
