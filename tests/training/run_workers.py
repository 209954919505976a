"""Train several runs in the same processes: `run_workers.py PLAN`, one process per rank.

PLAN is a JSON list of {"run": folder, "stop_after": steps or null}; a stopped run ends as if its
processes had died after recording that step.
"""

import contextlib
import json
import sys
from pathlib import Path

import torch

from harness.runs.rundir import RunDir
from harness.training.metrics import MetricsLog
from harness.training.step.engine import TorchProcesses
from harness.training.worker import Worker


class Stopped(Exception):
    pass


def stop_after(steps):
    """Let every rank fail together after a step."""
    counted = {"steps": 0}

    def write(self, row):
        WRITE(self, row)
        counted["steps"] += 1
        if counted["steps"] == steps:
            raise Stopped

    MetricsLog.write = write if steps else WRITE


WRITE = MetricsLog.write


def main(plan: Path) -> None:
    processes = TorchProcesses()
    for item in json.loads(plan.read_text()):
        run = RunDir(Path(item["run"]))
        spec = run.read_spec()
        torch.manual_seed(spec.seed)
        stop_after(item["stop_after"])
        with contextlib.suppress(Stopped):
            Worker(run, spec, processes).train()
    processes.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
