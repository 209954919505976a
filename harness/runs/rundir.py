"""The folder of one run: what lies where, who may write, and which specification it belongs to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import Timeout

from harness.console import messages
from harness.errors import ConfigError, DataError, PreflightError, in_words
from harness.files.atomic import write_text
from harness.files.locks import FileLock
from harness.settings.spec import RunSpec

RUNS = "runs"
"""Below the output folder: the folders of runs."""
_LOOK_S = 0.5
"""Who only looks whether a run is in use (`in_use`) lets go of it sooner than this."""


@dataclass(frozen=True)
class RunDir:
    """The folder of one run, or of a model that was not trained here. Its name holds a hash."""

    path: Path

    @property
    def spec_file(self) -> Path:
        """The specification, YAML."""
        return self.path / "run.yaml"

    @property
    def manifest(self) -> Path:
        """Code, versions, hardware and data that made this run, JSON."""
        return self.path / "manifest.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per training step."""
        return self.path / "metrics.jsonl"

    @property
    def sessions(self) -> Path:
        """One JSON object per start of the training: devices, attention kernel, recomputation."""
        return self.path / "sessions.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of everything needed to continue training."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """Folder of the trained model; it exists only when training is done."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """Folder of what LoRA trained, in peft's files; it exists before the model does."""
        return self.path / "adapter"

    @property
    def logs(self) -> Path:
        """Folder of the output of worker processes."""
        return self.path / "logs"

    @property
    def deepspeed_config(self) -> Path:
        """What the engine was configured with, JSON."""
        return self.path / "deepspeed.json"

    @property
    def identity(self) -> Path:
        """What decides the training, by content, JSON."""
        return self.path / "identity.json"

    @property
    def responses(self) -> Path:
        """Folder of `<benchmark>-<digest>.jsonl`, one row per generated answer."""
        return self.path / "responses"

    @property
    def judgements(self) -> Path:
        """Folder of `<benchmark>-<digest>/`, with replies, items and scorecard."""
        return self.path / "judgements"

    @property
    def margins(self) -> Path:
        """Log-probabilities of drawn pairs under the base model and the trained one, JSONL."""
        return self.path / "margins.jsonl"

    def open(self, spec: RunSpec) -> None:
        """Make the folder for a specification when it is not there.

        Raises:
            ConfigError: The folder holds another specification.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.spec_file.exists():
            self._write_spec(spec)
        elif differences := _differences(self.read_spec(), spec):
            listed = "\n  ".join(differences)
            raise ConfigError(
                f"{self.spec_file} is not the run that was asked for:\n  {listed}\n"
                "Restore the file, or move the folder away to start this run anew."
            )

    def read_spec(self) -> RunSpec:
        """Read run.yaml back.

        Raises:
            DataError: The file is missing or is not a specification.
        """
        try:
            content = yaml.load(self.spec_file.read_text("utf-8"), Loader=yaml.CSafeLoader)
            return RunSpec.from_file(content)
        except (OSError, yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
            raise DataError(
                f"{self.spec_file} cannot be read as a run: {in_words(error)}. "
                "Move the folder away to start this run anew."
            ) from error

    def adopt(self, spec: RunSpec) -> None:
        """Continue this run with the places and machine of `spec`; for who holds the lock."""
        if self.read_spec() != spec:
            self._write_spec(spec)

    def _write_spec(self, spec: RunSpec) -> None:
        text = yaml.safe_dump(spec.as_file(), sort_keys=False)
        write_text(self.spec_file, text)

    @property
    def lock(self) -> Path:
        """Locked by the process that works on the run."""
        return self.path / ".lock"

    @contextmanager
    def locked(self, wait: bool = False) -> Iterator[None]:
        """Keep other processes from working on the same run.

        `wait` is for what several runs share: who comes second waits until it is there.

        Raises:
            PreflightError: Another process is at it now, and `wait` is not given.
        """
        lock = FileLock(self.lock, timeout=_LOOK_S)
        try:
            lock.acquire()
        except Timeout as error:
            told = f"Another process is working on {self.path}."
            if not wait:
                raise PreflightError(f"{told} Wait for it, or give --out a new folder.") from error
            messages.print(f"{told} Waiting for it ...", markup=False)
            lock.acquire(timeout=-1)
        try:
            yield
        finally:
            lock.release()


def run_name(spec: RunSpec, digest: str = "") -> str:
    """Return `<method>[-<variant>]-<size>[-world<n>]-seed<k>-<digest>`.

    Without a digest of what decides the run, that of its words.
    """
    world = f"world{spec.world}" if spec.world else None
    seed = f"seed{spec.seed}"
    parts = [spec.method, spec.variant, spec.size, world, seed, digest or spec.digest()]
    return "-".join(part for part in parts if part)


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; what a link names is not in it."""
    files = (path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return sum(path.stat().st_size for path in files)


def _differences(present: RunSpec, wanted: RunSpec) -> list[str]:
    """Return what tells two runs apart besides contents, a line for every value."""
    return list(_unequal(present.settings(), wanted.settings()))


def _unequal(
    present: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    for key in sorted(present.keys() | wanted.keys()):
        here, asked = present.get(key), wanted.get(key)
        if isinstance(here, dict) and isinstance(asked, dict):
            yield from _unequal(here, asked, f"{prefix}{key}.")
        elif here != asked:
            yield f"{prefix}{key}: {here!r} there, {asked!r} asked for"
