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
    json_lines,
    json_object,
    refuse_duplicates,
    required,
)
from benchmarks.types import (
    FAILED_CALL,
    Benchmark,
    Call,
    LLMJudge,
    Metric,
    Response,
    Rounding,
    Sample,
    Sums,
    Unscored,
)

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


@dataclass(frozen=True)
class Reviews:
    """Grades of one question in several runs of the judge."""

    runs: tuple[Grades, ...]

    @property
    def category(self) -> str:
        """Category of the question."""
        return self.runs[0].category


Score = Grades | Reviews


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


def score(sample: Sample, _response: Response, replies: Sequence[str]) -> Score | Unscored:
    """Read both grades from every reply that is no refused call: each is a run of its own."""
    answers = [reply for reply in replies if reply != FAILED_CALL] or [""]
    found = [grades_in(reply) for reply in answers]
    unread = (FALLBACK.reference, FALLBACK.model)
    runs = tuple(Grades(*(grades or unread), sample.category) for grades in found)
    counted = runs[0] if len(runs) == 1 else Reviews(runs)
    if None in found:
        return Unscored(sample.id, "no two grades on the first line of the reply", counted)
    if not all(math.isfinite(value) for one in runs for value in (one.reference, one.model)):
        return Unscored(sample.id, "a grade is not a finite number", counted)
    return counted


def relative(scores: Sequence[Grades]) -> float | None:
    """Return the model's mean grade in percent of the reference's; None if that is zero.

    Faithful: both means are rounded to three digits before they are divided, and 0 to -1 grades
    of unreadable replies stay in them: if all are unreadable the result is 100.
    """
    reference, model = means(scores)
    return None if reference == 0 else share(model, reference, round)


def share(model: Any, reference: Any, rounded: Rounding) -> Any:
    """Return one mean grade in percent of the other."""
    return rounded(model / reference * 100, 1)


def means(scores: Sequence[Grades]) -> tuple[float, float]:
    """Return the mean grades of the reference and of the model, rounded to three digits."""
    # Not sum(): from Python 3.12 on it compensates rounding, which the script does not.
    reference, model = (
        round(reduce(add, column) / len(scores), 3)
        for column in zip(*((score.reference, score.model) for score in scores), strict=True)
    )
    return reference, model


def aggregate(scores: Sequence[Score]) -> dict[str, float]:
    """Return the relative grade over all questions and by category; absent where there are none.

    Of several runs the mean of what the script prints for each, as published rows are.
    """
    values = {
        name: [relative(run) for run in by_run(group)] for name, group in groups(scores).items()
    }
    return {
        name: mean_of_runs(printed, round)
        for name, found in values.items()
        if len(printed := [value for value in found if value is not None]) == len(found)
    }


def mean_of_runs(values: Sequence[Any], rounded: Rounding) -> Any:
    """Return the mean of the numbers of several runs; one number as it is."""
    return values[0] if len(values) == 1 else rounded(sum(values) / len(values), 1)


def groups(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Return all scores, and those of each category that there is."""
    found = {"all": list(scores)}
    for category in CATEGORIES:
        found[category] = [score for score in scores if score.category == category]
    return {name: group for name, group in found.items() if group}


def by_run(scores: Sequence[Score]) -> list[list[Grades]]:
    """Return the grades of each run of the judge.

    Raises:
        ValueError: Some questions were judged in more runs than others.
    """
    rows = [score.runs if isinstance(score, Reviews) else (score,) for score in scores]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the samples were judged in different numbers of runs")
    return [list(run) for run in zip(*rows, strict=True)]


def printed_runs(scores: Sequence[Score]) -> dict[str, list[float]]:
    """Return what the script prints for each run: the relative grade, and both means times ten."""
    lines: dict[str, list[float]] = {}
    for name, group in groups(scores).items():
        runs = by_run(group)
        values = [relative(run) for run in runs]
        if len(runs) > 1 and None not in values:
            lines[name] = [value for value in values if value is not None]
        for place, whose in enumerate(("reference", "model")):
            lines[f"{name}, {whose}"] = [round(means(run)[place] * 10, 1) for run in runs]
    return lines


def stored(row: Mapping[str, Any]) -> Score:
    """Read a score back."""
    if "runs" in row:
        return Reviews(tuple(Grades(**run) for run in row["runs"]))
    return Grades(**row)


def sums_of(score: Score) -> dict[str, float]:
    """Return the grades of one question in each run, and that it is one; also by category."""
    runs = score.runs if isinstance(score, Reviews) else (score,)
    sums: dict[str, float] = {}
    for group in ("all", score.category):
        sums[f"{group}/questions"] = 1
        for place, run in enumerate(runs):
            sums[f"{group}/reference/{place}"] = run.reference
            sums[f"{group}/model/{place}"] = run.model
    return sums


def metric(name: str, totals: Mapping[str, Any], rounded: Rounding) -> Any:
    """Return the relative grade of a category, in percent; the mean over runs."""

    def mean(whose: str, place: int) -> Any:
        return rounded(totals[f"{name}/{whose}/{place}"] / totals[f"{name}/questions"], 3)

    runs = sum(one.startswith(f"{name}/model/") for one in totals)
    values = [
        share(mean("model", place), mean("reference", place), rounded) for place in range(runs)
    ]
    return mean_of_runs(values, rounded)


FALLBACK = Grades(-1, -1)


def model_grades(score: Score) -> tuple[float, ...]:
    """Return the grades of the model's answer, 1 to 10, of each run."""
    return tuple(one.model for one in (score.runs if isinstance(score, Reviews) else (score,)))


BENCHMARK: Benchmark[Score] = Benchmark(
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
        recorded_runs=True,
    ),
    request=request,
    score=score,
    aggregate=aggregate,
    sums=Sums(stored, sums_of, metric),
    fallback=FALLBACK,
    grades=model_grades,
    files=(QUESTIONS, CONTEXT, ANSWERS, RULE),
    read=read,
    runs=printed_runs,
    unreadable="did not begin with two finite grades: the published script counts -1 for both "
    "answers, or the nan or inf that stands there",
)
