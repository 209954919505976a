"""Reading the benchmarks' own files: JSON, JSONL, and the checks that all of them need."""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.types import FAILED_CALL


def required(files: Mapping[str, str], name: str) -> str:
    """Return the text of a file without which there is no benchmark."""
    if name not in files:
        raise ValueError(f"{name} is missing. Fetch it with: python -m harness data fetch")
    return files[name]


def json_list(text: str, name: str) -> list[Any]:
    """Parse a file that holds one JSON list."""
    value = parsed(text, name)
    if isinstance(value, list):
        return value
    raise ValueError(f"{name}: expected a JSON list, found {type(value).__name__}")


def json_object(text: str, name: str) -> dict[str, Any]:
    """Parse a file that holds one JSON object."""
    value = parsed(text, name)
    if isinstance(value, dict):
        return value
    raise ValueError(f"{name}: expected a JSON object, found {type(value).__name__}")


def json_lines(text: str, name: str) -> list[dict[str, Any]]:
    """Parse a file with one JSON object per line; blank lines are skipped."""
    # Not splitlines(): a JSON string may hold U+2028 and other separators as they are.
    lines = enumerate(text.split("\n"), start=1)
    return [json_object(line, f"{name}:{number}") for number, line in lines if line.strip()]


def parsed(text: str, name: str) -> Any:
    """Parse JSON, or say which file is damaged and where."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{name}: not JSON (nested too deeply)") from error
    except ValueError as error:  # also for an integer of more digits than Python reads
        raise ValueError(f"{name}: not JSON ({error})") from error


def field(row: Mapping[str, Any], key: str, where: str) -> Any:
    """Return one field of a row, or say which row lacks it."""
    if key not in row:
        raise ValueError(f"{where}: no field {key!r}")
    return row[key]


def refuse_duplicates(ids: Iterable[Hashable], name: str) -> None:
    """Raise ValueError naming the ids that occur twice."""
    seen: set[Hashable] = set()
    twice = [value for value in ids if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
    if twice:
        raise ValueError(f"{name}: ids occur twice: {twice[:10]}")


def first_answer(replies: Sequence[str]) -> str | None:
    """Return the first reply that is no refused call: the published scripts ask until they get one.

    None where every call was refused.
    """
    return next((reply for reply in replies if reply != FAILED_CALL), None)
