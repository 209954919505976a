"""What was answered to one question by all models, and how each answer counts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from benchmarks.plurals import IRREGULAR, SUFFIXES
from benchmarks.types import SampleId
from harness.errors import DataError, in_words
from harness.evaluation.scorecards import ITEMS, REPLIES
from harness.files.jsonlines import JsonLines, Row
from harness.report.judgements import Judged

State = Literal["good", "bad", "part", "none"]
"""`part`: graded between the two; `none`: not scored, or scored in a way that has no better."""

_WORD = re.compile(r"\w+")
_MOST = 1e6


@dataclass(frozen=True)
class Verdict:
    """How an answer counts."""

    state: State
    told: str
    """In words."""
    value: float | None = None
    """Higher is better, comparable between answers to one question."""
    hallucinated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """One model's answer to one question."""

    text: str
    verdict: Verdict
    marks: tuple[tuple[int, int], ...] = ()
    """Where hallucinated objects stand in the text: begin and end, in UTF-16 units as JavaScript
    counts them."""
    replies: tuple[str, ...] = ()
    """What the judge said."""


@dataclass
class Item:
    """One question with the answers to it."""

    benchmark: str
    world: int
    id: SampleId
    question: str
    types: tuple[str, ...]
    answers: dict[int, Answer] = field(default_factory=dict)
    """By the number of the model."""

    @property
    def link(self) -> str:
        """What the address of the item ends with; the same in every report."""
        world = f"@world{self.world}" if self.world else ""
        return f"{self.benchmark}{world}/{self.id}"


def read_items(
    judged: Sequence[tuple[int, int, Judged]], faults: list[str]
) -> dict[tuple[int, str], list[Item]]:
    """Join the answers to each question.

    Args:
        judged: Number and world of a model, and one of its judgements.
        faults: Get a line for every judgement whose items cannot be read.

    Returns:
        The items by world and benchmark, in the order of the benchmark's own file.
    """
    found: dict[tuple[int, str], dict[SampleId, Item]] = {}
    for model, world, one in judged:
        name = one.card.benchmark
        try:
            rows = list(_answers(one.folder))
        except DataError as error:
            faults.append(unreadable(one, error))
            continue
        items = found.setdefault((world, name), {})
        for row, answer in rows:
            key = row["id"]
            item = items.setdefault(key, Item(name, world, key, row["question"], _types(row)))
            item.answers[model] = answer
    return {key: list(items.values()) for key, items in found.items()}


def unreadable(judged: Judged, error: DataError) -> str:
    """Say that the items of a judgement are damaged."""
    run = judged.folder.parents[1].name
    return f"{run}: answers to {judged.card.benchmark} are not shown: {error}"


def responses_in(folder: Path) -> list[str]:
    """Return the answers of a judgement.

    Raises:
        DataError: Its items are damaged.
    """
    return [row["response"] for row in _rows(folder / ITEMS, "response", str)]


def _answers(folder: Path) -> Iterator[tuple[Row, Answer]]:
    replies = {row["id"]: row for row in _rows(folder / REPLIES, "replies", list)}
    for row in _rows(folder / ITEMS, "response", str):
        verdict = verdict_of(row)
        text = row["response"]
        said = replies.get(row["id"], {}).get("replies", ())
        yield row, Answer(text, verdict, marks(text, verdict.hallucinated), tuple(map(str, said)))


def _rows(file: Path, key: str, kind: type) -> list[Row]:
    """Return the rows of a file that is complete, each with an id and a value of a kind.

    Raises:
        DataError: It is damaged.
    """
    try:
        whole = not file.exists() or file.read_bytes()[-1:] in (b"", b"\n")
        rows = JsonLines(file).read()
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is damaged ({in_words(error)}).") from error
    if not whole:
        raise DataError(f"{file} is damaged (its last line is cut off).")
    for place, row in enumerate(rows, start=1):
        known = isinstance(row.get("id"), str | int) and isinstance(row.get(key), kind)
        if not known or (file.name == ITEMS and not isinstance(row.get("question"), str)):
            raise DataError(f"{file} is damaged (row {place} is of another kind).")
    return rows


def _types(row: Row) -> tuple[str, ...]:
    """Return what the item counts towards: several capabilities, or one category."""
    score = row.get("score")
    several = score.get("capabilities") if isinstance(score, Mapping) else None
    if isinstance(several, list) and several:
        return tuple(map(str, several))
    return (str(row["category"]),) if row.get("category") else ()


def verdict_of(row: Row) -> Verdict:
    """Say how the item of a row counts, by the forms that the benchmarks' scores have."""
    if "unscored" in row:
        return Verdict("none", f"unscored: {row['unscored']}")
    score = row.get("score")
    if not isinstance(score, Mapping):
        return Verdict("none", "" if score is None else str(score))
    if isinstance(words := score.get("hallucinated"), list):
        names = tuple(dict.fromkeys(map(str, words)))
        told = f"hallucinated: {', '.join(names)}" if names else "no hallucination"
        return Verdict("bad" if names else "good", told, float(not names), names)
    if isinstance(verdict := score.get("verdict"), str):
        good = verdict in ("right", "no hallucination")
        rating = f", rated {score['rating']}" if "rating" in score else ""
        return Verdict("good" if good else "bad", f"{verdict}{rating}", float(good))
    runs = score.get("runs") if isinstance(score.get("runs"), list) else [score]
    return _graded(runs or [])


def _graded(runs: Sequence[Any]) -> Verdict:
    """Say what the judge gave, in the mean over its runs: from 0 to 1, or beside a reference."""
    if runs and all(map(_is_grade, runs)):
        grade = fmean(runs)
        state: State = "good" if grade >= 1 else "part" if grade > 0 else "bad"
        return Verdict(state, f"graded {grade:.4g} of 1", grade)
    pairs = [
        (one["model"], one["reference"])
        for one in runs
        if isinstance(one, Mapping)
        and _is_grade(one.get("model"))
        and _is_grade(one.get("reference"))
    ]
    if not pairs:
        return Verdict("none", "; ".join(map(str, runs)))
    ours, theirs = (fmean(side) for side in zip(*pairs, strict=True))
    state = "good" if ours >= theirs else "part" if ours > 1 else "bad"
    return Verdict(state, f"graded {ours:.4g}, the reference {theirs:.4g}", ours)


def _is_grade(value: object) -> bool:
    """Whether a value is a number of a size that a judge may give: not NaN, not of 400 digits."""
    return isinstance(value, int | float) and abs(value) <= _MOST


def marks(text: str, words: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return where words of a text, or their plurals, stand in it.

    Offsets count UTF-16 units, which are what a browser cuts text by.
    """
    if not words:
        return ()
    wanted = [tuple(one.lower().split()) for one in words]
    tokens = [(found.start(), found.end(), _forms(found[0])) for found in _WORD.finditer(text)]
    found: list[tuple[int, int]] = []
    for place in range(len(tokens)):
        for parts in wanted:
            here = tokens[place : place + len(parts)]
            if parts and len(here) == len(parts) and _match(parts, here):
                found.append((_units(text[: here[0][0]]), _units(text[: here[-1][1]])))
                break
    return tuple(found)


def _match(parts: Sequence[str], tokens: Sequence[tuple[int, int, frozenset[str]]]) -> bool:
    return all(part in forms for part, (_, _, forms) in zip(parts, tokens, strict=True))


def _forms(word: str) -> frozenset[str]:
    """Return a word in lower case, and what it may be the plural of."""
    low = word.lower()
    stems = {low.removesuffix(end) + of for end, of in SUFFIXES if low.endswith(end)}
    return frozenset({low, low.removesuffix("es"), IRREGULAR.get(low, low), *stems})


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
