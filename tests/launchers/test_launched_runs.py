"""Whole training runs over two "nodes": two agents on this machine, one process each."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from harness.errors import Interrupted, PreflightError, TrainingError
from harness.launchers.hostfile import HostfileLauncher
from harness.launchers.slurm import SlurmLauncher
from harness.training.launch import train
from harness.training.metrics import read_rows

pytestmark = pytest.mark.processes

PROGRAMS = Path(__file__).with_name("programs")
STEPS = 20


@pytest.fixture(scope="module")
def one_machine(make_run):
    """Losses of the two processes that this machine starts itself."""
    run, spec = make_run("dama", training={"devices": 2})
    train(run, spec)
    return losses(run)


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """Put ssh, srun and scontrol of our own before the machine's."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def two_hosts(tmp_path):
    return hosts(tmp_path, "127.0.0.1 slots=1", "localhost slots=1  # the same machine")


def hosts(folder, *lines):
    (folder / "hosts.txt").write_text("\n".join(lines))
    return HostfileLauncher.read(folder / "hosts.txt")


def losses(run):
    rows = read_rows(run.metrics)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    return [row["loss"] for row in rows]


def test_two_hosts_give_the_losses_of_one_machine(make_run, two_hosts, one_machine):
    run, spec = make_run("dama", training={"devices": 2})
    train(run, spec, two_hosts)
    assert losses(run) == pytest.approx(one_machine, abs=1e-5)
    assert run.model.exists()


def test_two_nodes_of_a_job_give_the_losses_of_one_machine(make_run, one_machine, monkeypatch):
    job = {"SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "127.0.0.1,localhost"}
    for name, value in {**job, "SLURM_CPUS_ON_NODE": "2"}.items():
        monkeypatch.setenv(name, value)
    run, spec = make_run("dama", training={"devices": 2})
    train(run, spec, SlurmLauncher.here())
    assert losses(run) == pytest.approx(one_machine, abs=1e-5)


def test_a_job_step_whose_processes_are_all_signalled_saves(make_run, monkeypatch):
    """As SLURM does before it takes nodes away; the agents must not kill those who save."""
    job = {"SLURM_JOB_ID": "42", "SLURM_JOB_NODELIST": "127.0.0.1,localhost"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    run, spec = make_run("dpo", training={"devices": 2})
    signaller = threading.Thread(target=signal_step, args=(run, 4))
    signaller.start()
    with pytest.raises(Interrupted, match=r"asked to stop\. The same command continues"):
        train(run, spec, SlurmLauncher.here())
    signaller.join()
    done = len(read_rows(run.metrics))
    assert 4 <= done < STEPS
    assert [path.name for path in run.checkpoints.iterdir()] == [f"step-{done:08d}"]


def test_a_node_that_dies_ends_the_run_and_the_other_one_finishes_it(
    make_run, two_hosts, one_machine, tmp_path
):
    """Everything of the second node is killed; the run goes on with one process, on the first."""
    run, spec = make_run("dama", training={"devices": 2, "save_every": 5})
    killer = threading.Thread(target=kill_node, args=(run, 1, 7))
    killer.start()
    with pytest.raises(TrainingError) as caught:
        train(run, spec, two_hosts)
    ended = time.monotonic()
    killer.join()
    assert ended - KILLED["at"] < 60
    said = str(caught.value)
    assert said.startswith("The connection to localhost was lost")
    assert said.endswith("The same command continues from the last checkpoint.")
    assert processes_of(run) == []
    assert not run.model.exists()

    training = spec.training.model_copy(update={"devices": 1})
    train(run, spec.model_copy(update={"training": training}), hosts(tmp_path, "localhost slots=1"))
    assert losses(run) == pytest.approx(one_machine, abs=1e-4)


def test_a_dead_process_is_named_with_its_signal(make_run):
    run, spec = make_run("dpo", training={"devices": 2})
    killer = threading.Thread(target=kill_node, args=(run, 1, 2), kwargs={"word": b"RANK=1"})
    killer.start()
    with pytest.raises(TrainingError, match=r"Process 1 on \S+ was ended by SIGKILL"):
        train(run, spec)
    assert time.monotonic() - KILLED["at"] < 60
    killer.join()
    assert processes_of(run) == []


def test_an_unreachable_host_stops_the_run_before_anything_is_started(
    make_run, two_hosts, monkeypatch
):
    monkeypatch.setenv("FAKE_DEAD_HOSTS", "localhost")
    run, spec = make_run("dama", training={"devices": 2})
    with pytest.raises(
        PreflightError, match=r"hosts\.txt, line 2: localhost cannot be reached: ssh: connect to"
    ):
        train(run, spec, two_hosts)
    assert not run.logs.exists()


KILLED = {"at": 0.0}


def kill_node(run, node, step, word=None):
    """Kill every process of a node, without its ssh, as soon as a step is recorded."""
    while len(read_rows(run.metrics)) < step:
        time.sleep(0.02)
    named = [f"--rank\0{node}\0", f"--node-rank\0{node}\0"]
    for process in processes_of(run):
        if word is not None:
            found = word in environment(process).split(b"\0")
        else:
            told = command(process)
            found = f"GROUP_RANK={node}".encode() in environment(process).split(b"\0")
            found |= b"ssh" not in told and any(words.encode() in told for words in named)
        if found:
            os.kill(process, signal.SIGKILL)
    KILLED["at"] = time.monotonic()


def signal_step(run, step):
    """Send SIGTERM to every process of a job's step, but srun."""
    while len(read_rows(run.metrics)) < step:
        time.sleep(0.02)
    for process in processes_of(run):
        if b"srun" not in command(process):
            os.kill(process, signal.SIGTERM)


def processes_of(run):
    """Return all whose command line names the run folder."""
    found = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [process for process in found if str(run.path).encode() in command(process)]


def command(process):
    return _read(process, "cmdline")


def environment(process):
    return _read(process, "environ")


def _read(process, name):
    try:
        return (Path("/proc") / str(process) / name).read_bytes()
    except OSError:
        return b""
