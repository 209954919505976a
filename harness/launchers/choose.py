"""From the words of a request to a launcher, and to the number of processes."""

import sys

from harness.errors import ConfigError
from harness.launchers.hostfile import HostfileLauncher
from harness.launchers.interpreter import safe_paths
from harness.launchers.launcher import Launcher
from harness.launchers.local import LocalLauncher
from harness.launchers.sbatch import Job, parse_options, submit
from harness.launchers.slurm import SlurmLauncher, in_allocation
from harness.settings.overrides import parse_overrides
from harness.settings.request import Request

FOLDER = "slurm"
"""Below the output folder: scripts and outputs of jobs."""


def submits(request: Request) -> bool:
    """Say whether the work is handed to SLURM's queue instead of done here."""
    return request.launcher == "slurm" and not in_allocation()


def launcher_of(request: Request) -> Launcher:
    """Return the launcher that was asked for; for SLURM's queue, the one that checks nothing.

    Raises:
        ConfigError: Options are wrong or of another launcher, the host file is wrong, or the job's
            nodes are not known.
    """
    if request.hostfile is not None and request.launcher != "hostfile":
        raise ConfigError("--hostfile is read with --launcher hostfile alone.")
    if request.sbatch and request.launcher != "slurm":
        raise ConfigError("--sbatch is for --launcher slurm alone.")
    parse_options(request.sbatch)
    if request.launcher == "slurm" and in_allocation():
        return SlurmLauncher.here()
    if request.launcher == "hostfile":
        if request.hostfile is None:
            raise ConfigError("--launcher hostfile needs a file of hosts: --hostfile FILE")
        return HostfileLauncher.read(request.hostfile)
    return LocalLauncher()


def with_devices(request: Request, launcher: Launcher) -> Request:
    """Return the request with as many devices as the machines have, if it states no number.

    Raises:
        ConfigError: It states another number than they have.
    """
    have, stated = launcher.processes, _stated(request)
    if have is None or stated == have:
        return request
    if stated is not None:
        raise ConfigError(
            f"training.devices is {stated}, and the machines of --launcher {request.launcher} "
            f"have {have}. Leave --devices out, or change the machines."
        )
    return request.model_copy(update={"devices": have})


def submit_request(request: Request) -> Job:
    """Put the call that made a request into the queue as it is."""
    parts = (request.method, request.variant, request.size, f"seed{request.seeds[0]}")
    assigned = [f"{name}={value}" for name, value in safe_paths().items()]
    return submit(
        ["env", *assigned, sys.executable, "-m", "harness", *request.words],
        "-".join(part for part in parts if part),
        parse_options(request.sbatch),
        request.out / FOLDER,
    )


def _stated(request: Request) -> int | None:
    if request.devices is not None:
        return request.devices
    found = parse_overrides(request.overrides).get("training.devices")
    return found if isinstance(found, int) else None
