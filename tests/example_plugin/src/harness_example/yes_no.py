"""Yes/no questions: the share of answers that begin with the right word."""

import json
from collections.abc import Mapping, Sequence

from benchmarks.types import Benchmark, Metric, Response, Sample, Unscored


def read(files: Mapping[str, str]) -> list[Sample]:
    """Read one JSON object per line: id, question, image and answer."""
    rows = [json.loads(line) for line in files["questions.jsonl"].splitlines()]
    return [
        Sample(row["id"], row["question"], row["image"], reference={"answer": row["answer"]})
        for row in rows
    ]


def score(sample: Sample, response: Response, replies: Sequence[str]) -> bool | Unscored:
    """Say whether the answer begins with the right word; no annotator is asked."""
    said = response.text.strip().lower()
    if not said.startswith(("yes", "no")):
        return Unscored(sample.id, "neither yes nor no")
    return said.startswith(sample.reference["answer"])


def aggregate(scores: Sequence[bool]) -> dict[str, float]:
    """Return the accuracy in percent; NaN for no scores."""
    return {"accuracy": 100 * sum(scores) / len(scores) if scores else float("nan")}


BENCHMARK = Benchmark[bool](
    name="yes_no",
    task="yes_no",
    samples=2,
    metrics=(Metric("accuracy", unit="percent", higher_is_better=True, headline=True),),
    source="This file.",
    annotator=None,
    request=lambda sample, response: "",
    score=score,
    aggregate=aggregate,
    fallback=False,
    files=("questions.jsonl",),
    read=read,
)
