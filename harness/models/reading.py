"""The small files beside the weights: JSON that must be an object, and what reads text."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.models.headers import is_pointer


def read_object(file: Path) -> tuple[dict[str, Any] | None, str]:
    """Return the JSON object in a file, or None and why there is none."""
    try:
        value = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None, f"{file}: it is not there"
    except (OSError, ValueError, RecursionError) as error:
        empty = file.is_file() and not file.stat().st_size
        return None, f"{file}: " + ("it is empty" if empty else f"not readable as JSON ({error})")
    if not isinstance(value, dict):
        return None, f"{file}: not a JSON object"
    return value, ""


def object_problems(file: Path) -> Iterator[str]:
    """Yield what keeps a file from being read as a JSON object."""
    value, problem = read_object(file)
    if value is None:
        yield problem


def tokenizer_problems(folder: Path, kinds: Sequence[Sequence[str]]) -> Iterator[str]:
    """Check tokenizer_config.json, and that all files of one kind of tokenizer are there."""
    yield from object_problems(folder / "tokenizer_config.json")
    complete = [kind for kind in kinds if all((folder / name).is_file() for name in kind)]
    if not complete:
        wanted = " or ".join(" with ".join(kind) for kind in kinds)
        yield f"{folder / kinds[0][0]}: no tokenizer is there (wanted: {wanted})"
    for file in (folder / name for kind in complete for name in kind):
        if file.suffix == ".json":
            yield from object_problems(file)
        elif not file.stat().st_size or is_pointer(file):
            yield f"{file}: it is empty or a pointer of git-lfs, not the file itself"
