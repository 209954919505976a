"""Build the tiny world, part by part, each once for all time in the user's cache folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.console import messages
from harness.files.atomic import written
from harness.files.cache import cache_dir
from harness.files.digests import text_digest
from harness.files.locks import FileLock
from harness.world.config import HELD_OUT_FIRST, WorldConfig

if TYPE_CHECKING:
    from harness.world.scenes import Scene

NOT_DATA = {"oracle.py", "claims.py", "build.py", "places.py"}
"""Files of this folder that do not change what is built."""


def digest(config: WorldConfig) -> str:
    """Return 12 hex digits over the configuration and the code that builds from it."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    code = (
        part
        for file in files
        if file.name not in NOT_DATA
        for part in (f"{file.name}\0", file.read_bytes())
    )
    return text_digest(config.model_dump_json(), *code, digits=12)


@cache
def ensure_world(config: WorldConfig = WorldConfig()) -> Path:  # noqa: B008 (frozen)
    """Return the folder of the world, building the parts that are missing.

    A part appears under its name only when it is whole, so a build that was killed goes on with
    the part it was at.
    """
    folder = cache_dir() / "worlds" / digest(config)
    if world_is_built(config):  # no lock without need: the cache may be read-only
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        for name, build in _parts(config, folder).items():
            if not (folder / name).exists():
                _build_part(folder / name, build)
    return folder


def world_is_built(config: WorldConfig = WorldConfig()) -> bool:  # noqa: B008 (frozen)
    """Say whether `ensure_world` would find every part; nothing is made."""
    folder = cache_dir() / "worlds" / digest(config)
    return all((folder / name).exists() for name in _parts(config, folder))


def _build_part(target: Path, build: Callable[[Path], None]) -> None:
    messages.print(f"building {target.name} of the tiny world in {target.parent}")
    with written(target, one_writer=True) as scratch:
        build(scratch)


def _parts(config: WorldConfig, folder: Path) -> dict[str, Callable[[Path], None]]:
    """Return the parts in the order in which they need each other."""

    def base(target: Path) -> None:
        from harness.world.base import build_base

        with _one_thread():
            build_base(target, _train(config), config)

    def clip(target: Path) -> None:
        from harness.world.clip import build_clip

        with _one_thread():
            build_clip(target, folder / "base", _train(config), config)

    def preferences(target: Path) -> None:
        from harness.world.preferences import build_preferences

        scenes = _train(config)[: config.pair_scenes]
        build_preferences(target, folder / "base", scenes, config)

    def benchmarks(target: Path) -> None:
        from harness.world.questions import write_benchmarks

        write_benchmarks(target, _held_out(config), config.seed)

    return {"base": base, "clip": clip, "preferences": preferences, "benchmarks": benchmarks}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Train on one thread: more bring nothing at this size, and change the last digits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _accelerator_named():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _accelerator_named() -> Iterator[None]:
    """Keep stdout for results.

    Saving a model imports DeepSpeed, by way of transformers and accelerate, and DeepSpeed says on
    stdout when it has to guess the device. Processes started later are to choose for themselves.
    """
    if "DS_ACCELERATOR" in os.environ:
        yield
        return
    os.environ["DS_ACCELERATOR"] = "cpu"
    try:
        yield
    finally:
        del os.environ["DS_ACCELERATOR"]


def _train(config: WorldConfig) -> "list[Scene]":
    from harness.world.draw import split_scans
    from harness.world.scenes import draw_scenes

    scans, _ = split_scans(config.held_out_digits)
    return draw_scenes(0, config.train_scenes, config.seed, scans, config.companion_share)


def _held_out(config: WorldConfig) -> "list[Scene]":
    from harness.world.draw import split_scans
    from harness.world.scenes import draw_scenes

    _, scans = split_scans(config.held_out_digits)
    return draw_scenes(
        HELD_OUT_FIRST, config.held_out_scenes, config.seed, scans, config.companion_share
    )
