"""What every kind of file is read as."""

from dataclasses import dataclass, field
from typing import Any, Literal

BATCH_ROWS = 64
"""Few, since a row holds an image."""

Kind = Literal["parquet", "arrow", "jsonl", "json", "csv", "tar"]


@dataclass(frozen=True)
class Record:
    """One row as it stands in its file."""

    row: int
    """In its file, from zero; of a JSONL file the line."""
    values: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None
    """Why it could not be read at all."""
