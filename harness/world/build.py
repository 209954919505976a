"""Make a tiny world, part by part, each once for all time in the user's cache folder."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from harness.console import messages
from harness.files.atomic import written
from harness.files.cache import cache_dir
from harness.files.digests import remembered, text_digest
from harness.files.locks import FileLock
from harness.files.python_code import stripped
from harness.world.config import HELD_OUT_FIRST, WorldConfig
from harness.world.shipped import PARTS as SHIPPED
from harness.world.shipped import sums_of, take

if TYPE_CHECKING:
    from harness.world.scenes import Scene

NOT_DATA = frozenset({"oracle.py", "claims.py", "build.py", "places.py", "shipped.py"})
"""Files of this folder that do not change what is built."""
DRAWN = frozenset({"preferences.py", "questions"})
"""Files and folders of this folder that change only what is drawn from the trained parts."""
STAGES = (("base",), ("clip", "responses"), ("preferences", "benchmarks"))
"""The parts; those of one stage do not need each other."""


def trained_digest(config: WorldConfig) -> str:
    """Return 12 hex digits over the configuration and the code that trains; comments aside."""
    return _over_code(config, NOT_DATA | DRAWN, {})


def digest(config: WorldConfig, *, anew: bool = False) -> str:
    """Return 12 hex digits over what decides a world: configuration, code, and parts as shipped.

    Args:
        config: The world.
        anew: Whether its trained parts are trained here, shipped or not.
    """
    return _over_code(config, NOT_DATA, {} if anew else _shipped(config))


def _over_code(config: WorldConfig, but: frozenset[str], sums: Mapping[str, str]) -> str:
    """Hash configuration, code and sums of files; code is read anew only when a file of it is."""
    files = [f"{name}\0{value}\0" for name, value in sums.items()]
    values = config.model_dump_json()
    names = [file.name for file in _code(but)]

    def made() -> str:
        code = (f"{file.name}\0{stripped(file.read_text('utf-8'))}" for file in _code(but))
        return text_digest(values, *code, *files, digits=12)

    return remembered(lambda: _code(but), made, name="\n".join(["world", values, *names, *files]))


def _code(but: frozenset[str]) -> list[Path]:
    room = Path(__file__).parent
    every = sorted(room.rglob("*.py"))
    return [file for file in every if file.relative_to(room).parts[0] not in but]


def _shipped(config: WorldConfig) -> Mapping[str, str]:
    return sums_of(config.seed, trained_digest(config))


@cache
def ensure_world(config: WorldConfig = WorldConfig(), *, anew: bool = False) -> Path:  # noqa: B008 (frozen)
    """Return the folder of the world, making the parts that are missing.

    Shipped parts are taken as they are, all others are built. A part appears under its name only
    when it is whole, so a build that was killed goes on with the parts it was at.

    Args:
        config: The world.
        anew: Whether to train its parts here, shipped or not.

    Raises:
        DataError: A shipped file is damaged.
        TrainingError: The base model did not learn what it must.
    """
    folder = cache_dir() / "worlds" / digest(config, anew=anew)
    if _is_whole(folder):  # no lock without need: the cache may be read-only
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not anew and (sums := _shipped(config)):
            _take(sums, folder, config)
        for stage in STAGES:
            _build([name for name in stage if not (folder / name).exists()], folder, config)
    return folder


def _take(sums: Mapping[str, str], folder: Path, config: WorldConfig) -> None:
    for part in SHIPPED:
        if not (folder / part).exists():
            with written(folder / part, one_writer=True) as scratch:
                take(config.seed, sums, part, scratch)


def world_is_built(config: WorldConfig = WorldConfig()) -> bool:  # noqa: B008 (frozen)
    """Say whether `ensure_world` would find every part; nothing is made."""
    return _is_whole(cache_dir() / "worlds" / digest(config))


def _is_whole(folder: Path) -> bool:
    return all((folder / name).exists() for stage in STAGES for name in stage)


def _build(names: Sequence[str], folder: Path, config: WorldConfig) -> None:
    """Build parts that do not need each other, the trained ones of them at the same time."""
    trained = [name for name in names if name in SHIPPED]
    if len(trained) < 2 or (os.cpu_count() or 1) < 2:
        for name in names:
            build_part(name, folder, config)
        return
    here, *others = names
    with ProcessPoolExecutor(len(others), get_context("spawn"), initializer=_silence) as processes:
        waiting = [processes.submit(build_part, name, folder, config) for name in others]
        build_part(here, folder, config)
        for one in waiting:
            one.result()


def _silence() -> None:
    """Two bars would write over each other: the first part shows its progress for all."""
    messages.quiet = True


def build_part(name: str, folder: Path, config: WorldConfig) -> None:
    """Build one part, whose needs are there, into the folder of a world."""
    messages.print(f"building {name} of tiny world {config.seed} in {folder}")
    with written(folder / name, one_writer=True) as scratch:
        if name in SHIPPED:
            with _one_thread():
                _BUILDERS[name](scratch, folder, config)
        else:
            _BUILDERS[name](scratch, folder, config)


def _base(target: Path, folder: Path, config: WorldConfig) -> None:
    from harness.world.trained.base import build_base

    build_base(target, _train(config), config)


def _clip(target: Path, folder: Path, config: WorldConfig) -> None:
    from harness.world.trained.clip import build_clip

    build_clip(target, folder / "base", _train(config), config)


def _responses(target: Path, folder: Path, config: WorldConfig) -> None:
    from harness.world.trained.responses import build_responses

    build_responses(target, folder / "base", _train(config)[: config.pair_scenes], config)


def _preferences(target: Path, folder: Path, config: WorldConfig) -> None:
    from harness.world.preferences import build_preferences

    scenes = _train(config)[: config.pair_scenes]
    build_preferences(target, folder / "responses", scenes, config)


def _benchmarks(target: Path, folder: Path, config: WorldConfig) -> None:
    from harness.world.questions import write_benchmarks

    write_benchmarks(target, _held_out(config), config.seed)


_BUILDERS: Mapping[str, Callable[[Path, Path, WorldConfig], None]] = {
    "base": _base,
    "clip": _clip,
    "responses": _responses,
    "preferences": _preferences,
    "benchmarks": _benchmarks,
}


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
