"""What a guard's task found of one checkpoint, and where it lies in the folder of a run."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.console import messages
from harness.errors import DataError, in_words
from harness.files.atomic import write_text
from harness.files.digests import digest_of

FOLDER = "guard"
"""Below the folder of a run: a record and a journal of answers for each task."""


@dataclass(frozen=True)
class Ability:
    """One metric of a task, in the task's own scale."""

    value: float
    higher_is_better: bool
    stderr: float | None = None
    """Standard error, where lmms-eval gives one for this metric."""


@dataclass(frozen=True)
class Guarded:
    """The numbers of one task for one checkpoint."""

    task: str
    identity: Mapping[str, Any]
    """What decides them."""
    metrics: Mapping[str, Ability] = field(default_factory=dict)
    """Empty if the task failed."""
    items: int = 0
    failed: str | None = None
    """Why there are no numbers."""

    @property
    def setting(self) -> str:
        """What two records must share to be compared: all but the checkpoint."""
        shared = {key: value for key, value in self.identity.items() if key != "checkpoint"}
        return digest_of(shared, 12)


def record_path(run: Path, name: str) -> Path:
    """Return the file of a record, `<task>-<digest>.json`."""
    return run / FOLDER / f"{name}.json"


def journal_path(run: Path, name: str) -> Path:
    """Return the file of the answers that a record sums up."""
    return run / FOLDER / f"{name}.jsonl"


def write_record(file: Path, record: Guarded) -> None:
    """Write a record."""
    write_text(file, json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n")


def read_record(file: Path) -> Guarded:
    """Read a record.

    Raises:
        DataError: It is damaged.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
        metrics = {name: Ability(**one) for name, one in dict(found.pop("metrics")).items()}
        record = Guarded(**found, metrics=metrics)
        _require_numbers(record)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{file} is not a record of a guard's task ({in_words(error)}). Remove it; the same "
            "command makes it again."
        ) from error
    return record


def _require_numbers(record: Guarded) -> None:
    """Refuse what no table could show.

    Raises:
        ValueError: There is such a value.
        AttributeError: The identity is no object.
    """
    if not record.setting or not all(math.isfinite(one.value) for one in record.metrics.values()):
        raise ValueError("a value is no number")


def records_in(run: Path, faults: list[str] | None = None) -> list[Guarded]:
    """Return all records of a run's folder; one that is damaged is named and left out.

    Args:
        run: The folder.
        faults: Get the line that names it; without them it goes to stderr.
    """
    found = []
    for file in sorted((run / FOLDER).glob("*.json")):
        try:
            found.append(read_record(file))
        except DataError as error:
            if faults is None:
                messages.print(f"left out: {error}", markup=False)
            else:
                faults.append(f"{run.name}: left out: {error}")
    return found
