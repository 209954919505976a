"""Killed at forty random moments, a run ends with the numbers of one that was left alone.

Real worker processes of a small random LLaVA are killed with signal 9: at any time after their
start, while the tokens and the reference log-probabilities are written, in the middle of a step
and of a save. The same call follows each time.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import world_fixture
from processes import numbers

from harness.runs.rundir import RunDir, run_name
from harness.settings.spec import RunSpec
from harness.training.checkpoints.checkpoint import PARTIAL
from harness.training.metrics import read_rows

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

KILLS = 7
STEPS = 60
LONGEST = 120
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


@dataclass
class World:
    """One run in folders of its own, killed or not."""

    folder: Path
    run: RunDir
    kills: list[str] = field(default_factory=list)

    def start(self):
        environment = os.environ | {
            "HARNESS_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.run.path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def workers(self):
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            launcher = b"torch.distributed.run" in words
            if str(self.run.path).encode() in words and b"-c" not in words and not launcher:
                found.append(int(folder.name))
        return sorted(found)

    def rows(self):
        return len(read_rows(self.run.metrics))


def world(base, folder, stage, devices):
    rows = world_fixture.rows(24)
    data = world_fixture.write_rows(folder / "pairs" / "train-0.parquet", rows)
    spec = RunSpec.model_validate(
        {
            "method": "dama",
            "size": "tiny",
            "config": {},
            "model": {"path": str(base)},
            "data": {
                "preferences": str(data),
                "max_length": 200,
                "hardness": {"clip": "local-dir:none"},
            },
            "training": {
                "learning_rate": 1e-3,
                "warmup_ratio": 0.1,
                "epochs": 10,
                "batch_pairs": 4,
                "precision": "float32",
                "zero_stage": stage,
                "save_every": 3,
                "devices": devices,
            },
            "evaluation": {"benchmarks": [], "data": "none", "judge": "oracle"},
        }
    )
    run = RunDir(folder / "runs" / run_name(spec))
    run.open(spec)
    return World(folder, run)


def until(condition, process):
    """Wait for a condition or the end of the process; return whether the condition came."""
    deadline = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.001)
    return False


def moment(rng, number, world):
    """Return the name of a moment and the condition that it has come."""
    cache = world.folder / "cache"
    saving = world.run.checkpoints / PARTIAL
    target = max(world.rows(), 1) + rng.randint(1, 6)
    late = time.monotonic() + rng.uniform(1, 12)
    kinds = {
        "writing tokens": lambda: any((cache / "tokenized").glob("**/*")),
        "writing reference log-probabilities": lambda: any((cache / "reference").glob("**/*")),
        # A fast machine would be done after all of these seconds.
        "any time after the start": lambda: time.monotonic() > late or world.rows() >= target,
        "in a save": saving.exists,
        "in a step": lambda: world.rows() >= target,
        "in a late save": lambda: world.rows() >= target and saving.exists(),
        "in the first steps after a restart": lambda: world.rows() != target - 1,
    }
    name = list(kinds)[number % len(kinds)]
    return name, kinds[name]


def kill(world, rng, number):
    """Run the command and kill one of its workers at a moment; it must not have ended before."""
    name, come = moment(rng, number, world)
    process = world.start()
    assert until(come, process), f"{name}: {process.communicate()[0]}"
    time.sleep(rng.choice((0, rng.uniform(0, 0.05))))
    assert until(world.workers, process), process.communicate()[0]
    os.kill(rng.choice(world.workers()), signal.SIGKILL)
    said = process.communicate()[0]
    assert process.returncode != 0, said
    assert "The same command continues" in said
    assert "Traceback" not in said.partition("The end of")[0]
    world.kills.append(f"{name}, {world.rows()} steps")


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_forty_kills_change_no_number(stage, devices, tmp_path):
    """Six runs, seven kills each; in float32 every recorded number is the same to the bit."""
    rng = random.Random(100 * stage + devices)
    base = world_fixture.write_base(tmp_path / "base")
    calm = world(base, tmp_path / "calm", stage, devices)
    assert calm.start().wait() == 0
    killed = world(base, tmp_path / "killed", stage, devices)
    for number in range(KILLS):
        kill(killed, rng, number)
    last = killed.start()
    said = last.communicate()[0]
    assert last.returncode == 0, said
    assert len(killed.kills) == KILLS, json.dumps(killed.kills)
    assert [row["step"] for row in read_rows(killed.run.metrics)] == list(range(1, STEPS + 1))
    assert numbers(killed.run) == numbers(calm.run)
