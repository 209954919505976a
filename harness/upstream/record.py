"""What was fetched, and whether a file on disk is what it should be."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import DataError, in_words
from harness.files.atomic import write_text
from harness.files.digests import file_digest
from harness.upstream.catalogue import Dataset, Entry
from harness.upstream.literals import string_literal

RECORD = "fetched.json"

State = Literal["ok", "not pinned", "changed", "wrong hash", "missing", "by hand", "to be made"]
"""`not pinned`: it is there, nobody published its hash, and it did not change since its fetch."""
GOOD: frozenset[State] = frozenset({"ok", "not pinned"})


@dataclass
class Record:
    """fetched.json of a dataset's folder: by path the hash, the size and whence it came."""

    folder: Path
    rows: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read the record of a folder; it is empty where nothing was fetched yet.

        Raises:
            DataError: The file is damaged.
        """
        path = folder / RECORD
        if not path.exists():
            return cls(folder, {})
        try:
            rows = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: not readable ({in_words(error)}). Delete it and fetch again."
            ) from error
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            raise DataError(f"{path}: not a record of fetched files. Delete it and fetch again.")
        return cls(folder, rows)

    def add(self, path: str, origin: str, **more: str) -> None:
        """Write down a file that arrived."""
        target = self.folder / path
        row = {
            "sha256": file_digest(target),
            "bytes": target.stat().st_size,
            "from": origin,
            **more,
        }
        self.rows[path] = row
        write_text(self.folder / RECORD, json.dumps(self.rows, indent=1, ensure_ascii=False))

    def sha256(self, path: str) -> str | None:
        """Return the hash that the file had when it arrived."""
        value = self.rows.get(path, {}).get("sha256")
        return value if isinstance(value, str) else None


def state_of(
    dataset: Dataset, path: str, entry: Entry, record: Record, place: Path | None = None
) -> State:
    """Compare one file with the catalogue, or where that knows no hash with the record.

    Args:
        dataset: Whose file it is.
        path: Its published path below the dataset's folder.
        entry: What the catalogue says about it.
        record: What was fetched.
        place: Where it lies, if not at its path.
    """
    target = place or record.folder / path
    if not target.is_file():
        if entry.made_by is not None:
            return "to be made"
        return "missing" if entry.by_hand is None else "by hand"
    if entry.literal is not None:
        return _state_of_literal(dataset, path, entry, record)
    if entry.sha256 is not None:
        return "ok" if file_digest(target) == entry.sha256 else "wrong hash"
    known = record.sha256(path)
    return "not pinned" if known in (None, file_digest(target)) else "changed"


def _state_of_literal(dataset: Dataset, path: str, entry: Entry, record: Record) -> State:
    """A text from a script is right if the script is and still holds it."""
    script = entry.inside or ""
    if state_of(dataset, script, dataset.files[script], record) != "ok":
        known = record.sha256(path)
        return "not pinned" if known in (None, file_digest(record.folder / path)) else "changed"
    source = (record.folder / script).read_bytes()
    text = string_literal(source, entry.literal or "", script)
    return "ok" if (record.folder / path).read_bytes() == text.encode() else "wrong hash"
