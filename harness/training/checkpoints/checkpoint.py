"""Everything needed to continue a run, committed by one rename.

A checkpoint is a folder `step-<steps done>`: it is written under another name, forced to the disk
by every rank, and renamed only then, so that a folder with that name is complete. Older ones are
removed afterwards. It may be read by another number of ranks, and under another ZeRO stage.
"""

import dataclasses
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save, save_file
from torch import Tensor

from harness.errors import DataError, TrainingError
from harness.files.atomic import commit, sync
from harness.training.checkpoints.reshard import FRAGMENTS, resharded
from harness.training.step.protocols import Processes, Resumable

State = TypeVar("State")
_PREFIX = "step-"
PARTIAL = ".partial"
"""The folder of a checkpoint that is being written."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they lie.
        processes: Those of this run.
        keep: How many of the latest stay.
    """

    def __init__(self, folder: Path, processes: Processes, keep: int = 1) -> None:
        self._folder = folder
        self._processes = processes
        self._keep = keep
        with _told(f"{folder}: cannot be used for checkpoints"):
            folder.mkdir(parents=True, exist_ok=True)
            if processes.rank == 0:
                # What a run that was killed while saving left behind.
                shutil.rmtree(folder / PARTIAL, ignore_errors=True)
        self.latest = latest_checkpoint(folder)
        """The folder to continue from, or None."""
        # No rank may save, and by that remove an old one, before all have seen which is the latest.
        processes.barrier()

    def steps_done(self) -> int:
        """Return how many steps the latest checkpoint has behind it."""
        return 0 if self.latest is None else int(self._position()["steps_done"])

    def weights(self) -> dict[str, Tensor] | None:
        """Return the trained weights, or None when there is no checkpoint."""
        return _loaded(self.latest / "weights.safetensors") if self.latest else None

    def restore(self, engine: Resumable, state: State) -> State:
        """Put optimizer and random numbers back; return the method's state."""
        if self.latest is None:
            return state
        files = sorted(self.latest.glob("optimizer-*.safetensors"))
        with _told(f"{self.latest}: damaged. Remove it; the same command goes on from before it"):
            engine.load_optimizer_tensors(
                resharded(files, engine.fragments(), engine.optimizer_tensors())
            )
        # Of more ranks than wrote it, several start with the same random numbers.
        origin = self._processes.rank % int(self._position()["processes"])
        _restore_random(_loaded(_rank_file(self.latest, "random", origin)))
        version, numbers, gauss = self._position()["python_random"]
        random.setstate((version, tuple(numbers), gauss))
        return _state_from(state, _loaded(self.latest / "method.safetensors"))

    def save(self, steps_done: int, engine: Resumable, state: Any) -> None:
        """Commit a checkpoint; every rank must call it.

        Raises:
            TrainingError: It cannot be written. Those before it stay.
        """
        partial = self._folder / PARTIAL
        target = self._folder / f"{_PREFIX}{steps_done:08d}"
        if target.exists():
            return
        stays = f"{self.latest.name} stays" if self.latest else "There is none before it"
        with _told(
            f"{target}: the checkpoint cannot be written. {stays}. Free some space or mend the "
            "folder; the same command continues"
        ):
            self._write(partial, steps_done, engine, state)
            self._processes.barrier()
            if self._processes.rank == 0:
                self._commit(partial, target)
        self.latest = target

    def clear(self) -> None:
        """Remove all checkpoints: the trained model is on the disk."""
        shutil.rmtree(self._folder)

    def _write(self, partial: Path, steps_done: int, engine: Resumable, state: Any) -> None:
        """Write this rank's part, and on the first rank what all share."""
        rank = self._processes.rank
        weights = engine.weights()
        if rank == 0:
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
        own = [_rank_file(partial, kind, rank) for kind in ("optimizer", "random")]
        held = json.dumps(engine.fragments())
        save_file(dict(engine.optimizer_tensors()), own[0], metadata={FRAGMENTS: held})
        save_file(_random_tensors(), own[1])
        sync(*own)

    def _commit(self, partial: Path, target: Path) -> None:
        # The part is not one of `written`: every rank has put its own files into it.
        commit(partial, target)
        for old in sorted(_complete(self._folder))[: -self._keep]:
            shutil.rmtree(old)

    def _position(self) -> dict[str, Any]:
        file = Path(self.latest or "") / "position.json"
        with _told(f"{file}: damaged. Remove its folder; the same command goes on from before it"):
            return dict(json.loads(file.read_text("utf-8")))


def check_saveable(method: str, start: Any, state: Any) -> None:
    """Save a method's state and read it back, all in memory, as a later checkpoint will.

    Args:
        method: Its name.
        start: The state that the run began with, into which a restored one is put.
        state: What is saved.

    Raises:
        TrainingError: It cannot be saved, or what is read back is another.
    """
    name, wanted = type(state).__name__, "wanted is a frozen dataclass of tensors"
    if problem := _no_tensors(state):
        raise TrainingError(
            f"{method}: its state {problem}, which no checkpoint can hold; {wanted}."
        )
    try:
        saved = save(_state_tensors(state))
        again = save(_state_tensors(_state_from(start, load(saved))))
    except Exception as error:
        said = " ".join(str(error).split())
        raise TrainingError(
            f"{method}: its state {name} cannot be saved and read back "
            f"({type(error).__name__}: {said}); {wanted} that share no memory."
        ) from error
    if again != saved:
        raise TrainingError(
            f"{method}: its state {name} is another after it was saved and read back; {wanted} "
            "that keeps what it is made with."
        )


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the complete checkpoint with the most steps, or None."""
    return max(_complete(folder), default=None)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn whatever a disk or a file does wrong into an error for the user."""
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(f"{what} ({error}).") from error


def _loaded(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{file}: damaged ({error}). Remove its folder; the same command goes on from the "
            "checkpoint before it, or anew."
        ) from error


def _rank_file(folder: Path, kind: str, rank: int) -> Path:
    return folder / f"{kind}-{rank:04d}.safetensors"


def _complete(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()]


def _no_tensors(state: Any) -> str | None:
    """Say what a state is besides a dataclass of tensors."""
    if not dataclasses.is_dataclass(state) or isinstance(state, type):
        return f"is a {type(state).__name__}"
    for field in dataclasses.fields(state):
        if not isinstance(found := getattr(state, field.name), Tensor):
            return f"has a field `{field.name}` of type {type(found).__name__}"
    return None


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
