"""Training on this machine: one process as it is, several through torch.distributed.run."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.launchers.interpreter import safe_paths
from harness.launchers.launcher import WORKER, Part


@dataclass(frozen=True)
class LocalLauncher:
    """All processes on this machine."""

    processes: None = None

    def check(self, processes: int) -> None:
        """Do nothing: the checks before a run know this machine."""

    def parts(self, run: Path, processes: int) -> list[Part]:
        """Return the one process that trains or starts all that do."""
        words = ["-m", WORKER, str(run)]
        if processes > 1:
            agent = ["-m", "torch.distributed.run", "--standalone"]
            words = [*agent, "--nproc-per-node", str(processes), *words]
        return [Part("this machine", (sys.executable, *words), _environment(processes))]

    def explain(self, part: str, code: int) -> str:
        """Say with which code the process ended; a signal is a negative one."""
        return f"Training ended with exit code {code}."


def thread_settings(processes: int) -> dict[str, str]:
    """Share the cores of this machine out; a number of threads that the user chose stays."""
    # Threads of several processes that wait for the same cores make each other ten times slower.
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    return {
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _environment(processes: int) -> dict[str, str]:
    # One process needs no launcher, which would import torch once more; port 0 is any free one.
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    alone |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    own = (alone if processes == 1 else {}) | thread_settings(processes)
    return os.environ | safe_paths() | own
