"""The command `score`: saved answers to numbers, without a model."""

import dataclasses
import json
from pathlib import Path

from benchmarks.types import Scorecard
from harness.evaluation.annotators import find_annotators
from harness.evaluation.evaluate import evaluate
from harness.registry import load_benchmark


def score_responses(
    benchmark: str, responses: Path, data: Path, judge: str | None = None
) -> Scorecard:
    """Score one file of answers.

    Args:
        benchmark: Name of the benchmark.
        responses: JSONL of {"id", "response"}.
        data: Folder of the benchmark's own files.
        judge: As on the command line; None where the benchmark asks no language model.
    """
    annotators = find_annotators(judge, data)
    return evaluate(load_benchmark(benchmark), data, responses, annotators).scorecard


def as_json(scorecard: Scorecard) -> str:
    """Return what `score --json` prints."""
    return json.dumps(dataclasses.asdict(scorecard), indent=2, ensure_ascii=False)
