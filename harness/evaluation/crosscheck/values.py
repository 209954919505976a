"""What goes into lmms-eval's own tasks, and the numbers that come out, from its samples.

Its aggregates are not read: they hold failed judging, and of MM-Vet only the total.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.types import Sample
from harness.errors import DataError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class TaskValues:
    """How the samples of one task become numbers."""

    metric: str
    """Under which a sample holds its judging."""
    failed: Callable[[Row], bool]
    """Whether a sample's number stands for no reply."""
    readable: Callable[[str], bool]
    """Whether the task finds a number in a reply."""
    values: Callable[[Sequence[Row]], dict[str, float]]


def row_of(benchmark: str, sample: Sample) -> dict[str, Any]:
    """Return a sample in the columns of the task's data set, without the image.

    Raises:
        DataError: The data lack what the judge is told.
    """
    absent = [key for key in ("answer", "caption") if sample.reference.get(key, "") is None]
    if absent:
        raise DataError(
            f"benchmark '{benchmark}', sample {sample.id!r}: the data hold no {', '.join(absent)}, "
            f"so no judge can be asked. Get them with: python -m harness data fetch {benchmark}"
        )
    row: dict[str, Any] = {"question_id": str(sample.id), "question": sample.question}
    if benchmark == "mm_vet":
        return row | {
            "answer": sample.reference["answer"],
            "capability": ",".join(sample.reference["capabilities"]),
        }
    return row | {
        "category": sample.category,
        "caption": sample.reference["caption"],
        "gpt_answer": sample.reference["answer"],
    }


def _mmvet_failed(row: Row) -> bool:
    """Whether the judge said nothing; the grade is 0.0 then, and `eval_model` empty."""
    return not row["eval_model"]


def _mmvet_readable(reply: str) -> bool:
    try:
        return 0 <= float(reply.strip().split(" ")[0]) <= 1
    except ValueError:
        return False


def _mmvet_values(rows: Sequence[Row]) -> dict[str, float]:
    values = {"total": 100 * fmean(row["score"] for row in rows)}
    for capability in ("rec", "ocr", "know", "gen", "spat", "math"):
        scores = [row["score"] for row in rows if capability in row["capabilities"].split(",")]
        if scores:
            values[capability] = 100 * fmean(scores)
    return values


def _llava_failed(row: Row) -> bool:
    """Whether no two grades were found; both are -1 then."""
    return any(score < 0 for score in row["scores"])


def _llava_readable(reply: str) -> bool:
    first = reply.strip().split("\n")[0]
    return len(re.findall(r"\d+(?:\.\d+)?", first)) >= 2


def _llava_values(rows: Sequence[Row]) -> dict[str, float]:
    """Return the ratio of mean grades by category, as the task rounds it."""
    values = {}
    for name in ("all", "conv", "detail", "complex"):
        grades = [
            row["scores"] for row in rows if name == "all" or row["category"].endswith(f"_{name}")
        ]
        if grades:
            reference, model = (round(fmean(column), 3) for column in zip(*grades, strict=True))
            if reference:
                values[name] = round(model / reference * 100, 1)
    return values


VALUES = {
    "mm_vet": TaskValues("gpt_eval_score", _mmvet_failed, _mmvet_readable, _mmvet_values),
    "llava_bench": TaskValues("gpt_eval_llava_all", _llava_failed, _llava_readable, _llava_values),
}
"""By our names of the benchmarks."""
