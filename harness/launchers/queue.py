"""What a scheduler knows of the cells that were handed to it."""

import re
import subprocess

from harness.errors import HarnessError

_SUBMITTED = re.compile(r"^Job (\S+) is in the queue", re.MULTILINE)
"""As `harness.launchers.sbatch` tells it."""
_GONE = "Invalid job id"
"""What squeue says of a job that ended some time ago."""


def submitted_job(log: str) -> str | None:
    """Return the id of the job that a call of `reproduce` says it has put into the queue."""
    found = _SUBMITTED.search(log)
    return found[1] if found else None


def job_state(job: str) -> str | None:
    """Return the state of a job that waits or runs, such as `pending`; None when it has ended.

    Raises:
        HarnessError: SLURM cannot be asked.
    """
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%T"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise HarnessError(
            f"job {job} was submitted for this cell, and there is no program squeue on this "
            "machine to ask for it. Call this where jobs are submitted."
        ) from error
    if asked.returncode and _GONE not in asked.stderr:
        raise HarnessError(f"job {job}: squeue cannot tell its state: {asked.stderr.strip()}")
    return asked.stdout.strip().lower() or None
