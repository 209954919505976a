"""From a request to a launcher and a number of processes."""

import sys
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.launchers.choose import launcher_of, submit_request, submits, with_devices
from harness.launchers.hostfile import HostfileLauncher
from harness.launchers.local import LocalLauncher
from harness.settings.request import Request

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture
def eight(tmp_path):
    """A request for two hosts of four slots."""
    file = tmp_path / "hosts.txt"
    file.write_text("node1 slots=4\nnode2 slots=4\n")
    return Request(method="dpo", launcher="hostfile", hostfile=file)


def test_this_machine_takes_what_the_preset_says():
    request = Request(method="dpo")
    assert isinstance(launcher_of(request), LocalLauncher)
    assert with_devices(request, launcher_of(request)) == request


def test_hosts_decide_how_many_devices_there_are(eight):
    assert with_devices(eight, launcher_of(eight)).devices == 8


@pytest.mark.parametrize(
    "stated", [{"devices": 8}, {"overrides": ("training.devices=4", "training.devices = 8")}]
)
def test_a_stated_number_may_be_that_of_the_hosts(eight, stated):
    request = eight.model_copy(update=stated)
    assert with_devices(request, launcher_of(request)) == request


@pytest.mark.parametrize("stated", [{"devices": 4}, {"overrides": ("training.devices=4",)}])
def test_another_number_than_that_of_the_hosts_is_refused(eight, stated):
    request = eight.model_copy(update=stated)
    with pytest.raises(ConfigError, match=r"training\.devices is 4, and .* hostfile have 8"):
        with_devices(request, launcher_of(request))


@pytest.mark.parametrize(
    "words",
    [{"hostfile": Path("hosts.txt")}, {"sbatch": ("time=1",)}, {"launcher": "hostfile"}],
    ids=str,
)
def test_options_of_another_launcher_and_a_missing_file_are_refused(words):
    request = Request(method="dpo", **words)
    with pytest.raises(ConfigError, match="--launcher"):
        launcher_of(request)


def test_slurm_submits_outside_a_job_and_starts_inside_one(monkeypatch):
    request = Request(method="dpo", launcher="slurm")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert submits(request)
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    assert not submits(request)


def test_a_job_runs_the_very_same_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", f"{PROGRAMS}:/usr/bin:/bin")
    words = ("reproduce", "--method", "dpo", "--set", "data.where={type: detail}")
    request = Request(method="dpo", launcher="slurm", words=words, out=tmp_path)
    job = submit_request(request)
    assert job.script == tmp_path / "slurm" / "dpo-tiny-seed0.sbatch"
    assert (
        f"{sys.executable} -m harness reproduce --method dpo --set 'data.where={{type: detail}}' &"
        in job.script.read_text()
    )


def test_a_launcher_is_named_by_where_it_starts(eight):
    launcher = launcher_of(eight)
    assert isinstance(launcher, HostfileLauncher)
    assert "take its line out of the host file" in launcher.explain("node2", 255)
    assert launcher.explain("node2", 1) == "Training on node2 ended with exit code 1."
