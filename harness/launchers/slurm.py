"""Training on the nodes of a SLURM allocation, started by srun."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.errors import ConfigError
from harness.launchers.interpreter import safe_paths
from harness.launchers.launcher import Part, exit_meaning
from harness.launchers.node import node_words

JOB_ID = "SLURM_JOB_ID"
_PORTS = range(20_000, 30_000)


def in_allocation() -> bool:
    """Say whether this process runs inside a job."""
    return JOB_ID in os.environ


@dataclass(frozen=True)
class SlurmLauncher:
    """An equal share of the processes on each node of the job that this process runs in."""

    job: str
    hosts: tuple[str, ...]
    gpus: int
    """On each node; 0 when the job has none."""

    @classmethod
    def here(cls) -> Self:
        """Read the allocation from the job's environment.

        Raises:
            ConfigError: SLURM's programs or variables are not there.
        """
        names = os.environ.get("SLURM_JOB_NODELIST", "")
        try:
            listed = subprocess.run(
                ["scontrol", "show", "hostnames", names], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigError(
                f"The nodes of job {os.environ[JOB_ID]} are not known: scontrol show hostnames "
                f"{names!r}: {error}. Call this in a job script or below salloc."
            ) from error
        gpus = os.environ.get("SLURM_GPUS_ON_NODE", "0")
        return cls(os.environ[JOB_ID], tuple(listed.stdout.split()), int(gpus))

    @property
    def processes(self) -> int | None:
        """One per GPU of the job; on nodes without, training.devices decides."""
        return len(self.hosts) * self.gpus or None

    def check(self, processes: int) -> None:
        """Refuse a number of processes that the nodes cannot share equally.

        Raises:
            ConfigError: It is not a multiple of the number of nodes.
        """
        if processes % len(self.hosts):
            raise ConfigError(
                f"training.devices {processes} is not a multiple of the {len(self.hosts)} nodes "
                f"of job {self.job}: each node gets an equal share. Change --devices or --sbatch "
                "nodes=N."
            )

    def parts(self, run: Path, processes: int) -> list[Part]:
        """Return one srun, which starts and watches one task on every node."""
        count = str(len(self.hosts))
        step = ["srun", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1"]
        step += ["--kill-on-bad-exit=1", *_all_cores()]
        words = node_words(
            run,
            nodes=len(self.hosts),
            processes=processes // len(self.hosts),
            master=self.hosts[0],
            # Nobody else trains on these nodes; another run of this job comes after this one.
            port=_PORTS[int(self.job) % len(_PORTS)],
            rank=None,
        )
        environment = os.environ | safe_paths()
        return [Part(f"job {self.job}", (*step, *words), environment, remote=True)]

    def explain(self, part: str, code: int) -> str:
        """Say with which code srun ended; its own words about nodes stand in the log."""
        return f"{exit_meaning(part, code)} Its nodes: {', '.join(self.hosts)}."


def _all_cores() -> list[str]:
    """Give each task the cores of its node: srun alone would give it one."""
    per_task = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    return ["--cpus-per-task", per_task] if per_task else []
