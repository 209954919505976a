"""Samples as recorded reviews state them, for a benchmark whose questions are not there."""

from collections.abc import Sequence
from typing import Any

from benchmarks.types import Benchmark, Sample
from harness.evaluation.judging.recordings.said import Recording


def stated_samples(
    recordings: Sequence[Recording], benchmark: Benchmark[Any]
) -> list[Sample] | None:
    """Return the samples that LLaVA's reviews state with their categories.

    None where the files state no categories, or not those of all of the benchmark's samples. The
    questions and pictures are not known then; numbers need neither.
    """
    stated = {one.id: one.category for recording in recordings for one in recording.said}
    samples = [
        Sample(key, "", "", category)
        for key, category in stated.items()
        if key is not None and category
    ]
    return samples if len(samples) == len(stated) == benchmark.samples else None
