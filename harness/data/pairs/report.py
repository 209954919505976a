"""The report of a check: every bad row with its file and the reason, and the counts."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.errors import DataError

REPORT = "bad-rows.jsonl"
SUMMARY = "bad-rows-summary.json"
_SHOWN = 20
_LONG_ID = 80


class BadRow(BaseModel):
    """A line of the report."""

    model_config = ConfigDict(frozen=True)

    row: int
    """Among the selected rows."""
    file: str
    file_row: int
    """In its file, from zero."""
    pair_id: str
    reason: str

    def __str__(self) -> str:
        identity = (
            self.pair_id if len(self.pair_id) <= _LONG_ID else f"{self.pair_id[:_LONG_ID]}..."
        )
        return f"{self.file} row {self.file_row}: {self.reason} (pair {identity!r})"


@dataclass(frozen=True)
class CheckReport:
    """Where the result of a check lies: the report and its summary in one folder."""

    folder: Path

    @property
    def file(self) -> Path:
        """One JSON object per bad row, in row order."""
        return self.folder / REPORT

    @property
    def bad(self) -> int:
        """How many rows are bad."""
        return int(self.summary()["bad"])

    def summary(self) -> dict[str, Any]:
        """Return the counts: of all rows, of bad ones, by reason, and of what repeats."""
        found: dict[str, Any] = json.loads((self.folder / SUMMARY).read_text("utf-8"))
        return found

    def notes(self) -> list[str]:
        """Say what is counted and not refused."""
        summary = self.summary()
        told = {
            "pairs_of_several_sources": "pairs stand in an earlier source too",
            "near_duplicates": "pairs differ from an earlier one only in space or a full stop",
            "responses_that_hardly_differ": "pairs have responses that differ only so",
        }
        return [f"{summary[name]:,} {words}" for name, words in told.items() if summary.get(name)]

    def bad_rows(self) -> Iterator[BadRow]:
        """Read the report."""
        with self.file.open(encoding="utf-8") as lines:
            yield from map(BadRow.model_validate_json, lines)

    def copy_to(self, folder: Path) -> "CheckReport":
        """Copy report and summary into a folder and return the copy."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (REPORT, SUMMARY):
            shutil.copyfile(self.folder / name, folder / name)
        return CheckReport(folder)

    def refuse_more_than(self, allowed: int, source: object) -> None:
        """Stop when there are more bad rows than allowed, or no other ones.

        Raises:
            DataError: So it is; the message shows the first ones and where the others are.
        """
        pairs = self.summary()["pairs"]
        if self.bad <= allowed and self.bad < pairs:
            return
        shown = [str(row) for row, _ in zip(self.bad_rows(), range(_SHOWN), strict=False)]
        if self.bad > _SHOWN:
            shown.append(f"and {self.bad - _SHOWN} more")
        listed = "\n  ".join(shown)
        if self.bad <= allowed:
            raise DataError(
                f"{source}: all {pairs} rows cannot be used, so that nothing is left. All are "
                f"listed in {self.file}. Repair them:\n  {listed}"
            )
        raise DataError(
            f"{source}: {self.bad} of {pairs} rows cannot be used, and {allowed} may be left out. "
            f"All are listed in {self.file}. Repair them, or leave them out with "
            f"--set data.max_bad_rows={self.bad}:\n  {listed}"
        )
