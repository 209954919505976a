"""Train runs in real processes, and read what they recorded."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.training.metrics import read_rows
from harness.training.watch import MEASURED

ALONE = {
    **{"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
    **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"},
}


def workers(plan, ranks):
    """Train runs one after another in the same processes; see run_workers.py."""
    file = plan[0][0].path / "plan.json"
    file.write_text(json.dumps([{"run": str(run.path), "stop_after": stop} for run, stop in plan]))
    program = str(Path(__file__).with_name("run_workers.py"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    launcher = []
    if ranks == 1:  # as LocalLauncher does: without what would import torch once more
        environment |= ALONE
    else:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    done = subprocess.run(
        [sys.executable, *launcher, program, str(file)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-9000:]


def losses(run, steps=20):
    """Return the loss of every step; each stands there once."""
    rows = read_rows(run.metrics)
    assert [row["step"] for row in rows] == list(range(1, steps + 1))
    return [row["loss"] for row in rows]


def numbers(run):
    """Return all recorded values but those that depend on the machine and the moment."""
    return [
        {name: value for name, value in row.items() if name not in MEASURED}
        for row in read_rows(run.metrics)
    ]
