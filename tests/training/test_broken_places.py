"""A full disk, a folder that cannot be written, a rank that vanishes: told, and nothing is lost."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import numbers

from harness.errors import TrainingError
from harness.training.launch import train
from harness.training.metrics import read_rows

pytestmark = pytest.mark.processes

SETTINGS = {"save_every": 5}
PROGRAM = """
import sys
from pathlib import Path
import harness.__main__, harness.commands.app
from harness.runs.rundir import RunDir
from harness.training.launch import train
run = RunDir(Path(sys.argv[1]))
harness.commands.app.app = lambda **_: train(run, run.read_spec())
harness.__main__.main()
"""
BYTES = 40_000
"""More than the record of a run, less than its weights."""


@pytest.fixture(scope="module")
def whole(make_run):
    run, spec = make_run("dama", training=SETTINGS)
    train(run, spec)
    return numbers(run)


def command(run, limit=None):
    """Train in a process of its own, none of whose files may be larger than `limit` bytes."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(run.path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )


def test_a_disk_that_is_full_during_a_save_costs_nothing_that_was_saved(make_run, whole):
    run, _ = make_run("dama", training=SETTINGS)
    done = command(run, BYTES)
    assert done.returncode == 1
    assert "step-00000005: the checkpoint cannot be written. There is none before it" in done.stderr
    assert "the same command continues" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(run.checkpoints.glob("step-*"))
    assert command(run).returncode == 0
    assert numbers(run) == whole


def test_a_later_full_disk_keeps_the_checkpoint_before(make_run, whole):
    """The limit comes with the second call, which has the checkpoint of step 5 behind it."""
    run, spec = make_run("dama", training=SETTINGS)
    killer = threading.Thread(target=kill_a_worker, args=(run, 7))
    killer.start()
    with pytest.raises(TrainingError):
        train(run, spec)
    killer.join()
    done = command(run, BYTES)
    assert "step-00000010: the checkpoint cannot be written. step-00000005 stays" in done.stderr
    assert [path.name for path in run.checkpoints.glob("step-*")] == ["step-00000005"]
    assert command(run).returncode == 0
    assert numbers(run) == whole


def test_a_place_where_no_checkpoint_can_be_is_told(make_run):
    run, _ = make_run("dama", training=SETTINGS)
    run.checkpoints.write_text("in the way")
    done = command(run)
    assert done.returncode == 1
    assert f"{run.checkpoints}: cannot be used for checkpoints" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_checkpoint_is_told_with_its_name(make_run, whole):
    run, spec = make_run("dama", training=SETTINGS)
    killer = threading.Thread(target=kill_a_worker, args=(run, 7))
    killer.start()
    with pytest.raises(TrainingError):
        train(run, spec)
    killer.join()
    file = run.checkpoints / "step-00000005" / "optimizer-0000.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    done = command(run)
    assert done.returncode == 1
    assert "step-00000005: damaged. Remove it; the same command goes on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_vanished_rank_ends_the_run_within_a_minute(make_run):
    run, spec = make_run("dama", training={"devices": 2, "save_every": 5})
    killed_at = []
    killer = threading.Thread(target=kill_a_worker, args=(run, 7, killed_at))
    killer.start()
    with pytest.raises(TrainingError, match="same command continues"):
        train(run, spec)
    killer.join()
    assert time.monotonic() - killed_at[0] < 60
    train(run, spec)
    assert [row["step"] for row in read_rows(run.metrics)] == list(range(1, 21))


def test_only_the_latest_checkpoints_stay(make_run):
    """Stopped after step 17: of 5, 10 and 15 the last two are there."""
    run, spec = make_run("dama", training={"save_every": 5, "keep_checkpoints": 2})
    killer = threading.Thread(target=kill_a_worker, args=(run, 17))
    killer.start()
    with pytest.raises(TrainingError):
        train(run, spec)
    killer.join()
    kept = sorted(path.name for path in run.checkpoints.glob("step-*"))
    assert kept == ["step-00000010", "step-00000015"]


def kill_a_worker(run, step, when=None):
    """Kill one process of the run that is no launcher, after a step."""
    while len(read_rows(run.metrics)) < step:
        time.sleep(0.01)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        launcher = b"torch.distributed.run" in words or b"-c" in words
        if str(run.path).encode() in words and not launcher:
            os.kill(int(folder.name), signal.SIGKILL)
            if when is not None:
                when.append(time.monotonic())
            return
