"""Read a file of recorded replies, and find out who replied."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.evaluation.answers.entries import Entry, NotJson, parse
from harness.evaluation.judging.recordings.forms import FORMS, HARNESS_ROW, OURS, find_form
from harness.evaluation.judging.recordings.said import Recording, Said
from harness.evaluation.scorecards import IDENTITY, REPLIES, SCORECARD, read_scorecard
from harness.identity.record import Record

ORACLE = "oracle (tiny world)"
_GRADER = re.compile(r"(gpt-?\d[\w.]*(?:-[\w.]+)*?)[-_](?:grade|review)", re.IGNORECASE)
"""A judge in the name of a file, as in llava-v1.5-7b_gpt-4-grade-3runs.json."""


def read_recording(path: Path) -> Recording:
    """Return what a file says, row by row.

    Raises:
        DataError: It is no file of replies; says where, and what is expected there.
    """
    heads, entries = _heads(_entries(path))
    if not entries:
        return Recording(path, OURS, [], tuple(heads))
    name = find_form(entries[0])
    form = FORMS[name]
    said = [form.read(entry) for entry in entries]
    judges = [*heads, *(judge for one in said for judge in one.judges)]
    recording = Recording(path, name, said, tuple(dict.fromkeys(judges)), unnamed=form.unnamed)
    return _named(recording)


def _entries(path: Path) -> list[Entry]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        reason = error.strerror or "it is not readable"
        raise DataError(f"{path}: cannot read the recorded replies ({reason}).") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: cannot read the recorded replies: line {line} is not UTF-8. Convert it, such "
            f"as with: iconv -f ENCODING -t UTF-8 {path.name}"
        ) from error
    if text.startswith("0 "):
        printed = enumerate(printed_replies(text, path))
        return [Entry(f"{path}, reply {place}", {"printed": reply}) for place, reply in printed]
    try:
        return parse(text, str(path))
    except NotJson as error:
        raise DataError(
            f"{path}:{error.line}: expected {HARNESS_ROW}, one in each line, and this is not JSON. "
            "Repair the line or remove it."
        ) from error


def printed_replies(text: str, path: Path) -> list[str]:
    """Return what eval_gpt_mmhal.py prints: each reply behind its number, then the averages.

    Raises:
        DataError: A number stands twice, so that nothing tells where a reply begins.
    """
    replies: list[list[str]] = []
    for place, line in enumerate(text.partition("\nAverage score: ")[0].split("\n"), 1):
        number, _, rest = line.partition(" ")
        if number == str(len(replies)):
            replies.append([rest])
        elif number == str(len(replies) - 1):
            raise DataError(
                f"{path}:{place}: the number {number} begins a line for the second time, so that "
                "nothing tells where the reply begins. Indent the line that is part of a reply."
            )
        else:
            replies[-1].append(line)
    return ["\n".join(lines) for lines in replies]


def _heads(entries: Sequence[Entry]) -> tuple[list[str], Sequence[Entry]]:
    """Take off a first row that only names the judge."""
    if not entries or set(entries[0].row) != {"judge"}:
        return [], entries
    judge: Any = entries[0].row["judge"]
    if not isinstance(judge, str):
        raise DataError(f"{entries[0].where}: 'judge' must be the name of a model.")
    return [judge], entries[1:]


def _named(recording: Recording) -> Recording:
    """Add who replied, from the run that the file belongs to or the file's own name."""
    path = recording.path
    if recording.form == OURS and path.name == REPLIES and (path.parent / IDENTITY).is_file():
        judge = Record.read(path.parent / IDENTITY).identity.get("judge", {})
        named = ORACLE if judge.get("kind") == "oracle" else judge.get("model")
        judges = recording.judges or ((named,) if named else ())
        return replace(recording, judges=judges, tagger=_tagger(path.parent / SCORECARD))
    found = _GRADER.search(path.name)
    if recording.judges or recording.form == OURS or found is None:
        return recording
    return replace(recording, judges=(found[1],))


def _tagger(scorecard: Path) -> str | None:
    """Return who tagged, as the scorecard of a judgement says."""
    if not scorecard.is_file():
        return None
    parts = read_scorecard(scorecard).judge.split("; ")
    named = (part.removeprefix("tagger: ") for part in parts if part.startswith("tagger: "))
    return next(named, None)


def by_id(recording: Recording) -> dict[Any, Said]:
    """Return the rows that name their sample.

    Raises:
        DataError: A sample stands twice.
    """
    found: dict[Any, Said] = {}
    for one in recording.said:
        if one.id in found:
            raise DataError(
                f"{one.where}: id {one.id!r} stands twice. Keep one row per sample; several runs "
                'stand in one as "runs": [[...], ...].'
            )
        if one.id is not None:
            found[one.id] = one
    return found
