"""The trackers that there are, each imported when it is asked for.

Every tracker begins with what it knows of the run already (`sent`), so that nothing is missing and
nothing stands twice after a resume.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.errors import PACKAGES, ConfigError
from harness.runs.rundir import RunDir

FOLDER = "tracking"
"""Below the folder of a run: what trackers keep in files."""
PROJECT = "alignment-harness"


class Tracker(Protocol):
    """Takes the steps of one run in their order."""

    sent: int
    """The last step that it has already."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take one step."""

    def close(self) -> None:
        """Write down what is still held."""


class TensorBoard:
    """Event files in the run folder, written anew by every call: they hold each step once."""

    def __init__(self, run: RunDir) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.sent = 0
        self._writer: Any = SummaryWriter(str(_emptied(run, "tensorboard")))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take one step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write down what is still held."""
        self._writer.close()


class WeightsAndBiases:
    """A W&B run with the name of the run folder; WANDB_MODE=offline keeps it in the run folder.

    Online it goes on where W&B says that it is; offline its files are written anew.
    """

    def __init__(self, run: RunDir) -> None:
        import wandb

        name = run.path.name
        offline = os.environ.get("WANDB_MODE") == "offline"
        folder = _emptied(run, "wandb") if offline else run.path / FOLDER / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=PROJECT,
            id=name,
            name=name,
            dir=str(folder),
            resume=None if offline else "allow",
            mode="offline" if offline else None,
        )
        self.sent = 0 if offline else max(0, self._run.step - 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take one step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write down what is still held."""
        self._run.finish()


class MLflow:
    """An MLflow run with the name of the run folder, at MLFLOW_TRACKING_URI."""

    def __init__(self, run: RunDir) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        found = self._client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else self._client.create_experiment(PROJECT)
        name = run.path.name
        runs = self._client.search_runs([experiment], f"tags.run = '{name}'")
        made = runs[0] if runs else self._client.create_run(experiment, tags={"run": name})
        self._id = made.info.run_id
        history = self._client.get_metric_history(self._id, "step")
        self.sent = max((one.step for one in history), default=0)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take one step, its number last: by that a resumed run tells what is there."""
        for name, value in (*values.items(), ("step", float(step))):
            self._client.log_metric(self._id, name, value, step=step)

    def close(self) -> None:
        """Say that the run has ended."""
        self._client.set_terminated(self._id)


TRACKERS: dict[str, tuple[str, Callable[[RunDir], Tracker]]] = {
    "tensorboard": ("tensorboard", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
    "mlflow": ("mlflow", MLflow),
}
"""By name: the package it needs, and what makes it."""


def require_installed(names: Sequence[str]) -> None:
    """Refuse trackers whose packages are not installed, before any work is done.

    Raises:
        ConfigError: One is missing or unknown.
    """
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"--track {name!r}: there are {', '.join(TRACKERS)}.")
        package, _ = TRACKERS[name]
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"--track {name}: the package {package} is not installed. "
                f"pip install 'alignment-harness[{PACKAGES[package]}]'"
            )


def _emptied(run: RunDir, name: str) -> Path:
    folder = run.path / FOLDER / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
