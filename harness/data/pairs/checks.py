"""Check every pair once: what cannot be trained on is listed with its row and the reason."""

import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.errors import DataError
from harness.files.atomic import write_text, written
from harness.files.cache import cache_dir
from harness.files.digests import digest_of, text_digest
from harness.files.locks import FileLock

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

REPORT = "bad-rows.jsonl"
SUMMARY = "bad-rows-summary.json"
_VERSION = 2
"""Raise it when the same pairs are to be judged otherwise."""
_SHOWN = 20
_CHUNK_PAIRS = 256
_MAX_THREADS = 8

Advance = Callable[[int], object]
"""Told how many more pairs are done."""


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
        return f"{self.file} row {self.file_row}: {self.reason} (pair {self.pair_id!r})"


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
        """Return the counts: of all rows, of bad ones, by reason, and of shared pair ids."""
        found: dict[str, Any] = json.loads((self.folder / SUMMARY).read_text("utf-8"))
        return found

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
        """Stop when there are more bad rows than allowed.

        Raises:
            DataError: There are; the message shows the first ones and where the others are.
        """
        if self.bad <= allowed:
            return
        shown = [str(row) for row, _ in zip(self.bad_rows(), range(_SHOWN), strict=False)]
        if self.bad > _SHOWN:
            shown.append(f"and {self.bad - _SHOWN} more")
        listed = "\n  ".join(shown)
        raise DataError(
            f"{source}: {self.bad} of {self.summary()['pairs']} rows cannot be used, and "
            f"{allowed} may be left out. All are listed in {self.file}. Repair them, or leave "
            f"them out with --set data.max_bad_rows={self.bad}:\n  {listed}"
        )


def check_pairs(
    pairs: "Preferences",
    columns: frozenset[str] = frozenset(),
    advance: Advance = lambda pairs: None,
) -> CheckReport:
    """Check all pairs, or find the result of the same check in the cache.

    `columns` are those that a method needs; where the data have them, they must be finite numbers.
    """
    columns &= frozenset(pairs.columns)
    key = digest_of([_VERSION, pairs.digest, sorted(columns)], 24)
    folder = cache_dir() / "preferences" / "checks" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if (folder / SUMMARY).exists():
            advance(len(pairs))
        else:
            _check(pairs, sorted(columns), folder, advance)
    return CheckReport(folder)


def _check(
    pairs: "Preferences",
    columns: Sequence[str],
    folder: Path,
    advance: Advance,
) -> None:
    repeated, shared = _same_ids(pairs)
    numbers = {name: _not_finite(pairs, name) for name in columns}
    work = partial(_faults, pairs, numbers, repeated)
    starts = range(0, len(pairs), _CHUNK_PAIRS)
    reasons: Counter[str] = Counter()
    threads = min(_MAX_THREADS, len(os.sched_getaffinity(0)))
    # Images decode outside the interpreter's lock.
    pool = ThreadPoolExecutor(threads)
    try:
        with (
            written(folder / REPORT, one_writer=True) as part,
            part.open("w", encoding="utf-8") as report,
        ):
            for start, bad in zip(starts, pool.map(work, starts), strict=True):
                for row in bad:
                    report.write(row.model_dump_json() + "\n")
                    reasons[row.reason.partition(":")[0]] += 1
                advance(min(_CHUNK_PAIRS, len(pairs) - start))
    finally:
        pool.shutdown(cancel_futures=True)
    summary = {
        "source": str(pairs.source),
        "digest": pairs.digest,
        "pairs": len(pairs),
        "bad": reasons.total(),
        "reasons": dict(reasons.most_common()),
        "pair_ids_of_several_pairs": shared,
    }
    write_text(folder / SUMMARY, json.dumps(summary, indent=2))


def _faults(
    pairs: "Preferences",
    numbers: "dict[str, np.ndarray[Any, np.dtype[np.bool_]]]",
    repeated: dict[int, int],
    start: int,
) -> list[BadRow]:
    found = []
    for row in range(start, min(start + _CHUNK_PAIRS, len(pairs))):
        reasons = [f"{name} is no finite number" for name, bad in numbers.items() if bad[row]]
        if row in repeated:
            reasons.append("repeats {} row {}".format(*pairs.place(repeated[row])))
        reason = _fault(pairs, row) or next(iter(reasons), None)
        if reason:
            file, file_row = pairs.place(row)
            identity = pairs.pair_id(row)
            found.append(
                BadRow(row=row, file=file, file_row=file_row, pair_id=identity, reason=reason)
            )
    return found


def _fault(pairs: "Preferences", row: int) -> str | None:
    if reason := pairs.form_fault(row):
        return reason
    try:
        pair = pairs[row]
    except DataError as error:
        return f"unreadable image: {error}"
    return pair.fault()


def _not_finite(pairs: "Preferences", name: str) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    bad = np.zeros(len(pairs), dtype=bool)
    for row, value in enumerate(pairs.values(name)):
        try:
            bad[row] = value is None or not math.isfinite(float(value))
        except ValueError:
            bad[row] = True
    return bad


def _same_ids(pairs: "Preferences") -> tuple[dict[int, int], int]:
    """Return which rows repeat which earlier pair, and how many ids stand for several pairs.

    An id alone says little: data sets that were put together number their parts anew. Ids are
    compared by 8 bytes of their hash first, so that a million need little memory.
    """
    hashes = np.fromiter(
        (_hash(identity) for identity in pairs.values("idx")), dtype=np.uint64, count=len(pairs)
    )
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    rows = sorted({int(order[i]) for at in same for i in (at, at + 1)})
    first: dict[str, int] = {}
    repeated: dict[int, int] = {}
    ids: Counter[str] = Counter()
    for row in rows:
        text = "\0".join([pairs.pair_id(row), *pairs.texts(row)])
        earlier = first.setdefault(text_digest(text), row)
        if earlier != row:
            repeated[row] = earlier
        else:
            ids[pairs.pair_id(row)] += 1
    return repeated, sum(count > 1 for count in ids.values())


def _hash(identity: str) -> int:
    return int(text_digest(identity, digits=16), 16)
