"""Check every pair once: what cannot be trained on is listed with its row and the reason.

What is found is remembered by the contents of the data, wherever these lie; the report tells it
with the names that the files have.
"""

import heapq
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.data.pairs.repeats import Counts, find_repeats
from harness.data.pairs.report import REPORT, SUMMARY, BadRow, CheckReport
from harness.data.pairs.texts import Texts
from harness.errors import DataError
from harness.files.atomic import write_text, written
from harness.files.cache import cache_dir
from harness.files.digests import digest_of
from harness.files.locks import FileLock

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

_VERSION = 3
"""Raise it when the same pairs are to be judged otherwise."""
_CHUNK_PAIRS = 256
_MAX_THREADS = 8

Advance = Callable[[int], object]
"""Told how many more pairs are done."""


class Reader(Protocol):
    """A model's tokenizer, as far as it decides which pairs can be trained on."""

    @property
    def digest(self) -> str:
        """Hash of all that decides."""
        ...

    def faults(self, texts: Iterable[Texts]) -> Iterator[str | None]:
        """Yield for each pair why it cannot be trained on, or None."""
        ...


class _Fault(BaseModel):
    """A row that cannot be used, whatever its file is called."""

    model_config = ConfigDict(frozen=True)

    row: int
    reason: str
    repeats: int | None = None
    """The earlier row that it repeats."""


@dataclass(frozen=True)
class _Found:
    """A file of faults in row order, one JSON object per line after one of counts."""

    file: Path

    @property
    def counts(self) -> Counts:
        """What is only counted."""
        with self.file.open(encoding="utf-8") as lines:
            return Counts.model_validate_json(next(lines))

    def faults(self) -> Iterator[_Fault]:
        """Read them."""
        with self.file.open(encoding="utf-8") as lines:
            next(lines)
            yield from map(_Fault.model_validate_json, lines)


def check_pairs(
    pairs: "Preferences",
    columns: frozenset[str] = frozenset(),
    advance: Advance = lambda pairs: None,
    reader: Reader | None = None,
) -> CheckReport:
    """Check all pairs, or find the result of the same check in the cache.

    Args:
        pairs: The pairs.
        columns: Those that a method needs; where the data have them, they must be finite numbers.
        advance: Told how many more pairs are done; of every pair twice where there is a `reader`.
        reader: The tokenizer of the model that is to be trained, where it is known.
    """
    columns &= frozenset(pairs.columns)
    parts = [_VERSION, pairs.digest, sorted(columns)]
    # What leads out of the data's folder does so by links, which are no contents.
    if outside := pairs.paths_leading_out():
        parts.append(outside)
    key = digest_of(parts, 24)
    known = partial(advance, len(pairs))
    found = [_remembered(key, partial(_look, pairs, sorted(columns), advance), known)]
    if reader is not None:
        key = digest_of([key, reader.digest], 24)
        found.append(_remembered(key, partial(_read, pairs, found[0], reader, advance), known))
    return _reported(pairs, key, found)


def _remembered(key: str, look: Callable[[Path], None], known: Callable[[], object]) -> _Found:
    """Return what `look` finds and writes to a file; `known` is told where that was done before."""
    file = cache_dir() / "preferences" / "checks" / f"{key}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if file.exists():
            known()
        else:
            with written(file, one_writer=True) as part:
                look(part)
    return _Found(file)


def _reported(pairs: "Preferences", key: str, found: Sequence[_Found]) -> CheckReport:
    """Write the report with the names of the data and of its files, unless it is there."""
    names = digest_of([str(pairs.source), *pairs.file_names], 8)
    folder = cache_dir() / "preferences" / "checks" / names / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / SUMMARY).exists():
            _report(pairs, found, folder)
    return CheckReport(folder)


def _report(pairs: "Preferences", found: Sequence[_Found], folder: Path) -> None:
    reasons: Counter[str] = Counter()
    with (
        written(folder / REPORT, one_writer=True) as part,
        part.open("w", encoding="utf-8") as report,
    ):
        for fault in heapq.merge(*(one.faults() for one in found), key=attrgetter("row")):
            row = _bad_row(pairs, fault)
            report.write(row.model_dump_json() + "\n")
            reasons[row.reason.partition(":")[0]] += 1
    summary = {
        "source": str(pairs.source),
        "digest": pairs.digest,
        "pairs": len(pairs),
        "bad": reasons.total(),
        "reasons": dict(reasons.most_common()),
        "pair_ids_of_several_pairs": found[0].counts.shared_ids,
        "pairs_of_several_sources": found[0].counts.across_sources,
        "near_duplicates": found[0].counts.near,
        "responses_that_hardly_differ": found[0].counts.hardly_different,
    }
    write_text(folder / SUMMARY, json.dumps(summary, indent=2))


def _bad_row(pairs: "Preferences", fault: _Fault) -> BadRow:
    file, file_row = pairs.place(fault.row)
    reason = fault.reason
    if fault.repeats is not None:
        reason = "repeats {} row {}".format(*pairs.place(fault.repeats))
    identity = pairs.pair_id(fault.row)
    return BadRow(row=fault.row, file=file, file_row=file_row, pair_id=identity, reason=reason)


def _look(pairs: "Preferences", columns: Sequence[str], advance: Advance, target: Path) -> None:
    repeats = find_repeats(pairs)
    numbers = {name: _not_finite(pairs, name) for name in columns}
    work = partial(_faults, pairs, numbers, repeats.of)
    starts = range(0, len(pairs), _CHUNK_PAIRS)
    threads = min(_MAX_THREADS, len(os.sched_getaffinity(0)))
    # Images decode outside the interpreter's lock.
    pool = ThreadPoolExecutor(threads)
    try:
        with target.open("w", encoding="utf-8") as lines:
            lines.write(f"{repeats.counts.model_dump_json()}\n")
            for start, bad in zip(starts, pool.map(work, starts), strict=True):
                lines.writelines(f"{fault.model_dump_json()}\n" for fault in bad)
                advance(min(_CHUNK_PAIRS, len(pairs) - start))
    finally:
        pool.shutdown(cancel_futures=True)


def _read(
    pairs: "Preferences", found: _Found, reader: Reader, advance: Advance, target: Path
) -> None:
    """Write what else is at fault for a model."""
    known = {fault.row for fault in found.faults()}
    advance(len(known))
    rows = [row for row in range(len(pairs)) if row not in known]
    reasons = reader.faults(pairs.texts(row) for row in rows)
    with target.open("w", encoding="utf-8") as lines:
        lines.write(f"{Counts().model_dump_json()}\n")
        for row, reason in zip(rows, reasons, strict=True):
            if reason:
                lines.write(f"{_Fault(row=row, reason=reason).model_dump_json()}\n")
            advance(1)


def _faults(
    pairs: "Preferences",
    numbers: "dict[str, np.ndarray[Any, np.dtype[np.bool_]]]",
    repeated: dict[int, int],
    start: int,
) -> list[_Fault]:
    found = []
    for row in range(start, min(start + _CHUNK_PAIRS, len(pairs))):
        reasons = (f"{name} is no finite number" for name, bad in numbers.items() if bad[row])
        if reason := _fault(pairs, row) or next(reasons, None):
            found.append(_Fault(row=row, reason=reason))
        elif row in repeated:
            found.append(_Fault(row=row, reason="repeats another row", repeats=repeated[row]))
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
