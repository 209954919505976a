"""Fetch a dataset: every file that is not there yet, checked before it gets its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from filelock import Timeout

from harness.console import Tracker, messages, track
from harness.errors import DataError
from harness.files.atomic import write_text
from harness.files.digests import file_digest
from harness.files.locks import FileLock
from harness.upstream.archives import extract_member
from harness.upstream.catalogue import Dataset, Entry, Remote
from harness.upstream.content import image_entries, require_readable
from harness.upstream.literals import string_literal
from harness.upstream.record import GOOD, Record, state_of
from harness.upstream.transfer import Note, Unavailable, discard, settle

ARCHIVES = ".archives"
SHOWN = 10
"""Names of one folder in a message."""


class Source(Protocol):
    """Where files come from."""

    name: str

    def bring(self, remote: Remote, places: Sequence[str], partial: Path, note: Note) -> str:
        """Put the file at `partial` and return whence it came; raises Unavailable."""


@dataclass(frozen=True)
class Problem:
    """A file that did not come, and what to do about it."""

    path: Path
    what: str


def fetch(dataset: Dataset, data: Path, source: Source) -> list[Problem]:
    """Bring all files of a dataset below `data` and return what is still missing.

    What is there and right stays untouched; what arrived stays even if other files fail. Several
    processes may fetch at the same time: the second one waits and finds the files.
    """
    folder = data / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".fetch.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        messages.print(f"{folder}: another process fetches it; waiting.", markup=False)
        lock.acquire()
    try:
        return _Fetch(dataset, folder, source).run()
    finally:
        lock.release()


class _Fetch:
    """One pass over the files of one dataset, under its lock."""

    def __init__(self, dataset: Dataset, folder: Path, source: Source) -> None:
        self._dataset, self._folder, self._source = dataset, folder, source
        self._record = Record.read(folder)
        self._problems: list[Problem] = []
        self._failed: dict[str, str] = {}
        """Archives that could not be had, with the reason."""

    def run(self) -> list[Problem]:
        self._all(self._dataset.files, f"{self._dataset.name}, files")
        try:
            images = image_entries(self._dataset, self._folder)
        except DataError as error:
            self._problems.append(
                Problem(self._folder, f"its images are named by its questions: {error}")
            )
            return self._problems
        self._all(images, f"{self._dataset.name}, images")
        if not self._problems:
            self._drop_archives()
        return self._problems

    def _all(self, entries: Mapping[str, Entry], title: str) -> None:
        if not entries:
            return
        with track(title, total=len(entries)) as tracker:
            for path, entry in entries.items():
                try:
                    self._one(path, entry, tracker)
                except (DataError, OSError) as error:
                    self._problem(path, str(error))
                tracker.advance()

    def _one(self, path: str, entry: Entry, tracker: Tracker) -> None:
        state = state_of(self._dataset, path, entry, self._record)
        if state == "not pinned" and self._record.sha256(path) is None:
            self._record.add(path, "found in its place")
        if state in GOOD or entry.made_by is not None:
            return
        if entry.by_hand is not None:
            what = "It has changed since it was first seen. " if state == "changed" else ""
            self._problem(path, what + entry.by_hand)
        elif entry.literal is not None:
            self._write_literal(path, entry)
        else:
            self._bring(path, entry, tracker)

    def _bring(self, path: str, entry: Entry, tracker: Tracker) -> None:
        target = self._folder / path
        partial = target.with_name(f".{target.name}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        note = _noted(tracker, path)
        try:
            origin = self._arrive(entry, self._places(path, entry.mirror), partial, note)
        except Unavailable:
            if entry.inside is None:
                raise
            archive, whence = self._archive(entry.inside, tracker)
            extract_member(archive, entry.member or "", partial)
            _require_pinned(entry, partial, f"{entry.member} in {entry.inside}")
            origin = f"{entry.member} in {whence}"
        if entry.sha256 is None:
            try:
                require_readable(partial, target.name)
                _require_same_name(self._dataset, entry, origin)
            except DataError:
                discard(partial)
                raise
        settle(partial, target)
        self._record.add(path, origin)

    def _archive(self, name: str, tracker: Tracker) -> tuple[Path, str]:
        """Return an archive of the dataset, brought once, and whence it came."""
        if name in self._failed:
            raise Unavailable(self._failed[name])
        remote, target = self._dataset.archives[name], self._folder / ARCHIVES / name
        whence = remote.url or name
        if target.exists() and remote.sha256 in (None, file_digest(target)):
            return target, whence
        target.parent.mkdir(exist_ok=True)
        partial = target.with_name(f"{name}.partial")
        try:
            whence = self._arrive(remote, self._places(name), partial, _noted(tracker, name))
        except Unavailable as error:
            self._failed[name] = f"{name}: {error}"
            raise Unavailable(self._failed[name]) from error
        settle(partial, target)
        return target, whence

    def _arrive(self, remote: Remote, places: Sequence[str], partial: Path, note: Note) -> str:
        """Bring one published file and check it; a continued download gets a second chance."""
        continued = partial.exists()
        origin = self._source.bring(remote, places, partial, note)
        try:
            _require_pinned(remote, partial, origin)
        except Unavailable:
            discard(partial)
            if not continued:
                raise
            return self._arrive(remote, places, partial, note)
        return origin

    def _write_literal(self, path: str, entry: Entry) -> None:
        script = entry.inside or ""
        state = state_of(self._dataset, script, self._dataset.files[script], self._record)
        if state != "ok":
            raise Unavailable(f"it is read from {script}, which is not there")
        source = (self._folder / script).read_bytes()
        text = string_literal(source, entry.literal or "", script)
        write_text(self._folder / path, text)
        digest = self._record.sha256(script) or file_digest(self._folder / script)
        self._record.add(path, f"{entry.literal} in {script}", script_sha256=digest)

    def _places(self, path: str, stated: str | None = None) -> list[str]:
        """Return where a mirror may have a file: by folder of the dataset, or on its own."""
        name = PurePosixPath(path).name
        folders = (self._dataset.name, *self._dataset.mirror)
        places = [f"{folder}/{part}" for folder in folders for part in dict.fromkeys((path, name))]
        return [*([stated] if stated else []), *places]

    def _problem(self, path: str, what: str) -> None:
        self._problems.append(Problem(self._folder / path, what))

    def _drop_archives(self) -> None:
        """Free the disk of archives whose members all are here."""
        folder = self._folder / ARCHIVES
        for name in self._dataset.archives:
            (folder / name).unlink(missing_ok=True)
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def _require_pinned(remote: Remote, partial: Path, origin: str) -> None:
    if remote.sha256 is not None and (found := file_digest(partial)) != remote.sha256:
        raise Unavailable(
            f"{origin}: what arrived is not the published file: sha256 {found}, "
            f"{partial.stat().st_size} bytes; expected {remote.sha256}"
        )


def _require_same_name(dataset: Dataset, entry: Entry, origin: str) -> None:
    """Refuse the picture that a service shows in place of one that was removed."""
    if dataset.images is None or dataset.images.url_field is None or entry.url is None:
        return
    if PurePosixPath(origin).name != PurePosixPath(entry.url).name:
        raise Unavailable(f"{entry.url} now leads to {origin}; {dataset.images.otherwise}")


def _noted(tracker: Tracker, name: str) -> Note:
    def note(done: int, total: int | None) -> None:
        of = "" if total is None else f"/{total / 1e6:.1f}"
        tracker.advance(0, note=f"{name} {done / 1e6:.1f}{of} MB")

    return note


def report(problems: Sequence[Problem], wrong: Sequence[str] = ()) -> str:
    """Return the message about everything that is missing, equal reasons together, or wrong."""
    groups: dict[tuple[str, Path], list[str]] = {}
    for problem in problems:
        groups.setdefault((problem.what, problem.path.parent), []).append(problem.path.name)
    lines = [f"{len(problems)} files are missing; what was fetched stays."] if problems else []
    for (reason, folder), names in groups.items():
        shown = ", ".join(names[:SHOWN])
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        lines.append(f"  {folder}: {shown}{more}\n    {reason}")
    if problems:
        lines.append("Where each file comes from is shown by: python -m harness data list")
    lines += (f"not as published: {fault}" for fault in wrong)
    return printable("\n".join(lines))


def printable(text: str) -> str:
    """Return text from elsewhere without characters that control a terminal."""
    return "".join(char for char in text if char.isprintable() or char == "\n")
