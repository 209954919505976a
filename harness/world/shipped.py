"""The trained parts of the tiny worlds that come with the package.

Training adds up numbers in an order that differs per processor, and a world trained elsewhere is
another one. So what is trained is shipped, and all else is drawn again, which is exact.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import DataError
from harness.files.atomic import written
from harness.files.digests import file_digest

FOLDER = Path(__file__).parent / "shipped"
"""Holds a folder for each world, by its number."""
PARTS = ("base", "clip", "responses")
SUMS = "sums.json"


def sums_of(seed: int, trained: str) -> Mapping[str, str]:
    """Return the SHA-256 of each shipped file of a world; none where it is not shipped.

    Args:
        seed: Number of the world.
        trained: Digest of what decides its training: parts that other code made do not count.
    """
    file = FOLDER / str(seed) / SUMS
    if not file.is_file():
        return {}
    stamp = json.loads(file.read_text("utf-8"))
    files: dict[str, str] = stamp["files"] if stamp["trained"] == trained else {}
    return files


def take(seed: int, sums: Mapping[str, str], part: str, target: Path) -> None:
    """Copy a part of a shipped world to `target`.

    Raises:
        DataError: A file is not what was shipped.
    """
    world = FOLDER / str(seed)
    for name, digest in sums.items():
        if name.startswith(f"{part}/") and file_digest(world / name) != digest:
            raise DataError(f"{world / name} is not the file that was shipped. Install anew.")
    shutil.copytree(world / part, target)


def ship(world: Path, seed: int, trained: str, to: Path) -> Path:
    """Write the trained parts of a built world with their sums to `to`, and return the folder."""
    target = to / str(seed)
    shutil.rmtree(target, ignore_errors=True)
    with written(target, one_writer=True) as scratch:
        for part in PARTS:
            shutil.copytree(world / part, scratch / part)
        files = {
            file.relative_to(scratch).as_posix(): file_digest(file)
            for file in sorted(scratch.rglob("*"))
            if file.is_file()
        }
        text = json.dumps({"trained": trained, "files": files}, indent=2)
        (scratch / SUMS).write_text(f"{text}\n", "utf-8")
    return target
