"""Compare a data folder with the catalogue and count what it holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.upstream.catalogue import Dataset, Entry
from harness.upstream.checks import CHECKS
from harness.upstream.content import image_entries, read_samples
from harness.upstream.reading import place_of
from harness.upstream.record import GOOD, Record, State, state_of


@dataclass(frozen=True)
class Finding:
    """One line of the report: a file, all images together, or something counted."""

    dataset: str
    what: str
    state: str
    ok: bool
    note: str = ""
    """Where the file must lie, or what to do."""


def verify(dataset: Dataset, data: Path) -> list[Finding]:
    """Return findings about every file, the images and the counts of one dataset.

    Nothing is written and nothing fetched. A missing file that a command computes is no fault.
    """
    folder = data / dataset.name
    try:
        record = Record.read(folder)
    except DataError as error:
        return [Finding(dataset.name, "fetched.json", "damaged", ok=False, note=str(error))]
    findings = [_file(dataset, path, entry, record) for path, entry in dataset.files.items()]
    if dataset.name not in CHECKS:
        return findings
    try:
        return [*findings, *_images(dataset, record), *_counts(dataset, folder)]
    except DataError as error:
        return [*findings, Finding(dataset.name, "content", "not checked", False, str(error))]


def _file(dataset: Dataset, path: str, entry: Entry, record: Record) -> Finding:
    is_benchmark = dataset.name in CHECKS
    place = place_of(record.folder, path) if is_benchmark else record.folder / path
    try:
        state = state_of(dataset, path, entry, record, place)
    except OSError as error:
        return Finding(dataset.name, path, "not readable", ok=False, note=str(error))
    note = _note(place, entry, state)
    return Finding(dataset.name, path, state, state in GOOD or state == "to be made", note)


def _note(target: Path, entry: Entry, state: State) -> str:
    notes: Mapping[State, str] = {
        "to be made": f"with: {entry.made_by}; goes to {target}",
        "by hand": f"{entry.by_hand}; goes to {target}",
        "missing": f"goes to {target}",
        "wrong hash": f"fetch it again; {target}",
        "changed": f"not what was fetched, see fetched.json; {target}",
    }
    return notes.get(state, "")


def _images(dataset: Dataset, record: Record) -> list[Finding]:
    """Return one finding about all images together; none where they come with the questions."""
    entries = image_entries(dataset, record.folder)
    if not entries:
        return []
    states: Counter[str] = Counter()
    bad: list[str] = []
    for path, entry in entries.items():
        state = state_of(dataset, path, entry, record)
        states[state] += 1
        if state not in GOOD:
            bad.append(path)
    found = ", ".join(f"{count} {state}" for state, count in states.items())
    advice = next((e.by_hand for e in entries.values() if e.by_hand), "fetch them")
    note = (
        f"{_some(bad)}: {advice}; they go to {record.folder / Path(bad[0]).parent}" if bad else ""
    )
    return [Finding(dataset.name, f"{len(entries)} images", found, not bad, note)]


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


def _counts(dataset: Dataset, folder: Path) -> list[Finding]:
    def finding(what: str, expected: Any, found: Any, ok: bool) -> Finding:
        note = "" if ok else f"expected {expected}"
        return Finding(dataset.name, what, str(found), ok, note)

    checks = CHECKS[dataset.name](read_samples(dataset, folder))
    return [finding(check.what, check.expected, check.found, check.ok) for check in checks]


def faults(dataset: Dataset, data: Path, *, complete: bool) -> list[str]:
    """Return in words what the counts of a fetched dataset say against it.

    Args:
        dataset: What was fetched.
        data: Folder of all datasets.
        complete: Whether all files came; if not, unreadable samples are no news.
    """
    if dataset.name not in CHECKS:
        return []
    try:
        counts = _counts(dataset, data / dataset.name)
    except DataError as error:
        return [str(error)] if complete else []
    return [f"{dataset.name}: {row.what}: {row.state}, {row.note}" for row in counts if not row.ok]
