"""Jobs: the file that sbatch gets, what it does when it is run, and what sbatch says."""

import os
import shlex
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import ConfigError, HarnessError
from harness.launchers.sbatch import parse_options, script_text, submit
from harness.launchers.slurm import SlurmLauncher

PROGRAMS = Path(__file__).with_name("programs")
PATH = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"

WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
print("started", flush=True)
time.sleep(60)
"""
"""A command that saves and ends when it is asked to."""


def directives(text):
    start = "#SBATCH --"
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


def test_options_replace_the_ones_given_and_may_have_no_value(tmp_path):
    options = parse_options(["partition=gpu time=12:00:00", "exclusive", "job-name=mine"])
    assert directives(script_text(["true"], "name", options, tmp_path / "log")) == [
        "job-name=mine",
        f"output={tmp_path / 'log'}",
        "open-mode=append",
        "ntasks-per-node=1",
        "signal=B:USR1@300",
        "requeue",
        "partition=gpu",
        "time=12:00:00",
        "exclusive",
    ]


@pytest.mark.parametrize("words", ["--partition=gpu", "time=", "a b=", "'open", "comment='x\ny'"])
def test_options_that_sbatch_has_not_are_refused(words):
    with pytest.raises(ConfigError, match="--sbatch"):
        parse_options([words])


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return a function that runs a job script around a command, as SLURM runs it."""
    monkeypatch.setenv("PATH", PATH)
    monkeypatch.setenv("FAKE_REQUEUED", str(tmp_path / "requeued"))
    monkeypatch.setenv("SLURM_JOB_ID", "41")

    def start(*command):
        file = tmp_path / "job.sbatch"
        file.write_text(script_text(command, "it's a name", {}, tmp_path / "a log"))
        subprocess.run(["bash", "-n", str(file)], check=True)
        return subprocess.Popen(["bash", str(file)], stdout=subprocess.PIPE, text=True)

    return start


@pytest.mark.parametrize(
    ("number", "code", "requeued"),
    [(signal.SIGUSR1, 0, True), (signal.SIGUSR1, 3, False), (signal.SIGTERM, 0, False)],
)
def test_a_signal_saves_and_the_time_limit_requeues(job, tmp_path, number, code, requeued):
    """A job that could not save must not come back for ever; one that was cancelled neither."""
    process = job(sys.executable, "-c", WAITS.format(code=code))
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    assert process.wait(20) == code
    assert (tmp_path / "requeued").exists() == requeued


def test_a_job_ends_with_the_code_of_its_command_and_in_its_folder(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = job(sys.executable, "-c", "import os, sys; print(os.getcwd()); sys.exit(7)")
    assert process.communicate(timeout=20)[0] == f"{tmp_path}\n"
    assert process.returncode == 7
    assert not (tmp_path / "requeued").exists()


def test_a_submitted_job_is_told_with_how_to_watch_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", PATH)
    made = submit(["echo", "a b"], "dama-7b", {}, tmp_path / "slurm")
    assert (made.id, made.log) == ("41", tmp_path / "slurm" / "dama-7b-41.log")
    assert "squeue -j 41" in made.told()
    assert shlex.join(["echo", "a b"]) in made.script.read_text()


def test_what_waits_or_runs_is_not_submitted_once_more(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", PATH)
    states = {"41": "pending"}
    monkeypatch.setattr("harness.launchers.sbatch.job_state", states.get)
    first = submit(["true"], "name", {}, tmp_path)
    again = submit(["true"], "name", {}, tmp_path)
    assert (first.was_there, again.was_there) == (False, True)
    assert (again.id, again.log) == (first.id, first.log)
    assert again.told().startswith("Job 41 is in the queue already;")
    assert not submit(["false"], "name", {}, tmp_path).was_there, "another command"
    states.clear()
    assert not submit(["true"], "name", {}, tmp_path).was_there, "it has ended"


def test_what_sbatch_refuses_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", PATH)
    monkeypatch.setenv("FAKE_SBATCH_ERROR", "sbatch: error: invalid partition specified: gpu")
    with pytest.raises(HarnessError, match="invalid partition specified: gpu"):
        submit(["true"], "name", {"partition": "gpu"}, tmp_path)


def test_without_sbatch_the_script_is_there_to_be_handed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no program sbatch on this machine.*name\.sbatch"):
        submit(["true"], "name", {}, tmp_path / "slurm")
    assert (tmp_path / "slurm" / "name.sbatch").exists()


@pytest.fixture
def allocation(monkeypatch):
    """Two nodes of four GPUs."""
    monkeypatch.setenv("PATH", PATH)
    values = {"JOB_ID": "41", "JOB_NODELIST": "n1,n2", "GPUS_ON_NODE": "4", "CPUS_ON_NODE": "64"}
    for name, value in values.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return SlurmLauncher.here()


def test_an_allocation_has_one_process_per_gpu(allocation, tmp_path):
    assert allocation.processes == 8
    (part,) = allocation.parts(tmp_path, 8)
    options = dict(pairwise(part.command))
    assert (options["--nodes"], options["--cpus-per-task"]) == ("2", "64")
    assert (options["--processes"], options["--master"]) == ("4", "n1")
    assert "--rank" not in part.command


def test_processes_must_be_shared_equally_by_the_nodes(allocation):
    allocation.check(6)
    with pytest.raises(ConfigError, match="5 is not a multiple of the 2 nodes of job 41"):
        allocation.check(5)


def test_a_job_without_scontrol_says_what_is_missing(allocation, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="The nodes of job 41 are not known"):
        SlurmLauncher.here()


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["--judge-url=https://me:word@host/v1"], {}),
        (["--judge-url", "https://host/v1?api_key=word&x=1"], {}),
        (["true"], {"comment": "https://word@host"}),
    ],
)
def test_a_secret_in_an_address_is_not_written_into_a_job(tmp_path, monkeypatch, command, options):
    monkeypatch.setenv("PATH", PATH)
    with pytest.raises(ConfigError, match="the password or key in it would be written") as raised:
        submit(command, "dama-7b", options, tmp_path / "slurm")
    assert "word@" not in str(raised.value)
    assert "=word" not in str(raised.value)
    assert not (tmp_path / "slurm").exists()
