"""Forms of recorded replies: ours, and those that the published scripts leave behind.

A form is told by the fields of its first entry, never by the name of the file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.types import FAILED_CALL
from harness.errors import DataError
from harness.evaluation.answers.entries import Entry, shown_fields
from harness.evaluation.judging.recordings.rows import (
    Completion,
    Grade,
    HarnessRow,
    Merged,
    Review,
    checked,
    texts,
)
from harness.evaluation.judging.recordings.said import Said

OURS = "harness"


@dataclass(frozen=True)
class Form:
    """One way to write replies down."""

    title: str
    fits: Callable[[Mapping[str, Any]], bool]
    """Tells the form from the fields of an entry."""
    read: Callable[[Entry], Said]
    unnamed: str = "an unnamed judge"
    """Words for whoever replied where nobody is named."""


def find_form(entry: Entry) -> str:
    """Return the name of the form of an entry.

    Raises:
        DataError: It fits none.
    """
    found = next((name for name, form in FORMS.items() if form.fits(entry.row)), None)
    if found is None:
        known = "\n".join(f"  {name}: {form.title}" for name, form in FORMS.items())
        raise DataError(
            f"{entry.where}: expected {HARNESS_ROW}, or another known form, and the first entry "
            f"has {shown_fields(entry.row)}. Known forms:\n{known}"
        )
    return found


HARNESS_ROW = '{"id": ..., "replies": [...]} or {"id": ..., "runs": [[...], ...]}'


def harness_row(entry: Entry) -> Said:
    """Read a row of ours; `replies` that are no list are one reply, also within `runs`."""
    row = checked(HarnessRow, entry, entry.row, HARNESS_ROW)
    if (row.replies is None) == (row.runs is None):
        raise DataError(f"{entry.where}: expected {HARNESS_ROW}: one of 'replies' and 'runs'.")
    runs = [row.replies or []] if row.runs is None else row.runs
    return Said(entry.where, row.id, tuple(map(tuple, runs)), row.tagged, tuple(row.judge))


def llava_review(entry: Entry) -> Said:
    """Read a line of LLaVA's reviews; its category is one of rule.json's names."""
    row = checked(Review, entry, entry.row, '{"question_id", "category", "content"}')
    category = None if row.category is None else row.category.removeprefix("llava_bench_")
    return Said(entry.where, row.question_id, (texts([row.content]),), category=category)


def mm_vet_grade(entry: Entry) -> Said:
    """Read the grades of one answer, the last reply of each run."""
    row = checked(Grade, entry, entry.row["answer of"], '{"model": [...], "content": [...]}')
    runs = tuple((reply,) for reply in row.content)
    return Said(entry.where, entry.row["id"], runs, judges=tuple(row.model))


def chat_completion(entry: Entry) -> Said:
    """Read a chat endpoint's answer; an error in its place is a refused call."""
    if "error" in entry.row and "choices" not in entry.row:
        return Said(entry.where, None, ((FAILED_CALL,),))
    row = checked(Completion, entry, entry.row, '{"model", "choices": [{"message"}]}')
    if not row.choices:
        raise DataError(f"{entry.where}: there is no choice in this chat completion.")
    replies = texts([row.choices[0].message.content])
    return Said(entry.where, None, (replies,), judges=(row.model,))


def merged_review(entry: Entry) -> Said:
    """Read a question with answer and review."""
    row = checked(Merged, entry, entry.row, '{"question", "model_answer", "gpt4_review"}')
    return Said(entry.where, None, (texts([row.gpt4_review]),), question=row.question)


def printed(entry: Entry) -> Said:
    """Read a reply that was printed, in the order of the questions."""
    return Said(entry.where, None, ((entry.row["printed"],),))


def _is_grade(row: Mapping[str, Any]) -> bool:
    graded = row.get("answer of")
    return isinstance(graded, dict) and "content" in graded


FORMS = {
    OURS: Form(
        f"JSONL of {HARNESS_ROW}",
        lambda row: "replies" in row or "runs" in row,
        harness_row,
    ),
    "llava reviews": Form(
        'LLaVA-Bench, JSONL of {"question_id", "category", "content"} as '
        "eval_gpt_review_bench.py writes",
        lambda row: "question_id" in row and "content" in row,
        llava_review,
        "an unnamed judge (LLaVA's script asks a gpt-4)",
    ),
    "mm_vet grades": Form(
        'MM-Vet\'s *-grade-*runs.json, a JSON object of {id: {"model", "content", "score"}}',
        _is_grade,
        mm_vet_grade,
    ),
    "chat completions": Form(
        "answers of a chat endpoint as they came, in the order of the questions (MMHal-Bench)",
        lambda row: "choices" in row or set(row) == {"error"},
        chat_completion,
    ),
    "merged reviews": Form(
        'RLAIF-V\'s *.merge_gpt4_score.json, a JSON list of questions with "gpt4_review"',
        lambda row: "gpt4_review" in row,
        merged_review,
    ),
    "printed": Form(
        "what eval_gpt_mmhal.py prints: every reply behind its number (MMHal-Bench)",
        lambda row: set(row) == {"printed"},
        printed,
        "an unnamed judge (the script asks a gpt-4)",
    ),
}
"""By the name that is shown; the first that fits is taken."""
