"""MM-Vet: a language model gives each answer 0 to 1; means by capability and integration.

Source: MM-Vet, mm-vet_evaluator.py at acde843.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from benchmarks.parsing import field, json_object, required
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

QUESTIONS, PROMPT = "mm-vet.json", "judge_prompt.txt"
CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")
RETRY_SUFFIX = "\nPredict the correctness of the answer (digit): "
# The first call, then the same question with a hint at temperatures 0.0, 0.5, ... 2.0.
CALLS = (
    Call(0.0),
    *(Call(temperature, RETRY_SUFFIX) for temperature in (0.0, 0.5, 1.0, 1.5, 2.0)),
)


@dataclass(frozen=True)
class Correctness:
    """Correctness of one answer, 0 to 1, in each run of the judge."""

    runs: tuple[float, ...]
    capabilities: tuple[str, ...] = ()


def read(files: Mapping[str, str]) -> list[Sample]:
    """Return the questions in file order."""
    rows = json_object(required(files, QUESTIONS), QUESTIONS)
    samples = []
    for name, row in rows.items():
        where = f"{QUESTIONS}, {name}"
        capabilities = field(row, "capability", where)
        unknown = sorted(set(capabilities) - set(CAPABILITIES))
        if unknown:
            raise ValueError(f"{where}: unknown capability {unknown}")
        reference = {
            "answer": field(row, "answer", where),
            "capabilities": tuple(sorted(set(capabilities))),
            "template": files.get(PROMPT),
        }
        question, image = field(row, "question", where), field(row, "imagename", where)
        category = "_".join(reference["capabilities"])
        samples.append(Sample(name, question, f"images/{image}", category, reference))
    return samples


def request(sample: Sample, response: Response) -> str:
    """Append this answer as the open row of the judge's table of examples."""
    template, answer = sample.reference["template"], sample.reference["answer"]
    if template is None:
        raise ValueError(f"{PROMPT} is missing, so the judge cannot be asked")
    answer = answer.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    # Faithful: a newline or a bar in the answer is not escaped.
    return f"{template}\n" + " | ".join((sample.question, answer, response.text, ""))


def correctness_in(reply: str) -> float | None:
    """Return the number before the first space if it is within 0 and 1, or None.

    Faithful: "nan" passes, because no comparison with it says otherwise.
    """
    try:
        value = float(reply.split(" ")[0].strip())
    except ValueError:
        return None
    return None if value < 0 or value > 1 else value


def runs_in(replies: Sequence[str]) -> list[float | None]:
    """Cut the replies of several runs apart and read each run.

    A run ends with its first readable reply or after six. Faithful: the sixth is never read,
    and a refused call restarts the count.
    """
    runs: list[float | None] = []
    attempt = 0
    for reply in replies:
        attempt = 0 if reply == FAILED_CALL else attempt + 1
        value = correctness_in(reply) if attempt < len(CALLS) else None
        if value is not None or attempt == len(CALLS):
            runs.append(value)
            attempt = 0
    if attempt:
        runs.append(None)
    return runs


def score(sample: Sample, _response: Response, replies: Sequence[str]) -> Correctness | Unscored:
    """Read the correctness of every run; one failed run leaves the sample unscored."""
    capabilities = sample.reference["capabilities"]
    runs = runs_in(replies) or [None]
    fallback = FALLBACK.runs[0]
    values = tuple(fallback if value is None else value for value in runs)
    counted = Correctness(values, capabilities)
    if None in runs:
        return Unscored(sample.id, "no number from 0 to 1 after all attempts", counted)
    if any(map(math.isnan, values)):
        return Unscored(sample.id, "the judge's number is nan", counted)
    return counted


def rounded(value: float) -> float:
    """Round to one decimal as numpy does: scale, round half to even, scale back."""
    return value if math.isnan(value) else round(value * 10) / 10


def mean_of_runs(scores: Sequence[Correctness]) -> list[float]:
    """Return the mean correctness in percent, one number per run."""
    # Not sum(): from Python 3.12 on it compensates rounding, which the script does not.
    by_run = zip(*(score.runs for score in scores), strict=True)
    return [reduce(add, values, 0.0) / len(scores) * 100 for values in by_run]


def mean(values: Sequence[float]) -> float:
    """Return the mean, added up in the order of numpy: from eight runs on in eight strands."""
    count = len(values)
    whole = count - count % 8
    strands = [reduce(add, values[start:whole:8], 0.0) for start in range(8)] if whole else [0.0]
    while len(strands) > 1:
        strands = [
            first + second for first, second in zip(strands[::2], strands[1::2], strict=True)
        ]
    return reduce(add, values[whole:], strands[0]) / count


def aggregate(scores: Sequence[Correctness]) -> dict[str, float]:
    """Return percentages: total, by capability and by exact set of capabilities.

    A group without answers is absent. `total_std` (over runs, population) is there with several
    runs.
    """
    if len({len(score.runs) for score in scores}) > 1:
        raise ValueError("the samples were judged in different numbers of runs")
    groups = {"total": list(scores)}
    for capability in CAPABILITIES:
        groups[capability] = [score for score in scores if capability in score.capabilities]
    for score in scores:
        groups.setdefault(f"integration/{'_'.join(score.capabilities)}", []).append(score)
    metrics = {name: rounded(mean(mean_of_runs(group))) for name, group in groups.items() if group}
    totals = mean_of_runs(scores)
    if len(totals) > 1:
        center = mean(totals)
        deviation = mean([(total - center) ** 2 for total in totals])
        metrics["total_std"] = rounded(math.sqrt(deviation))
    return metrics


def printed_runs(scores: Sequence[Correctness]) -> dict[str, list[float]]:
    """Return the total of each run, as the script prints it; nothing for one run."""
    totals = mean_of_runs(scores)
    return {"total": [rounded(total) for total in totals]} if len(totals) > 1 else {}


def stored(row: Mapping[str, Any]) -> Correctness:
    """Read a score back."""
    return Correctness(tuple(row["runs"]), tuple(row["capabilities"]))


def sums_of(score: Correctness) -> dict[str, float]:
    """Return the correctness of one answer in each run, for all groups that it belongs to."""
    groups = ("total", *score.capabilities, f"integration/{'_'.join(score.capabilities)}")
    sums: dict[str, float] = {f"{group}/answers": 1 for group in groups}
    for place, value in enumerate(score.runs):
        sums |= {f"{group}/run/{place}": value for group in groups}
    return sums


def metric(name: str, totals: Mapping[str, Any], rounding: Rounding) -> Any:
    """Return the percentage of a group; the mean over runs."""
    runs = sum(one.startswith(f"{name}/run/") for one in totals)
    values = [
        totals[f"{name}/run/{place}"] / totals[f"{name}/answers"] * 100 for place in range(runs)
    ]
    # As in `rounded`.
    return rounding(mean(values) * 10, 0) / 10


FALLBACK = Correctness((0.0,))

BENCHMARK = Benchmark(
    name="mm_vet",
    samples=218,
    metrics=(
        Metric("total", "percent", True, headline=True, description="Mean correctness."),
        *(Metric(capability, "percent", True) for capability in CAPABILITIES),
        Metric("integration/*", "percent", True, description="By exact set of capabilities."),
        Metric("total_std", "points", False, description="Of the total over several runs."),
    ),
    source="arXiv:2308.02490; MM-Vet mm-vet_evaluator.py at acde843",
    annotator=LLMJudge(
        model="gpt-4-0613",
        calls=CALLS,
        readable=lambda reply: correctness_in(reply) is not None,
        max_tokens=3,
        several_runs=True,
    ),
    request=request,
    score=score,
    aggregate=aggregate,
    sums=Sums(
        stored,
        sums_of,
        metric,
        without={"total_std": "it is the spread of runs of the judge, and not over samples"},
    ),
    fallback=FALLBACK,
    grades=lambda score: score.runs,
    files=(QUESTIONS, PROMPT),
    read=read,
    runs=printed_runs,
    partial=True,
    unreadable="had no number from 0 to 1 in all calls: the published script counts them as 0, or "
    "as the nan that stands there",
)
