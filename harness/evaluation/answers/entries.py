"""Entries of a file of answers, whatever its format: JSON lists, JSONL, and objects of answers."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.types import Response
from harness.errors import DataError
from harness.llm.messages import well_formed

FIELDS = frozenset(
    {"id", "response", "doc_id", "question_id", "image_id", "text", "answer", "model_answer"}
    | {"replies", "runs", "judge", "choices", "gpt4_review"}
)
"""An object with any of these is one answer, or replies about one; another is all by id."""
PROMPTS = ("prompt", "question", "raw_question", "query")
"""Fields in which programs repeat what they asked."""
SHOWN = 60
"""Characters of an id in a message."""


class NotJson(DataError):
    """A file that holds no JSON, or a line of it; `line` counts from 1."""

    def __init__(self, told: str, line: int) -> None:
        super().__init__(told)
        self.line = line


@dataclass(frozen=True)
class Entry:
    """One answer as it stands in the file."""

    where: str
    """File and place in it, for messages."""
    row: Mapping[str, Any]


def parse(text: str, source: str) -> list[Entry]:
    """Return the entries of a JSON list, of JSONL, or of one JSON object of answers by id.

    Raises:
        DataError: The text is none of them.
    """
    try:
        whole = _loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("["):
            line = getattr(error, "lineno", 1)
            raise NotJson(f"{source}: not JSON ({_reason(error)})", line) from error
        # Not splitlines(): a JSON string may hold U+2028 and other separators as they are.
        lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
        rows = [(f"{source}:{number}", _line(line, source, number)) for number, line in lines]
    else:
        if isinstance(whole, dict) and FIELDS.isdisjoint(whole):
            whole = [{"id": key, "answer of": value} for key, value in whole.items()]
            rows = [(f"{source}, id {row['id'][:SHOWN]!r}", row) for row in whole]
        elif isinstance(whole, list):
            rows = [(f"{source}, entry {place}", value) for place, value in enumerate(whole, 1)]
        else:
            rows = [(f"{source}:1", whole)]
    return [Entry(where, _object(row, where)) for where, row in rows]


def _loads(text: str) -> Any:
    """Parse JSON; two answers under one key are an error, not the second of them."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"the key {twice[:40]!r} stands twice")
        return row

    return json.loads(text, object_pairs_hook=unique)


def _line(line: str, source: str, number: int) -> Any:
    try:
        return _loads(line)
    except (ValueError, RecursionError) as error:
        raise NotJson(f"{source}:{number}: not JSON ({_reason(error)})", number) from error


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _object(row: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(row).__name__}.")
    return row


def shown_fields(row: Mapping[str, Any]) -> str:
    """Name the fields of an entry, for messages; those of an answer under its id are its own."""
    inner = row.get("answer of", row)
    names = list(inner)[:8] if isinstance(inner, dict) else [row["id"]]
    return ", ".join(repr(name)[:40] for name in names) or "no field"


def value_of(entry: Entry, *keys: str) -> Any:
    """Return the first of the fields that is there, also from `metainfos`."""
    inner = entry.row.get("metainfos")
    rows = (entry.row, inner) if isinstance(inner, dict) else (entry.row,)
    for row in rows:
        for key in keys:
            if key in row:
                return row[key]
    expected = " or ".join(repr(key) for key in keys)
    raise DataError(
        f"{entry.where}: expected a field {expected}, as entries of this format have. Complete the "
        "entry, or name another format with --format."
    )


def response_of(entry: Entry, sample_id: Any, text: Any) -> Response:
    """Return a response, or say what is wrong with its id or its text.

    A lone surrogate, which no file can hold, becomes U+FFFD.
    """
    if isinstance(sample_id, bool) or not isinstance(sample_id, str | int):
        raise DataError(f"{entry.where}: the id must be text or an integer.")
    if not isinstance(text, str):
        raise DataError(
            f"{entry.where}: the response must be text, found {type(text).__name__}. "
            'An empty answer is "".'
        )
    return Response(sample_id, well_formed(text), prompt_of(entry))


def prompt_of(entry: Entry) -> str | None:
    """Return what the entry says that was asked."""
    value = next((entry.row[key] for key in PROMPTS if entry.row.get(key)), None)
    return value if isinstance(value, str) else None
