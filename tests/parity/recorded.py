"""Recorded outputs of the published scorers."""

import json
from pathlib import Path

from benchmarks.types import FAILED_CALL, Unscored

DATA = Path(__file__).parent / "data" / "benchmarks"


def recorded(name):
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def texts(replies):
    """Replies as a benchmark gets them: null is empty, an error is a refused call."""
    return [FAILED_CALL if isinstance(r, dict) else r or "" for r in replies]


def official(benchmark, scores):
    """Scores as the published script counts them."""
    return [
        (benchmark.fallback if score.counted_as is None else score.counted_as)
        if isinstance(score, Unscored)
        else score
        for score in scores
    ]
