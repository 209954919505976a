"""Everything needed to continue a run, committed by one rename.

A checkpoint is a folder `step-<steps done>`: it is written under another name, forced to the disk
by every rank, and renamed only then, so that a folder with that name is complete. The previous one
is removed afterwards.
"""

import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import ConfigError, DataError
from harness.training.engine import Engine, Processes
from harness.training.model import sync

State = TypeVar("State")
_PREFIX = "step-"


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._folder = folder
        self._processes = processes
        folder.mkdir(parents=True, exist_ok=True)
        self.latest = latest_checkpoint(folder)
        """The folder to continue from, or None."""

    def steps_done(self) -> int:
        """Return how many steps the latest checkpoint has behind it.

        Raises:
            ConfigError: It was written by another number of processes.
        """
        if self.latest is None:
            return 0
        position = self._position()
        if position["processes"] != self._processes.count:
            raise ConfigError(
                f"{self.latest} was written by {position['processes']} processes and this run has "
                f"{self._processes.count}. Set training.devices to {position['processes']}, or "
                "remove the checkpoints to start anew."
            )
        return int(position["steps_done"])

    def weights(self) -> dict[str, Tensor] | None:
        """Return the weights of the module, or None when there is no checkpoint."""
        return load_file(self.latest / "weights.safetensors") if self.latest else None

    def restore(self, engine: Engine, state: State) -> State:
        """Put optimizer and random numbers back; return the method's state."""
        if self.latest is None:
            return state
        engine.load_optimizer_tensors(load_file(self._rank_file(self.latest, "optimizer")))
        _restore_random(load_file(self._rank_file(self.latest, "random")))
        version, numbers, gauss = self._position()["python_random"]
        random.setstate((version, tuple(numbers), gauss))
        return _state_from(state, load_file(self.latest / "method.safetensors"))

    def save(self, steps_done: int, engine: Engine, state: Any) -> None:
        """Commit a checkpoint; every rank must call it."""
        partial = self._folder / ".partial"
        target = self._folder / f"{_PREFIX}{steps_done:08d}"
        weights = engine.weights()
        if self._processes.rank == 0:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            save_file(weights, partial / "weights.safetensors")
            save_file(_state_tensors(state), partial / "method.safetensors")
            position = {
                "steps_done": steps_done,
                "processes": self._processes.count,
                "python_random": random.getstate(),
            }
            (partial / "position.json").write_text(json.dumps(position), "utf-8")
        self._processes.barrier()
        own = [self._rank_file(partial, kind) for kind in ("optimizer", "random")]
        save_file(engine.optimizer_tensors(), own[0])
        save_file(_random_tensors(), own[1])
        sync(*own)
        self._processes.barrier()
        if self._processes.rank == 0:
            sync(*partial.iterdir(), partial)
            partial.rename(target)
            sync(self._folder)
            for old in _complete(self._folder):
                if old != target:
                    shutil.rmtree(old)
        self.latest = target

    def clear(self) -> None:
        """Remove all checkpoints: the trained model is on the disk."""
        shutil.rmtree(self._folder)

    def _position(self) -> dict[str, Any]:
        file = Path(self.latest or "") / "position.json"
        try:
            return dict(json.loads(file.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{file}: damaged ({error}). Remove the folder checkpoints to start anew."
            ) from error

    def _rank_file(self, folder: Path, kind: str) -> Path:
        return folder / f"{kind}-{self._processes.rank:04d}.safetensors"


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the complete checkpoint with the most steps, or None."""
    return max(_complete(folder), default=None)


def _complete(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()]


def _state_tensors(state: Any) -> dict[str, Tensor]:
    return {
        field.name: getattr(state, field.name).detach().cpu().contiguous()
        for field in dataclasses.fields(state)
    }


def _state_from(state: State, tensors: dict[str, Tensor]) -> State:
    fresh: Any = state
    moved = {name: value.to(getattr(state, name).device) for name, value in tensors.items()}
    restored: State = dataclasses.replace(fresh, **moved)
    return restored


def _random_tensors() -> dict[str, Tensor]:
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    return tensors


def _restore_random(tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["cpu"])
    if "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])
