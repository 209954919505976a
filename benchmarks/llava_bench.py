"""LLaVA-Bench (In-the-Wild): a language model grades a reference answer and ours, 1 to 10.

Source: LLaVA, llava/eval/eval_gpt_review_bench.py and summarize_gpt_review.py at c121f04.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from benchmarks.parsing import (
    field,
    first_answer,
    json_lines,
    json_object,
    refuse_duplicates,
    required,
)
from benchmarks.types import Benchmark, Call, LLMJudge, Metric, Response, Sample, Unscored

QUESTIONS, CONTEXT, ANSWERS, RULE = (
    "questions.jsonl",
    "context.jsonl",
    "answers_gpt4.jsonl",
    "rule.json",
)
CATEGORIES = ("conv", "detail", "complex")


@dataclass(frozen=True)
class Grades:
    """Grades of the reference answer and of the model's answer to one question."""

    reference: float
    model: float
    category: str = ""


def read(files: Mapping[str, str]) -> list[Sample]:
    """Return the questions in file order, with what the judge is told about each."""
    rows = json_lines(required(files, QUESTIONS), QUESTIONS)
    refuse_duplicates((field(row, "question_id", QUESTIONS) for row in rows), QUESTIONS)
    captions = _column(files, CONTEXT, "image", "caption")
    answers = _column(files, ANSWERS, "question_id", "text")
    rules = json_object(files[RULE], RULE) if RULE in files else {}
    samples = []
    for row in rows:
        where = f"{QUESTIONS}, question {row['question_id']}"
        category, image = field(row, "category", where), field(row, "image", where)
        if category not in CATEGORIES:
            raise ValueError(f"{where}: unknown category {category!r}")
        reference = {
            "caption": captions.get(image),
            "answer": answers.get(row["question_id"]),
            "rule": rules.get(f"llava_bench_{category}"),
        }
        question = field(row, "text", where)
        samples.append(Sample(row["question_id"], question, f"images/{image}", category, reference))
    return samples


def _column(files: Mapping[str, str], name: str, key: str, value: str) -> dict[Any, Any]:
    rows = json_lines(files[name], name) if name in files else []
    return {field(row, key, name): field(row, value, name) for row in rows}


def request(sample: Sample, response: Response) -> str:
    """Write context, question, both answers (reference first) and the category's rule."""
    reference = sample.reference
    absent = [key for key in ("caption", "answer", "rule") if reference[key] is None]
    if absent:
        raise ValueError(
            f"question {sample.id}: no {', '.join(absent)} in {CONTEXT}, {ANSWERS} or {RULE}, "
            "so the judge cannot be asked"
        )
    caption, rule = reference["caption"], reference["rule"]
    role = rule["role"]
    sections = (
        ("Context", caption if isinstance(caption, str) else "\n".join(caption)),
        ("Question", sample.question),
        (f"{role} 1", f"{reference['answer']}\n\n[End of {role} 1]"),
        (f"{role} 2", f"{response.text}\n\n[End of {role} 2]"),
        ("System", rule["prompt"]),
    )
    return "".join(f"[{title}]\n{text}\n\n" for title, text in sections)


def grades_in(reply: str) -> tuple[float, float] | None:
    """Return the two numbers on the first line, or None.

    Faithful: one comma or one space between them and nothing around, so that "8, 7" is
    unreadable and "nan" is a number.
    """
    parts = reply.split("\n")[0].replace(",", " ").split(" ")
    if len(parts) != 2:
        return None
    try:
        return float(parts[0]), float(parts[1])
    except ValueError:
        return None


def score(sample: Sample, _response: Response, replies: Sequence[str]) -> Grades | Unscored:
    """Read both grades from the first reply after refused calls."""
    reply = first_answer(replies)
    grades = None if reply is None else grades_in(reply)
    if grades is None:
        failed = Grades(FALLBACK.reference, FALLBACK.model, sample.category)
        return Unscored(sample.id, "no two grades on the first line of the reply", failed)
    counted = Grades(*grades, sample.category)
    if not all(map(math.isfinite, grades)):
        return Unscored(sample.id, "a grade is not a finite number", counted)
    return counted


def relative(scores: Sequence[Grades]) -> float | None:
    """Return the model's mean grade in percent of the reference's; None if that is zero.

    Faithful: both means are rounded to three digits before they are divided, and 0 to -1 grades
    of unreadable replies stay in them: if all are unreadable the result is 100.
    """
    # Not sum(): from Python 3.12 on it compensates rounding, which the script does not.
    means = [
        round(reduce(add, column) / len(scores), 3)
        for column in zip(*((score.reference, score.model) for score in scores), strict=True)
    ]
    return None if means[0] == 0 else round(means[1] / means[0] * 100, 1)


def aggregate(scores: Sequence[Grades]) -> dict[str, float]:
    """Return the relative grade over all questions and by category; absent where there are none."""
    groups = {"all": list(scores)}
    for category in CATEGORIES:
        groups[category] = [score for score in scores if score.category == category]
    values = {name: relative(group) for name, group in groups.items() if group}
    return {name: value for name, value in values.items() if value is not None}


FALLBACK = Grades(-1, -1)

BENCHMARK = Benchmark(
    name="llava_bench",
    samples=60,
    metrics=(
        Metric("all", "percent", True, headline=True, description="Grade relative to GPT-4's."),
        *(Metric(category, "percent", True) for category in CATEGORIES),
    ),
    source="arXiv:2304.08485; LLaVA llava/eval/eval_gpt_review_bench.py at c121f04",
    annotator=LLMJudge(
        model="gpt-4-0314",
        calls=(Call(temperature=0.2),),
        readable=lambda reply: grades_in(reply) is not None,
        max_tokens=1024,
        system="You are a helpful and precise assistant for checking the quality of the answer.",
    ),
    request=request,
    score=score,
    aggregate=aggregate,
    fallback=FALLBACK,
    files=(QUESTIONS, CONTEXT, ANSWERS, RULE),
    read=read,
    unreadable="did not begin with two finite grades: the published script counts -1 for both "
    "answers, or the nan or inf that stands there",
)
